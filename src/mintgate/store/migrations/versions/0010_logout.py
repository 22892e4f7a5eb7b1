"""Telling applications of the end of a session: where, which ones, and what is still to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Sessions that are open now, too, must be known to those that they were used for.
_ALREADY_USED = """
INSERT INTO session_applications (instance_id, sid, application_id, user_id, expires_at)
SELECT instance_id, sid, application_id, MIN(user_id), MAX(expires_at)
FROM (
    SELECT instance_id, sid, application_id, user_id, expires_at
    FROM refresh_families WHERE revoked_at IS NULL
    UNION ALL
    SELECT code.instance_id, code.sid, code.application_id, code.user_id, session.expires_at
    FROM authorization_codes AS code
    JOIN identity_sessions AS session
      ON session.instance_id = code.instance_id AND session.sid = code.sid
) AS used
GROUP BY instance_id, sid, application_id
"""


def upgrade() -> None:
    op.add_column(
        "instances",
        sa.Column(
            "allow_private_logout_targets",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )
    op.add_column("applications", sa.Column("back_channel_logout_url", sa.String(500)))
    op.add_column("applications", sa.Column("front_channel_logout_url", sa.String(500)))
    op.create_table(
        "session_applications",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("sid", sa.String(32), nullable=False),
        sa.Column("application_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "instance_id", "sid", "application_id", name="pk_session_applications"
        ),
    )
    op.create_index(
        "ix_session_applications_user", "session_applications", ["instance_id", "user_id"]
    )
    op.create_index(
        "ix_session_applications_expiry", "session_applications", ["instance_id", "expires_at"]
    )
    op.create_table(
        "logout_notices",
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("application_id", sa.String(36), nullable=False),
        sa.Column("sid", sa.String(32), nullable=False),
        sa.Column("sub", sa.String(64)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("claimed_by", sa.String(32)),
        sa.PrimaryKeyConstraint("instance_id", "id", name="pk_logout_notices"),
    )
    op.create_index("ix_logout_notices_due", "logout_notices", ["instance_id", "due_at"])
    op.execute(_ALREADY_USED)


def downgrade() -> None:
    op.drop_table("logout_notices")
    op.drop_table("session_applications")
    with op.batch_alter_table("applications") as batch:
        batch.drop_column("front_channel_logout_url")
        batch.drop_column("back_channel_logout_url")
    with op.batch_alter_table("instances") as batch:
        batch.drop_column("allow_private_logout_targets")
