"""Minting: how many tokens one core signs and answers, over HTTP: of services, and of people."""

from bench.minting.comparison import run
from bench.minting.grants import run as grants

__all__ = ["grants", "run"]
