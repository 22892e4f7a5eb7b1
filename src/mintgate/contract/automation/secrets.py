"""An application's secrets, as pages and programs tell and change them [EXT-10].

Times are Unix seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mintgate.contract.automation.credentials import Strict

Which = Literal["first", "second"]
Seconds = Annotated[int, Meta(ge=1, le=10 * 366 * 24 * 3600)]


class SecretRotation(Strict, frozen=True, kw_only=True):
    """Args:
    kept_seconds: how long the secret of until now is accepted too; None ends it at once.
    life_seconds: when the new one ends by itself; None is never.
    """

    kept_seconds: Seconds | None = None
    life_seconds: Seconds | None = None


class SecretToEnd(Strict, frozen=True, kw_only=True):
    which: Which = "second"


class SecretLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a secret; the secret itself is not stored."""

    which: Which
    made_at: int | None
    ends_at: int | None
    is_live: bool
