"""A verifier over one connection: it asks the rows themselves, and keeps nothing.

For what is done once, by an administrator or for the audit log; requests are checked by copies.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from sqlalchemy import Connection

from mintgate.contract.claims import encode
from mintgate.contract.identifiers import token_digest
from mintgate.contract.instance import Instance
from mintgate.contract.reference_tokens import FORMAT
from mintgate.identity.references import acting_user_id, claims_of
from mintgate.identity.token_states import stored_state
from mintgate.jose import ALGORITHMS, KeySet, PublicKey
from mintgate.store import applications, keys, reference_tokens, users
from mintgate.verify import TokenState, Verifier


def stored_verifier(connection: Connection, instance: Instance, now: float) -> Verifier:
    """A verifier of an instance's tokens as they are at `now` (Unix seconds); not for asyncio."""
    return Verifier(
        instance.issuer,
        instance.database,
        _States(connection, instance.id, now),
        keys=_Keys(connection, instance.id),
        references=_References(connection, instance, now),
        algorithms=ALGORITHMS,
        clock=lambda: now,
    )


class _Keys:
    def __init__(self, connection: Connection, instance_id: str) -> None:
        document = {"keys": keys.public_jwks(connection, instance_id)}
        self._published = KeySet.from_json(msgspec.json.encode(document))

    def get(self, kid: str) -> PublicKey | None:
        return self._published.get(kid)

    def refresh(self, kid: str) -> PublicKey | None:
        return self._published.get(kid)

    async def refresh_async(self, kid: str) -> PublicKey | None:
        return self._published.get(kid)


class _States:
    def __init__(self, connection: Connection, instance_id: str, now: float) -> None:
        self._connection = connection
        self._instance_id = instance_id
        self._now = now

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        return self.load(claims, token)

    def load(self, claims: dict[str, Any], token: str) -> TokenState:
        return stored_state(self._connection, self._instance_id, claims, token, self._now)

    async def load_async(self, claims: dict[str, Any], token: str) -> TokenState:
        return self.load(claims, token)


class _References:
    def __init__(self, connection: Connection, instance: Instance, now: float) -> None:
        self._connection = connection
        self._instance = instance
        self._now = now

    def load(self, token: str) -> dict[str, Any] | None:
        if not FORMAT.fullmatch(token):
            return None
        connection, instance = self._connection, self._instance
        stored = reference_tokens.by_key(connection, instance.id, token_digest(token))
        if stored is None or not stored.is_live(self._now):
            return None
        application = applications.by_id(connection, instance.id, stored.application_id)
        if application is None:
            return None
        acting = acting_user_id(stored, application)
        user = users.by_id(connection, instance.id, acting) if acting is not None else None
        claims = claims_of(stored, application, user, instance)
        return json.loads(encode(claims)) if claims is not None else None

    async def load_async(self, token: str) -> dict[str, Any] | None:
        return self.load(token)

    def note_use(self, claims: dict[str, Any]) -> None:
        """An explanation is no use of a token [REF-38]."""
