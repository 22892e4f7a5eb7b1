"""How often letters may be asked for, so that nobody's mailbox is filled [SGN-8].

The counts are rows beside those of wrong passwords (docs/adr/0004-throttles.md). A stranger who
uses them up locks nobody out: each request that counted has sent its letter to the user.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from mintgate.contract.networks import network_of
from mintgate.store import Transaction, sign_in_tries
from mintgate.store.sign_in_tries import Count, Limit

PURPOSE = "mail requests"
HOUR = 3600.0
LIMITS = {
    # one name, from one address
    "mail_origin": Limit(3, HOUR, HOUR),
    # one mailbox, from anywhere
    "mail_user": Limit(10, HOUR, HOUR),
    # any names, from one address
    "mail_address": Limit(20, HOUR, HOUR),
}
"""By kind of count."""


class RequestLimits:
    """Names and counts the requests for letters of one instance.

    Args:
        key: 32 secret bytes of the instance, for this purpose only.
    """

    def __init__(self, instance_id: str, key: bytes) -> None:
        self._instance_id = instance_id
        self._key = key

    def counts(self, name: str, mailbox: str, address: str | None) -> tuple[Count, ...]:
        """What one request counts for.

        Args:
            name: as typed.
            mailbox: whose letter it would be; what was typed when there is no such user.
            address: the peer's.
        """
        network, name = network_of(address), name.strip().casefold()
        return (
            self._count("mail_origin", name, network),
            self._count("mail_user", mailbox.casefold()),
            self._count("mail_address", network),
        )

    def admit(self, tx: Transaction, counts: Sequence[Count]) -> bool:
        """Count a request, unless one of the counts is full; one statement each decides."""
        # One that is refused counts no further: it has filled nobody's mailbox.
        return all(sign_in_tries.add_one(tx, self._instance_id, count) for count in counts)

    def _count(self, kind: str, *parts: str) -> Count:
        # No part holds a NUL: forms with one are refused.
        digest = hmac.digest(self._key, "\0".join((kind, *parts)).encode(), "sha256").hex()
        return Count(digest, kind, LIMITS[kind])
