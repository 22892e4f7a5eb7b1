"""What every table is part of, and the column that each begins with."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def instance_id() -> Column[str]:
    return Column("instance_id", String(36), primary_key=True)
