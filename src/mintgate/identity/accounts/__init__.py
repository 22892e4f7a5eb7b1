"""What people do with their own accounts by mail: another password, an address, joining."""
