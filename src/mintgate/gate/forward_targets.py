"""Whom a call of forward auth asks, as its address says."""

from __future__ import annotations

import functools
from urllib.parse import unquote

import msgspec

from mintgate.gate.forward_dialects import DIALECTS, Dialect

ROOT = "/gate/"
MAX_ADDRESS = 1024
"""Bytes; each address that is asked is remembered."""
_AS_TOKEN = b"-token"


class Target(msgspec.Struct, frozen=True):
    """Whom a call asks.

    Args:
        as_token: whether the API learns by an internal token who calls.
        rest: what follows in the path, undecoded.
    """

    dialect: Dialect
    as_token: bool
    instance: str
    api: str
    rest: bytes


def target_of(raw_path: bytes) -> Target | None:
    """What the address of a call says; None when it is none of forward auth.

    Args:
        raw_path: undecoded, without the query.
    """
    address, slash, rest = raw_path, b"", b""
    if raw_path.count(b"/") > 4:
        *parts, rest = raw_path.split(b"/", 5)
        address, slash = b"/".join(parts), b"/"
    named = _named(address) if len(address) <= MAX_ADDRESS else None
    if named is None or not slash:
        return named
    return msgspec.structs.replace(named, rest=slash + rest)


@functools.lru_cache(maxsize=64)
def _named(address: bytes) -> Target | None:
    parts = address.split(b"/")
    if len(parts) != 5 or parts[1] != b"gate":
        return None
    dialect = DIALECTS.get(parts[2].removesuffix(_AS_TOKEN))
    if dialect is None:
        return None
    return Target(dialect, parts[2].endswith(_AS_TOKEN), _text(parts[3]), _text(parts[4]), b"")


def _text(segment: bytes) -> str:
    return unquote(segment.decode("latin-1"))
