"""The authorization server: endpoints, grants, ways to sign in, and the mint."""
