"""A security event, as those who record one give it."""

from __future__ import annotations

from typing import Any

import msgspec


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One security event. Never put a token or a secret in any field [TOK-14].

    What tells of a person by name goes into `actor`, `address` and `personal` only: these three
    can be erased later, the rest stays for ever.

    Args:
        at: Unix seconds.
        event: a dotted name such as `token.issued`.
        actor: the acting login.
        actor_id: the acting user's id, by which the person's events are found. Give it wherever
            `actor` is the login of a user.
        subject_id: the id of the user whom the event is about, when that is not the actor.
        application: the `client_id`.
        session: the `sid`.
        address: where the request came from.
        cause: the full reason of a refusal, which the caller does not see.
        details: what else there is to know, without personal values.
        personal: personal values of the subject, or of the actor when there is no subject.
    """

    instance_id: str
    at: float
    event: str
    actor: str | None = None
    actor_id: str | None = None
    subject_id: str | None = None
    application: str | None = None
    session: str | None = None
    jti: str | None = None
    address: str | None = None
    cause: str | None = None
    details: dict[str, Any] | None = None
    personal: dict[str, Any] | None = None
