"""Devices where a user signed in before, by a signed cookie [SGN-6].

The cookie is no proof of who somebody is. It keeps the wrong tries of strangers apart from those
of this device, so that a stranger cannot make its user wait.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import NamedTuple

from sqlalchemy import Connection

from mintgate.contract import lifetimes
from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import token_digest
from mintgate.store import user_devices

PURPOSE = "known devices"
MAX_MARKS = 4
"""Users of one device; who signed in last is kept."""
# The device's random name, then one mark a user: when it was made, and a signature over device,
# user and time. So the cookie names nobody, and is of no use for another user.
_NAME = r"[A-Za-z0-9_-]{22}"
_MARK = r"[0-9a-f]{1,12}-[A-Za-z0-9_-]{43}"
_COOKIE = re.compile(rf"({_NAME})((?:\.{_MARK}){{0,{MAX_MARKS}}})")


class Device(NamedTuple):
    """Args:
    made_at: when its user signed in there last, Unix seconds.
    """

    name: str
    made_at: int

    @property
    def digest(self) -> str:
        return digest_of(self.name)


def digest_of(name_or_cookie: str) -> str:
    """By which the database knows a device; its name is in the cookie only."""
    return token_digest(name_or_cookie.partition(".")[0])


class KnownDevices:
    """Reads and writes the device cookie of one instance.

    Args:
        key: 32 secret bytes of the instance, for this purpose only.
        clock: Unix seconds.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def find(self, cookie: str | None, user_id: str) -> Device | None:
        """The device, if this user signed in there in the last 180 days."""
        device, marks = _parsed(cookie)
        now = self._clock()
        for mark in marks:
            made_at = int(mark.partition("-")[0], 16)
            if self._is_signed(mark, device, user_id) and now < made_at + lifetimes.KNOWN_DEVICE:
                return Device(device, made_at)
        return None

    def name_of(
        self, connection: Connection, instance_id: str, cookie: str | None, user_id: str
    ) -> str | None:
        """The device's name, if it is known and was not removed since [PRF-8].

        Nothing is asked of the database for who has no cookie of this user: a stranger's try
        costs the same whoever it is for [SGN-3].
        """
        device = self.find(cookie, user_id)
        if device is None:
            return None
        removed_at = user_devices.removed_at(connection, instance_id, user_id, device.digest)
        return device.name if removed_at is None or removed_at < device.made_at else None

    def remember(self, cookie: str | None, user_id: str) -> str:
        """The cookie's new value, after a sign-in of this user."""
        device, marks = _parsed(cookie)
        others = [mark for mark in marks if not self._is_signed(mark, device, user_id)]
        device = device or secrets.token_urlsafe(16)
        made_at = f"{int(self._clock()):x}"
        mark = f"{made_at}-{self._signature(device, user_id, made_at)}"
        return ".".join((device, mark, *others[: MAX_MARKS - 1]))

    def _is_signed(self, mark: str, device: str, user_id: str) -> bool:
        made_at, _, signature = mark.partition("-")
        return hmac.compare_digest(signature, self._signature(device, user_id, made_at))

    def _signature(self, device: str, user_id: str, made_at: str) -> str:
        digest = hmac.digest(self._key, f"{device}\0{user_id}\0{made_at}".encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _parsed(cookie: str | None) -> tuple[str, list[str]]:
    """The device's name and the marks; empty for a cookie that is not of this form."""
    match = _COOKIE.fullmatch(cookie or "")
    return (match[1], match[2].split(".")[1:]) if match else ("", [])
