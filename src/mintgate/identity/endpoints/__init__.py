"""One file an endpoint: parse, decide, render. Rules live in `grants` and `authorization`."""
