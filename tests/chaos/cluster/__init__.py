"""Three servers over PostgreSQL behind nginx, and everything that is done to them."""
