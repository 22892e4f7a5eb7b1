"""Checking: how many tokens one core verifies, in process: new ones, and ones seen before."""

from bench.checking.comparison import run, run_cached

__all__ = ["run", "run_cached"]
