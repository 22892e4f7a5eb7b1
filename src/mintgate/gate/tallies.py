"""What the gate counts in this process; see `contract.tallies`."""

from __future__ import annotations

from mintgate.contract.tallies import Spreads

UPSTREAM = Spreads((0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30), "api")
"""Seconds from passing a request on to the head of the answer."""
