"""Why a logout token did not arrive."""

from __future__ import annotations


class DeliveryFailed(Exception):
    """The application did not take the token; the message says why, for operators only."""
