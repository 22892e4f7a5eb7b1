"""Recovery codes: for the day on which the phone is lost."""

from __future__ import annotations

import secrets

from mintgate.contract.identifiers import token_digest
from mintgate.contract.second_factors import (
    RECOVERY_CODES,
    recovery_code_from,
    recovery_code_of,
    shown_recovery_code,
)


def new_codes() -> tuple[str, ...]:
    """Fresh codes as they are shown, once.

    Each has 80 random bits: a digest without a salt gives none of them away.
    """
    return tuple(
        shown_recovery_code(recovery_code_from(secrets.randbits(80))) for _ in range(RECOVERY_CODES)
    )


def digest_of(typed: str) -> str | None:
    """What is stored of a code; None for what is no code."""
    code = recovery_code_of(typed)
    return token_digest(code) if code is not None else None
