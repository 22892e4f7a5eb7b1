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


def by_code_points(length: int) -> String:
    """A text for which an index knows how it begins, as it is ordered by its code points.

    SQLite orders so; PostgreSQL orders by the language of the database unless it is told. Such a
    column is compared with values only: with a column in another order PostgreSQL refuses it.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")
