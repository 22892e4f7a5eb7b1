"""What can be in the way of copying a database."""

from __future__ import annotations


class CopyProblem(Exception):
    """It cannot be copied, backed up or restored; the message says why and what to do."""
