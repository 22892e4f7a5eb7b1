"""The audit log becomes hash chains with signed checkpoints; persons can be erased from it.

Rows from before are chained in the order in which their writer numbered them, and numbered anew
from 1 for each instance. Their salts are made now.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

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
                previous = _sha256(b"", "mintgate audit chain 1", instance_id, writer_id)
            sequence += 1
            made.append(_chained(row, sequence, previous))
            previous = made[-1]["hash"]
        connection.execute(table.insert(), made)
        place = (instance_id, writer_id, rows[-1]["sequence"])


def _chained(row: sa.RowMapping, sequence: int, previous: bytes) -> dict[str, Any]:
    values = {name: row[name] for name in EARLIER} | {"sequence": sequence}
    if values["details"] is not None:
        values["details"] = json.dumps(values["details"], ensure_ascii=False)
    salt = digest = None
    if values["actor"] is not None or values["address"] is not None:
        salt = os.urandom(16)
        digest = _sha256(salt, values["actor"], values["address"])
    hashed = [
        row["instance_id"],
        row["writer_id"],
        sequence,
        float(row["at"]),
        row["event"],
        None,
        None,
        *(values[name] for name in ("application", "session", "jti", "cause", "details")),
        digest,
        None,
    ]
    return values | {
        "actor_salt": salt,
        "actor_digest": digest,
        "hash": _sha256(previous, *hashed),
    }


def _sha256(before: bytes, *values: object) -> bytes:
    # As the program does it: the JSON of msgspec, which writes bytes as base64.
    import msgspec

    return hashlib.sha256(before + msgspec.json.encode(values)).digest()


def downgrade() -> None:
    raise NotImplementedError("a chained audit log cannot be unchained; restore a backup")
