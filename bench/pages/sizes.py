"""How full the database is."""

from __future__ import annotations

from typing import Self

import msgspec

from bench.problems import Unmeasurable

USERS, APPLICATIONS, AUDIT_ROWS = 10_000, 500, 1_000_000
QUICK = 10
"""A quick run has so many times fewer audit rows, unless it is told how many."""
LEAST = {"users": 60, "applications": 30, "audit_rows": 2_000}
"""Fewer fill no second page of a list."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Rows."""

    users: int
    applications: int
    audit_rows: int

    @classmethod
    def of(
        cls, users: int | None, applications: int | None, audit_rows: int | None, *, quick: bool
    ) -> Self:
        """Args: None for the usual number.

        Raises:
            Unmeasurable: too few to fill the lists.
        """
        usual = AUDIT_ROWS // QUICK if quick else AUDIT_ROWS
        made = cls(
            users=USERS if users is None else users,
            applications=APPLICATIONS if applications is None else applications,
            audit_rows=usual if audit_rows is None else audit_rows,
        )
        for name, least in LEAST.items():
            if getattr(made, name) < least:
                raise Unmeasurable(f"--{name.replace('_', '-')} must be at least {least:,}")
        return made

    def __str__(self) -> str:
        return (
            f"{self.users:,} users, {self.applications:,} applications, "
            f"{self.audit_rows:,} audit rows"
        )
