"""How often a password may be tried [SGN-6, OPQ-26]; docs/adr/0004-throttles.md says why so."""

from __future__ import annotations

import hmac

import msgspec

from mintgate.contract.networks import network_of
from mintgate.store.sign_in_tries import Count, Limit

PURPOSE = "sign-in tries"
DAY, HOUR = 24 * 3600.0, 3600.0
WAIT = 300.0
"""Seconds, the same for every limit, so that one sentence tells a person what to do."""

LIMITS = {
    # [OPQ-26] in a row, from one address or one known device
    "origin": Limit(5, DAY, WAIT),
    "device": Limit(5, DAY, WAIT),
    # one login, tried from many addresses
    "login": Limit(25, HOUR, WAIT),
    # many logins, tried from one address
    "address": Limit(30, HOUR, WAIT),
    # second factors in a row, from one address or one known device
    "code-origin": Limit(5, DAY, WAIT),
    "code-device": Limit(5, DAY, WAIT),
    # six digits of one login, tried from many addresses: some forty a day, of a million
    "code-login": Limit(20, DAY, 12 * HOUR),
}
"""By kind of count. Known devices are under `device` and `code-device` alone.

Whoever tries second factors knows the password. Codes have six digits, so that the one count for a
login is strict; recovery codes, passkeys and known devices are not under it and go on.
"""


class Origin(msgspec.Struct, frozen=True):
    """What one try counts for.

    Args:
        own: the tries for this login from here. Counted before the password is looked at, and
            forgotten when it is right.
        wide: the tries of all unknown devices for this login, and of this address for all logins.
            Counted when the password was wrong.
    """

    own: Count
    wide: tuple[Count, ...] = ()

    @property
    def counts(self) -> tuple[Count, ...]:
        return (self.own, *self.wide)


class TryNames:
    """Names the counts of one instance, so that nobody reads from a row what was typed.

    Args:
        key: 32 secret bytes of the instance, for this purpose only.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def origin(self, login: str, address: str | None, device: str | None) -> Origin:
        """Where a try for `login` comes from.

        Args:
            login: as typed; a login and the email of the same user are two, for nothing here may
                tell that there is such a user.
            address: the peer's; what a header says counts only where the operator trusts a proxy.
            device: the name of a device that this login's user signed in from, None when the
                device is unknown.
        """
        of_login = self.login(login)
        if device is not None:
            return Origin(self._count("device", of_login, device))
        network = network_of(address)
        return Origin(
            self._count("origin", of_login, network),
            (
                Count(of_login, "login", LIMITS["login"], of_login),
                self._count("address", "", network),
            ),
        )

    def second_factor(
        self, login: str, address: str | None, device: str | None, *, is_short: bool
    ) -> Origin:
        """Where a second factor of this user is tried from.

        Args:
            login: the user's own, not what was typed.
            address: the peer's.
            device: see `origin`.
            is_short: whether it is one that could be guessed in time.
        """
        of_login = self.login(login)
        if device is not None:
            return Origin(self._count("code-device", of_login, device))
        own = self._count("code-origin", of_login, network_of(address))
        of_all = Count(
            self._digest("code-login", of_login), "code-login", LIMITS["code-login"], of_login
        )
        return Origin(own, (of_all,) if is_short else ())

    def login(self, login: str) -> str:
        """The digest of a login; compared as the user table compares logins [USR-2]."""
        return self._digest("login", login.strip().casefold())

    def _count(self, kind: str, login: str, origin: str) -> Count:
        return Count(self._digest(kind, login, origin), kind, LIMITS[kind], login or None)

    def _digest(self, *parts: str) -> str:
        # No part holds a NUL: forms with one are refused.
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256").hex()
