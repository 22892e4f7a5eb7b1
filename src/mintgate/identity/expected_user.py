"""Whom an application expects to sign in (OpenID Connect Core §3.1.2.1 `id_token_hint`, §5.5.1)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mintgate.identity.directory import Directory
from mintgate.identity.id_token_hint import read_hint

# What is kept of a hint while a person signs in: a token belongs in no URL and in no table. No
# request can send these, because unknown parameters are dropped before.
HINTED_LOGIN, HINTED_SID, VOID_HINT = "hint.sub", "hint.sid", "hint.void"


class ExpectedUser(msgspec.Struct, frozen=True):
    """Args:
    hinted_login: the `sub` of the hint; None without one.
    hinted_sid: its `sid`: the same session is the same user, also after a rename.
    subjects: the only logins that `claims` allows; None for anybody.
    """

    hinted_login: str | None = None
    hinted_sid: str | None = None
    subjects: frozenset[str] | None = None

    @classmethod
    def of(cls, kept: Mapping[str, str], subjects: frozenset[str] | None) -> ExpectedUser:
        """From the kept parameters of a request."""
        return cls(kept.get(HINTED_LOGIN), kept.get(HINTED_SID), subjects)

    def is_answered_by(self, login: str, sid: str) -> bool:
        if self.hinted_login is not None and login != self.hinted_login and sid != self.hinted_sid:
            return False
        return self.subjects is None or login in self.subjects


async def without_hint(parameters: dict[str, str], directory: Directory) -> dict[str, str]:
    """The parameters of a request with what its `id_token_hint` says in place of the token.

    A hint is void when it is not ours, not genuine, or of another application. Its expiry does
    not matter.
    """
    if "id_token_hint" not in parameters:
        return parameters
    kept = {name: value for name, value in parameters.items() if name != "id_token_hint"}
    hint = await read_hint(parameters["id_token_hint"], directory)
    if hint is None or hint.application.application_uri != parameters.get("client_id"):
        return kept | {VOID_HINT: "1"}
    return kept | {HINTED_LOGIN: hint.sub, HINTED_SID: hint.sid}
