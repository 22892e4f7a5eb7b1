"""Authentication context classes: how somebody signed in, as one name (OpenID Connect Core §2).

`pwd` is a password, `mfa` a password and a second factor, `external` another provider. A passkey
will be `phr`, the name that the IANA registry of RFC 6711 has for it. [EXT-15]
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

PASSWORD = "pwd"  # noqa: S105 - a name
SECOND_FACTOR = "mfa"
EXTERNAL = "external"
SUPPORTED = (PASSWORD,)
"""What a sign-in here can reach today, as discovery tells."""


class WantedAcr(msgspec.Struct, frozen=True):
    """The classes that an application asks for, best first; empty when any will do."""

    values: tuple[str, ...] = ()
    is_essential: bool = False

    @property
    def is_reachable(self) -> bool:
        """Whether some sign-in here would do."""
        return not self._must_match or not frozenset(SUPPORTED).isdisjoint(self.values)

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
    if SECOND_FACTOR in amr:
        return SECOND_FACTOR
    return PASSWORD if PASSWORD in amr else EXTERNAL


def _reached_by(amr: Collection[str]) -> frozenset[str]:
    # Whoever used a second factor used the password as well.
    reached = acr_of(amr)
    return frozenset({reached, PASSWORD} if reached == SECOND_FACTOR else {reached})


def _first_of(wanted: Sequence[str], reached: Collection[str]) -> str | None:
    return next((value for value in wanted if value in reached), None)
