"""What proves a person besides the password: one-time codes, recovery codes and passkeys. Pure.

A passkey counts for both factors, so whoever has one has a second factor: the password alone does
not open the account any more.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

from mintgate.contract.instance import Instance, SecondFactorRule
from mintgate.contract.users import UserType

MAX_PASSKEYS = 20
MAX_PASSKEY_NAME = 64
RECOVERY_CODES = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Of recovery codes: Crockford's, without letters that look like others."""
_RECOVERY_CODE = re.compile(rf"[{_ALPHABET}]{{16}}")
_ONE_TIME_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_LOOKS_LIKE = str.maketrans({"o": "0", "i": "1", "l": "1", "-": "", " ": ""})


class AmrName(enum.StrEnum):
    """Methods of a sign-in, by their names in RFC 8176 §2 [IDT-13]."""

    PASSWORD = "pwd"  # noqa: S105 - a name
    ONE_TIME_CODE = "otp"
    SEVERAL_FACTORS = "mfa"
    HARDWARE_KEY = "hwk"
    SOFTWARE_KEY = "swk"
    PRESENCE = "user"


class Factors(msgspec.Struct, frozen=True):
    """What a person has enrolled.

    Args:
        has_totp: an authenticator app.
        passkeys: how many.
        recovery_codes: how many are left; they are no factor of their own.
    """

    has_totp: bool = False
    passkeys: int = 0
    recovery_codes: int = 0

    @property
    def has_any(self) -> bool:
        return self.has_totp or self.passkeys > 0

    @property
    def count(self) -> int:
        return int(self.has_totp) + self.passkeys


def rule_for(instance: Instance, user_type: UserType) -> SecondFactorRule:
    """What the instance says for users of this type; only two types sign in [USR-12]."""
    if user_type is UserType.INTERNAL:
        return instance.second_factor_internal
    if user_type is UserType.COMMUNITY:
        return instance.second_factor_community
    return SecondFactorRule.OFF


def allows_some(instance: Instance) -> bool:
    """Whether anybody can have a second factor here."""
    rules = (instance.second_factor_internal, instance.second_factor_community)
    return any(rule is not SecondFactorRule.OFF for rule in rules)


def asks_for_one(instance: Instance, user_type: UserType, *, has_any: bool) -> bool:
    """Whether the password alone is not enough for this person.

    Args:
        has_any: whether the person has enrolled some.
    """
    rule = rule_for(instance, user_type)
    return rule is SecondFactorRule.REQUIRED or (rule is SecondFactorRule.ALLOWED and has_any)


def passkey_domain(instance: Instance) -> str | None:
    """The relying party's id (WebAuthn §5.1.2), from the base URL and nothing else.

    None where browsers allow no passkeys: an address is no domain.
    """
    host = urlsplit(instance.base_url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host or None
    return None


def offers_passkeys(instance: Instance) -> bool:
    return allows_some(instance) and passkey_domain(instance) is not None


def one_time_code_of(typed: str) -> str | None:
    """A code of an authenticator app as typed, perhaps with spaces; None when it is none."""
    code = "".join(typed.split())
    return code if _ONE_TIME_CODE.fullmatch(code) else None


def recovery_code_of(typed: str) -> str | None:
    """A recovery code in the form that is hashed; None when it is none."""
    code = "".join(typed.split()).lower().translate(_LOOKS_LIKE)
    return code if _RECOVERY_CODE.fullmatch(code) else None


def shown_recovery_code(code: str) -> str:
    """In groups, as people read it."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def recovery_code_from(number: int) -> str:
    """The code for a number of 80 bits."""
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
