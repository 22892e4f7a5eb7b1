"""Authorization codes: stored as digests, redeemed once [AUT-45]."""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Double,
    bindparam,
    delete,
    insert,
    select,
    true,
    update,
)

from mintgate.store import session_applications
from mintgate.store.authorizations import keeps_out
from mintgate.store.prepared import Prepared, from_columns
from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import authorization_codes
from mintgate.store.transaction import Transaction


class StoredCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a code is bound to [AUT-45]; times in Unix seconds."""

    code_hash: str
    application_id: str
    user_id: str
    user_type: str
    sid: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str | None
    nonce: str | None
    state_hash: str | None
    auth_time: int
    amr: tuple[str, ...]
    idp: str
    tid: str | None
    acr: str | None = None
    id_token_claims: tuple[str, ...] = ()
    userinfo_claims: tuple[str, ...] = ()
    created_at: float
    expires_at: float
    consumed_at: float | None = None
    jti: str | None = None
    token_expires_at: float | None = None
    family_id: str | None = None


_ADD = Prepared(insert(authorization_codes))


def add(tx: Transaction, instance_id: str, code: StoredCode) -> None:
    """Store a code; from now on its application belongs to the session [EXT-3]."""
    _ADD.changed(tx.connection, to_row(code) | {"instance_id": instance_id})
    session_applications.note(
        tx,
        instance_id,
        sid=code.sid,
        application_id=code.application_id,
        user_id=code.user_id,
        at=code.created_at,
    )


def find(connection: Connection, instance_id: str, code_hash: str) -> StoredCode | None:
    statement = select(authorization_codes).where(
        authorization_codes.c.instance_id == instance_id,
        authorization_codes.c.code_hash == code_hash,
    )
    row = connection.execute(statement).mappings().first()
    return from_row(StoredCode, row) if row else None


_FIELDS = StoredCode.__struct_fields__
_LISTS = frozenset({"scopes", "amr", "id_token_claims", "userinfo_claims"})
# A moment and no whole second, to which PostgreSQL would round it beside another column.
_NOW: BindParameter[float] = bindparam("now", type_=Double())
_REDEEM = Prepared(
    update(authorization_codes)
    .where(
        authorization_codes.c.instance_id == bindparam("instance"),
        authorization_codes.c.code_hash == bindparam("code"),
        authorization_codes.c.consumed_at.is_(None),
        authorization_codes.c.application_id == bindparam("application"),
        authorization_codes.c.expires_at > _NOW,
        authorization_codes.c.redirect_uri == bindparam("redirect"),
        authorization_codes.c.code_challenge.is_not_distinct_from(bindparam("challenge")),
        ~keeps_out(
            bindparam("instance"),
            authorization_codes.c.application_id,
            authorization_codes.c.user_id,
            _NOW,
        ),
    )
    .values(
        consumed_at=_NOW,
        jti=bindparam("jti"),
        token_expires_at=bindparam("until"),
        family_id=bindparam("family"),
    )
    .returning(*(authorization_codes.c[name] for name in _FIELDS))
)


def redeem(
    tx: Transaction,
    instance_id: str,
    code_hash: str,
    *,
    application_id: str,
    redirect_uri: str,
    code_challenge: str | None,
    jti: str,
    token_expires_at: float,
    family_id: str,
) -> StoredCode | None:
    """Redeem the code, note what it gives, and tell what it is bound to [TKN-47].

    One conditional UPDATE decides races between requests, processes and machines, and that the
    code is this application's, lives, has this `redirect_uri` and challenge, and that no
    authorization record keeps its user out [TAP-30].

    Args:
        jti, token_expires_at, family_id: of the access token, its end in Unix seconds, and of the
            refresh tokens, should there be any.

    Returns:
        None when one of these is not so; then nothing was changed.
    """
    row = _REDEEM.first(
        tx.direct,
        {
            "instance": instance_id,
            "code": code_hash,
            "application": application_id,
            "redirect": redirect_uri,
            "challenge": code_challenge,
            "now": tx.now,
            "jti": jti,
            "until": token_expires_at,
            "family": family_id,
        },
    )
    if row is None:
        return None
    return from_columns(StoredCode, _LISTS, row)


def note_token_end(
    tx: Transaction, instance_id: str, code_hash: str, token_expires_at: float
) -> None:
    """The access token ends at another time than `redeem` was told; Unix seconds."""
    tx.connection.execute(
        update(authorization_codes)
        .where(
            authorization_codes.c.instance_id == instance_id,
            authorization_codes.c.code_hash == code_hash,
        )
        .values(token_expires_at=token_expires_at)
    )


def end_of_session(tx: Transaction, instance_id: str, sid: str) -> None:
    """Codes that were not redeemed die with their sign-in [END-4]."""
    _end(tx, instance_id, authorization_codes.c.sid == sid)


def end_of_user(tx: Transaction, instance_id: str, user_id: str) -> None:
    _end(tx, instance_id, authorization_codes.c.user_id == user_id)


def end_of_application(tx: Transaction, instance_id: str, application_id: str) -> None:
    _end(tx, instance_id, authorization_codes.c.application_id == application_id)


def end_of_user_at(tx: Transaction, instance_id: str, user_id: str, application_id: str) -> None:
    """Those that one user got for one application."""
    of_user = authorization_codes.c.user_id == user_id
    _end(tx, instance_id, of_user & (authorization_codes.c.application_id == application_id))


def end_all(tx: Transaction, instance_id: str) -> int:
    """Those of everybody; returns how many there were."""
    return _end(tx, instance_id, true())


def _end(tx: Transaction, instance_id: str, condition: ColumnElement[bool]) -> int:
    result = tx.connection.execute(
        delete(authorization_codes).where(
            authorization_codes.c.instance_id == instance_id,
            condition,
            authorization_codes.c.consumed_at.is_(None),
        )
    )
    return result.rowcount


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some codes that ended before `before`; returns how many."""
    ended = (authorization_codes.c.instance_id == instance_id) & (
        authorization_codes.c.expires_at < before
    )
    return delete_some(
        tx.connection, authorization_codes, ended, first=authorization_codes.c.expires_at
    )
