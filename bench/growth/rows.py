"""The rows of a database that has grown: reference tokens and revoked tokens."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table

from bench.instance import LOGIN, Ids
from mintgate.contract.identifiers import token_digest
from mintgate.contract.lifetimes import ACCESS_TOKEN
from mintgate.contract.reference_tokens import PREFIX
from mintgate.contract.reminders import next_reminder
from mintgate.store.tables import reference_tokens, revoked_tokens

Row = tuple[Any, ...]
DAY = 24 * 3600.0


def reference_token(number: int) -> str:
    """The value of the token with this number, so that the load need not keep a million."""
    return PREFIX + hashlib.sha256(b"growth %d" % number).hexdigest().upper()


def reference_rows(ids: Ids, count: int, now: float) -> Iterator[Row]:
    """Personal tokens, as `identity.references.create` would have stored them over a year."""
    chance = random.Random(1)  # noqa: S311 - the same rows in every run
    for number in range(count):
        created = float(int(now - 365 * DAY * (count - number) / count))
        expires = created + 730 * DAY
        values = {
            "instance_id": ids.instance,
            "token_key": token_digest(reference_token(number)),
            "id": f"{chance.getrandbits(128):032x}",
            "kind": "PAT",
            "application_id": ids.application,
            "user_id": ids.user,
            "scopes": json.dumps(["read"]),
            "description": f"Report {number}",
            "jti": f"{chance.getrandbits(128):032X}",
            "sid": f"{chance.getrandbits(128):032X}",
            "created_by": LOGIN,
            "created_at": created,
            "expires_at": expires,
            "last_used_at": None,
            "revoked_at": None,
            "revoked_by": None,
            "remind_at": next_reminder(expires, now),
        }
        yield _in_order(reference_tokens, values)


def revoked_rows(ids: Ids, count: int, first: float, last: float) -> Iterator[Row]:
    """Tokens that were revoked one after the other, each up to an hour before its own end.

    Args:
        first, last: Unix seconds between which they ended.
    """
    chance = random.Random(2)  # noqa: S311 - the same
    for number in range(count):
        ended = first + (last - first) * number / count + chance.random() * ACCESS_TOKEN
        values = {
            "instance_id": ids.instance,
            "jti": f"{chance.getrandbits(128):032X}",
            "expires_at": min(ended, last),
        }
        yield _in_order(revoked_tokens, values)


def _in_order(table: Table, values: dict[str, Any]) -> Row:
    return tuple(values[column.name] for column in table.columns)
