"""How much a database has grown."""

from __future__ import annotations

import msgspec

from bench.problems import Unmeasurable


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Rows.

    Args:
        few: reference tokens of the floor.
        tokens: reference tokens of the grown database.
        revoked: revoked tokens that have ended.
    """

    few: int
    tokens: int
    revoked: int

    @classmethod
    def of(cls, rows: int) -> Sizes:
        """Of a number of revoked tokens; a tenth as many reference tokens.

        Raises:
            Unmeasurable: too few to compare anything.
        """
        if rows < 1000:
            raise Unmeasurable("--rows must be at least 1000")
        return cls(few=min(1000, rows // 100), tokens=rows // 10, revoked=rows)
