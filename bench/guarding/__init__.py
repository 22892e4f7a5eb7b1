"""Guarding: what the check of a request costs, in an API's process, beside it, and before it."""

from bench.guarding.comparison import forward_auth, gate, middleware

__all__ = ["forward_auth", "gate", "middleware"]
