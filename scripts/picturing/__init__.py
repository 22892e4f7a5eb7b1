"""What `scripts/screenshots` is made of: an instance to look at, visits, and how they are drawn."""
