"""Pages and letters around people's own accounts: passwords, addresses, joining."""
