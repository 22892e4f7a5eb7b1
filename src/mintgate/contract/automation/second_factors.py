"""Second factors and passkeys, as the automation API and Profile show and take them."""

from __future__ import annotations

from typing import Any

import msgspec

from mintgate.contract.automation.credentials import Hidden, Strict


class PasskeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey; times in Unix seconds.

    Args:
        can_be_copied: whether its authenticator may copy it to other devices.
        is_copied: whether it has.
    """

    id: str
    name: str
    created_at: float
    last_used_at: float | None
    can_be_copied: bool
    is_copied: bool


class SecondFactorsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has enrolled, and what the instance says of it.

    Args:
        rule: `off`, `allowed` or `required`.
        has_app: an authenticator app for one-time codes.
        app_since: Unix seconds.
        recovery_codes: how many are left.
        offers_passkeys: whether new ones can be made here.
        is_last_one_kept: whether the last factor cannot be removed.
    """

    rule: str
    has_app: bool
    app_since: float | None
    recovery_codes: int
    passkeys: list[PasskeyRecord]
    offers_passkeys: bool
    is_last_one_kept: bool


class AppToSetUp(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """A new secret for an authenticator app; it counts as soon as its first code is shown.

    Args:
        secret: in base32.
        uri: `otpauth://…`.
        picture: the same as a QR code, a `data:` URL of an SVG.
    """

    secret: str
    uri: str
    picture: str


class OneTimeCode(Hidden, Strict, frozen=True, kw_only=True):
    """Six digits that the app shows now."""

    code: str


class RecoveryCodes(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """New recovery codes, in this answer only; none when those of before are still good."""

    recovery_codes: tuple[str, ...]


class PasskeyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `navigator.credentials.create()` takes, with bytes in base64url (WebAuthn §5.1)."""

    options: dict[str, Any]


class NewPasskey(Hidden, Strict, frozen=True, kw_only=True):
    """`credential` is what the browser made, in its JSON form."""

    credential: dict[str, Any]
    name: str = ""


class PasskeyName(Strict, frozen=True, kw_only=True):
    name: str


class MadePasskey(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """The passkey, and new recovery codes where the person had none left."""

    passkey: PasskeyRecord
    recovery_codes: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.passkey.id


class FactorsReset(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed."""

    app: bool
    passkeys: int
    recovery_codes: int
