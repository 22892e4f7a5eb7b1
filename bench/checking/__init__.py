"""Checking: how many tokens one core verifies, in process, with nothing cached but the key."""

from bench.checking.comparison import run

__all__ = ["run"]
