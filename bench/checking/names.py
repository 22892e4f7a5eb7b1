"""What parent and workers call the contenders; apart, so that the parent imports no library."""

from __future__ import annotations

import msgspec

RAW, MINTGATE, PYJWT, JOSERFC, AUTHLIB = "raw verify", "mintgate", "PyJWT", "joserfc", "Authlib"
WITH_STATE = "mintgate, revocations too"
PYTHON_JOSE = "python-jose"
FAST_JWT, JOSE = "fast-jwt (Node)", "jose (Node)"

DISTINCT_TOKENS = 1500
"""Tokens to check: distinct, each as mintgate mints it for a service."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers are given.

    Args:
        kid, pem: of the key that signed, its public half.
        python_jose: the folder where that library was installed; None when it was not.
    """

    kid: str
    pem: str
    tokens: list[str]
    issuer: str
    audience: str
    python_jose: str | None
