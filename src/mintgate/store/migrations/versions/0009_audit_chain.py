"""The audit log becomes hash chains with signed checkpoints; persons can be erased from it.

Rows from before are chained in the order in which their writer numbered them, and numbered anew
from 1 for each instance. Their salts are made now. What they tell of users is moved to where it
can be erased.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PAGE = 1000
EARLIER = (
    "instance_id",
    "writer_id",
    "at",
    "event",
    "actor",
    "application",
    "session",
    "jti",
    "address",
    "cause",
    "details",
)
HASHED = (
    "instance_id",
    "writer_id",
    "sequence",
    "at",
    "event",
    "actor_id",
    "subject_id",
    "application",
    "session",
    "jti",
    "cause",
    "details",
    "actor_digest",
    "personal_digest",
)


def upgrade() -> None:
    op.add_column("instances", sa.Column("audit_retention_days", sa.Integer()))
    op.drop_index("ix_audit_events_at", "audit_events")
    op.rename_table("audit_events", "audit_events_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_audit_events RENAME TO pk_audit_events_before")
    table = _create_events()
    _create_checkpoints()
    _chain_rows(op.get_bind(), table)
    op.drop_table("audit_events_before")


def _create_events() -> sa.Table:
    table = op.create_table(
        "audit_events",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("writer_id", sa.String(16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(48), nullable=False),
        sa.Column("actor_id", sa.String(36)),
        sa.Column("subject_id", sa.String(36)),
        sa.Column("application", sa.String(254)),
        sa.Column("session", sa.String(32)),
        sa.Column("jti", sa.String(32)),
        sa.Column("cause", sa.Text()),
        sa.Column("details", sa.Text()),
        sa.Column("actor_digest", sa.LargeBinary()),
        sa.Column("personal_digest", sa.LargeBinary()),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(64)),
        sa.Column("address", sa.String(64)),
        sa.Column("actor_salt", sa.LargeBinary()),
        sa.Column("personal", sa.Text()),
        sa.Column("personal_salt", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("instance_id", "writer_id", "sequence", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["instance_id", "at"])
    for name in ("actor_id", "subject_id"):
        op.create_index(
            f"ix_audit_events_{name}",
            "audit_events",
            ["instance_id", name],
            sqlite_where=sa.text(f"{name} IS NOT NULL"),
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    return table


def _create_checkpoints() -> None:
    op.create_table(
        "audit_keys",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("public_key", sa.String(43), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "public_key", name="pk_audit_keys"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False, quote=True),
        sa.Column("heads_digest", sa.LargeBinary(), nullable=False),
        sa.Column("removed_through", sa.BigInteger(), nullable=False),
        sa.Column("removed_hash", sa.LargeBinary()),
        sa.Column("public_key", sa.String(43), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "number", name="pk_audit_checkpoints"),
    )
    op.create_table(
        "audit_heads",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("checkpoint", sa.BigInteger(), nullable=False),
        sa.Column("writer_id", sa.String(16), nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "instance_id", "checkpoint", "writer_id", "is_cut", name="pk_audit_heads"
        ),
    )
    op.create_index(
        "ix_audit_heads_writer", "audit_heads", ["instance_id", "writer_id", "sequence"]
    )


def _chain_rows(connection: sa.Connection, table: sa.Table) -> None:
    before = sa.table(
        "audit_events_before",
        *(sa.column(name) for name in EARLIER if name != "details"),
        sa.column("sequence"),
        sa.column("details", sa.JSON),
    )
    accounts = sa.table("users", *(sa.column(name) for name in ("instance_id", "id", "login")))
    ids = {(row.instance_id, row.login): row.id for row in connection.execute(sa.select(accounts))}
    instance_id = writer_id = ""
    sequence, previous = 0, b""
    place: tuple[str, str, int] | None = None
    while True:
        order = (before.c.instance_id, before.c.writer_id, before.c.sequence)
        query = sa.select(before).order_by(*order).limit(PAGE)
        if place is not None:
            query = query.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, place)))
        rows = connection.execute(query).mappings().all()
        if not rows:
            return
        made = []
        for row in rows:
            if (row["instance_id"], row["writer_id"]) != (instance_id, writer_id):
                instance_id, writer_id, sequence = row["instance_id"], row["writer_id"], 0
                label = ["mintgate audit chain 1", instance_id, writer_id]
                previous = hashlib.sha256(_encoded(label)).digest()
            sequence += 1
            actor_id = ids.get((instance_id, row["actor"]))
            made.append(_chained(row, sequence, previous, actor_id))
            previous = made[-1]["hash"]
        connection.execute(table.insert(), made)
        place = (instance_id, writer_id, rows[-1]["sequence"])


def _chained(
    row: sa.RowMapping, sequence: int, previous: bytes, actor_id: str | None
) -> dict[str, Any]:
    details = row["details"]
    values = {name: row[name] for name in EARLIER} | {
        "sequence": sequence,
        "actor_id": actor_id,
        "subject_id": None,
        "personal": None,
        "details": None if details is None else _json(details),
    }
    if details is not None and row["event"].startswith("user.") and "id" in details:
        # It holds the login: the details of a change of a user were [attributes] by name.
        values |= {"subject_id": details["id"], "personal": _json(details), "details": None}
    for part, hidden in (
        ("actor", (row["actor"], row["address"])),
        ("personal", (values["personal"],)),
    ):
        values[f"{part}_salt"] = values[f"{part}_digest"] = None
        if any(value is not None for value in hidden):
            salt = values[f"{part}_salt"] = os.urandom(16)
            text = values["personal"].encode() if part == "personal" else _encoded(hidden)
            values[f"{part}_digest"] = hashlib.sha256(salt + text).digest()
    values["hash"] = hashlib.sha256(
        previous + _encoded([float(row["at"]) if n == "at" else values[n] for n in HASHED])
    ).digest()
    return values


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _encoded(values: object) -> bytes:
    # As the program does it: the JSON of msgspec, which writes bytes as base64.
    return msgspec.json.encode(values)


def downgrade() -> None:
    raise NotImplementedError("a chained audit log cannot be unchained; restore a backup")
