"""What this server posts by itself to applications' servers: where to, when, and how often."""
