"""Authentication context classes: how somebody signed in, as one name (OpenID Connect Core §2).

`pwd` is a password, `mfa` a password and a second factor, `external` another provider. A passkey
is `phr`, the name for what resists phishing in the IANA registry of RFC 6711. Each of `pwd`, `mfa`
and `phr` satisfies those before it. [EXT-15]
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from mintgate.contract.instance import Instance
from mintgate.contract.second_factors import AmrName, allows_some, offers_passkeys

PASSWORD = "pwd"  # noqa: S105 - a name
SECOND_FACTOR = "mfa"
PASSKEY = "phr"
EXTERNAL = "external"
_LEVELS = (PASSWORD, SECOND_FACTOR, PASSKEY)
"""The weakest first."""
_KEYS = frozenset({AmrName.HARDWARE_KEY, AmrName.SOFTWARE_KEY})


def reachable_at(instance: Instance) -> tuple[str, ...]:
    """What a sign-in at this instance can reach, as discovery tells."""
    some = SECOND_FACTOR if allows_some(instance) else None
    passkey = PASSKEY if offers_passkeys(instance) else None
    return tuple(c for c in (PASSWORD, some, passkey) if c is not None)


class WantedAcr(msgspec.Struct, frozen=True):
    """The classes that an application asks for, best first; empty when any will do."""

    values: tuple[str, ...] = ()
    is_essential: bool = False

    def is_reachable(self, reachable: Collection[str]) -> bool:
        """Whether some sign-in would do, where these classes can be reached."""
        return not self._must_match or not frozenset(reachable).isdisjoint(self.values)

    def is_met_by(self, amr: Collection[str]) -> bool:
        """Whether a sign-in of these methods will do; a wish that is not essential always is."""
        return not self._must_match or not _reached_by(amr).isdisjoint(self.values)

    @property
    def _must_match(self) -> bool:
        return self.is_essential and bool(self.values)

    def stated_for(self, amr: Collection[str]) -> str:
        """The `acr` of an ID token: the first wanted class that was reached, else what was."""
        return _first_of(self.values, _reached_by(amr)) or acr_of(amr)


def acr_of(amr: Collection[str]) -> str:
    """The class of a sign-in with these methods [IDT-13]."""
    if not _KEYS.isdisjoint(amr):
        return PASSKEY
    if SECOND_FACTOR in amr:
        return SECOND_FACTOR
    return PASSWORD if PASSWORD in amr else EXTERNAL


def _reached_by(amr: Collection[str]) -> frozenset[str]:
    reached = acr_of(amr)
    if reached not in _LEVELS:
        return frozenset({reached})
    return frozenset(_LEVELS[: _LEVELS.index(reached) + 1])


def _first_of(wanted: Sequence[str], reached: Collection[str]) -> str | None:
    return next((value for value in wanted if value in reached), None)
