"""Authorization records: which users an application is closed to, and when [TAP-30]."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Exists, exists, literal, select

from mintgate.store.tables import application_authorizations


def keeps_out(
    instance_id: ColumnElement[str],
    application_id: ColumnElement[str],
    user_id: ColumnElement[str],
    now: ColumnElement[float],
) -> Exists:
    """Whether an authorization record keeps a user out; absence lets in [TAP-30, AUT-36]."""
    record = application_authorizations.c
    return exists().where(
        record.instance_id == instance_id,
        record.application_id == application_id,
        record.context_user == user_id,
        record.is_revoked | (record.valid_from_utc > now) | (record.valid_until_utc <= now),
    )


def blocks_user(
    connection: Connection, instance_id: str, application_id: str, user_id: str, now: float
) -> bool:
    """The same of one application and one user; `now` in Unix seconds."""
    condition = keeps_out(
        literal(instance_id), literal(application_id), literal(user_id), literal(now)
    )
    return bool(connection.execute(select(condition)).scalar_one())
