"""Signing in: what people who sign in cost the services that want tokens meanwhile."""

from bench.signing_in.comparison import latency

__all__ = ["latency"]
