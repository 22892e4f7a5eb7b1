"""Noting why a request was refused: for the counts, and for the log of whoever serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mintgate.contract.errors import Refusal
from mintgate.verify.tallies import REFUSED

RECORD = "mintgate.record"
"""The key of an ASGI scope under which a server keeps what it logs of the request, if it does."""


def note_refusal(scope: Mapping[str, Any], endpoint: str, refusal: Refusal) -> None:
    """Count a refusal, and remember it.

    Args:
        endpoint: one of a few names; see `contract.tallies`.
    """
    REFUSED.add(endpoint, refusal.error)
    remember_refusal(scope, refusal)


def remember_refusal(scope: Mapping[str, Any], refusal: Refusal) -> None:
    """Have the log tell of it, when this request is logged."""
    record = scope.get(RECORD)
    if record is not None:
        record.refusal = refusal
