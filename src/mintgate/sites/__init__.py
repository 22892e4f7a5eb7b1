"""What people and programs see at the root: pages, and the anonymous tools."""
