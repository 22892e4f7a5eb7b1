"""The API side: sessions with licence slots, limits, and the ways to stand in front of an API."""
