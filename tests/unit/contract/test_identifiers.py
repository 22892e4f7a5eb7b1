"""Names of rows."""

from __future__ import annotations

import time
import uuid

import pytest

from mintgate.contract import identifiers
from mintgate.contract.identifiers import new_ordered_guid


def test_ordered_guids_are_of_version_7() -> None:
    made = [uuid.UUID(new_ordered_guid()) for _ in range(2000)]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == len(made)
    assert abs((made[0].int >> 80) / 1000 - time.time()) < 60


def test_later_ones_stand_later(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1_700_000_000_000_000_000, 1_700_000_001_000_000_000, 1_000_000))
    monkeypatch.setattr(identifiers.time, "time_ns", lambda: next(moments))
    made = [new_ordered_guid() for _ in range(1000)]
    assert made == sorted(made)
    random = {(one[14:18], one[19:]) for one in made}
    assert len(random) == len(made), "more than the time tells them apart"
