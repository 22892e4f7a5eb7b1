"""One call of an operation: who acts, on what, and with which transaction."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from mintgate.contract.automation.credentials import Page
from mintgate.contract.automation.problems import InvalidInput, PreconditionFailed
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.identity.mail.outbox import Outbox
from mintgate.store import AuditEvent, Transaction, instances
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.keyset import BadPlace, Part, Place

T = TypeVar("T")


class Acting(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts: a user as stored at this moment, or an operator at the machine itself.

    Args:
        user: whose rights count; an operator is an administrator.
        name: for the audit log, the login.
        client_id: the application that carried the call.
        jti: of the access token.
        sid: of the session in which a person acts.
    """

    user: User
    name: str
    client_id: str | None = None
    jti: str | None = None
    sid: str | None = None
    address: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation is given.

    Args:
        now: Unix seconds.
        tx: of an operation that writes.
        path: the parameters of the route's path.
        query, body: of the types that the route names.
        prepared: what the operation's `prepare` made before the transaction.
        if_match: the ETags that the record must have one of; None checks nothing.
        key_encryption_key: asked for only by operations with keys.
        can_mail: whether letters that are written now are sent.
        process: the name of this process among those with ERP sessions, when all that it noted of
            them is stored [SES-27].
    """

    connection: Connection
    instance: Instance
    now: float
    acting: Acting
    key_encryption_key: Callable[[], KeyEncryptionKey]
    tx: Transaction | None = None
    path: Mapping[str, str] = {}
    query: Any = None
    body: Any = None
    prepared: Any = None
    if_match: frozenset[str] | None = None
    can_mail: bool = False
    process: str | None = None

    @property
    def writing(self) -> Transaction:
        if self.tx is None:
            raise RuntimeError("an operation that writes was called without a transaction")
        return self.tx

    def given(self, kind: type[T]) -> T:
        """The body or the query, whichever is of this type."""
        for value in (self.body, self.query):
            if isinstance(value, kind):
                return value
        raise RuntimeError(f"the operation was called without a {kind.__name__}")

    def lock(self) -> Transaction:
        """The transaction; what is read from here on stays so until its commit."""
        instances.lock(self.writing, self.instance.id)
        return self.writing

    def outbox(self) -> Outbox:
        """Where letters of this instance are written."""
        return Outbox(self.instance, self.key_encryption_key())

    def require_match(self, shown: msgspec.Struct) -> None:
        """Raises PreconditionFailed when the caller has seen another state (RFC 9110 §13.1.1)."""
        if self.if_match is None or "*" in self.if_match:
            return
        if etag_of(shown) not in self.if_match:
            raise PreconditionFailed

    @property
    def carried_by(self) -> dict[str, Any]:
        """What carried the call, as details of audit events; empty at the machine itself."""
        at = self.acting
        if at.client_id is None:
            return {}
        return {"by": {"application": at.client_id, "jti": at.jti}}

    def record(self, event: str, **fields: Any) -> None:
        """Note an audit event of the acting user, in the transaction."""
        details = fields.pop("details", None) or {}
        at, details = self.acting, {**details, **self.carried_by}
        self.writing.record(
            AuditEvent(
                instance_id=self.instance.id,
                at=self.now,
                event=event,
                actor=at.name[:64],
                actor_id=at.user.id or None,
                address=at.address,
                details=details or None,
                **fields,
            )
        )


def etag_of(shown: object) -> str:
    """The strong ETag of an answer (RFC 9110 §8.8.3)."""
    return f'"{hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:32]}"'


def place_of(cursor: str | None) -> Place | None:
    """Where a part of a list starts. Raises InvalidInput for what is no cursor of ours."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor.encode()), type=list[str | int | float])
    except (Base64Error, ValueError, msgspec.MsgspecError):
        raise _bad_cursor() from None


def page_of(read: Callable[[], Part], shown: Callable[[Any], T]) -> Page[T]:
    """A part of a list as it is shown."""
    try:
        part = read()
    except BadPlace:
        raise _bad_cursor() from None
    following = None
    if part.following is not None:
        following = urlsafe_b64encode(msgspec.json.encode(list(part.following))).decode()
    return Page([shown(row) for row in part.rows], following)


def whole(items: Sequence[T]) -> Page[T]:
    """A list that is never long."""
    return Page(list(items))


def _bad_cursor() -> InvalidInput:
    return InvalidInput("The cursor is not one of this list; start without it.")
