"""The longest life of a reference token [EXT-9], and telling of its end in lists."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mintgate.contract.applications import ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.reference_tokens import CreationInvalid, require_valid_input
from tests.wire.test_serve import run
from tests.world import STOCK, World

DAY = 24 * 3600
APPLICATION = TrustedApplication(id="a", name={"en": "A"}, application_uri="a", scope="read")


@pytest.mark.parametrize(
    ("life", "limit", "allowed"),
    [
        (90 * DAY, 90, True),
        (90 * DAY + 1, 90, False),
        (3650 * DAY, None, True),
        (DAY, 1, True),
    ],
)
def test_the_limit(life: int, limit: int | None, allowed: bool) -> None:
    """[EXT-9]"""

    def check() -> None:
        require_valid_input(APPLICATION, ("read",), 1000.0 + life, 1000.0, None, limit)

    if allowed:
        check()
        return
    with pytest.raises(CreationInvalid, match="at most 90 days") as refused:
        check()
    assert refused.value.status == 400


def test_by_the_command_line(a_world: Callable[..., World], tmp_path: Path) -> None:
    """Longer is refused, the default is capped, and the list says how long is left."""
    world = a_world(clock=time.time, instance_settings="max_reference_token_days = 90")
    world.change_application(STOCK, reference_tokens=ReferenceTokenPolicy.AUTHENTICATED_USERS)

    def sat(*arguments: str) -> tuple[int, str, str]:
        done = run(
            *("sat", *arguments, "--app", STOCK), cwd=tmp_path, MINTGATE_DATABASE=world.database_url
        )
        return done.returncode, done.stdout, done.stderr

    def day(days: int) -> str:
        return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"

    code, _, error = sat("create", "--until", day(92))
    assert code == 1
    assert "at most 90 days ahead" in error
    code, value, error = sat("create")
    assert code == 0, error
    assert f"lives until {day(90)}" in error
    assert world.api("Crm_Sales_Customers?$top=1", value.strip()).status_code == 200
    assert sat("create", "--until", day(6))[0] == 0
    listed = sat("list")[1]
    assert re.search(r"ends in 5 days", listed), listed
    assert re.search(r"\blive\b", listed), listed
    assert len(json.loads(sat("list", "--json")[1])) == 2
