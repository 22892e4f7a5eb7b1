"""What a token *is*: claim sets, scopes, records, refusals. Pure: no I/O and no framework."""
