"""Why what was posted did not arrive."""

from __future__ import annotations


class DeliveryFailed(Exception):
    """The application did not take it; the message says why, for operators only."""


class GivenUp(DeliveryFailed):
    """Another attempt would be no better."""
