"""What can go wrong in a way that the reader of the output should understand."""

from __future__ import annotations


class Unmeasurable(Exception):
    """The run cannot go on; the message says why, and what to do."""


class PeerUnavailable(Exception):
    """A peer cannot be installed or started here: it is left out, and the report says so."""
