"""Minting: how many tokens one core signs and answers, over HTTP, with client credentials."""

from bench.minting.comparison import run

__all__ = ["run"]
