"""Whoever has a second factor cannot use HTTP Basic or ErpLogin [LEG-6]."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mintgate.store import second_factors
from tests.wire.legacy_world import MORE, basic, call, causes, log_in, session_of
from tests.wire.second_factor_world import give_passkey, user_id_of
from tests.world import World

CAUSE = "a password is not enough"


@pytest.fixture
def old(a_world: Callable[..., World]) -> Iterator[World]:
    return a_world(customers=True, more=MORE)


def reset(world: World, login: str) -> None:
    with world.database.begin() as tx:
        second_factors.reset(tx, world.instance.id, user_id_of(world, login))
    world.sync()


def test_basic_and_erp_login_end_with_the_first_factor(old: World) -> None:
    session = session_of(log_in(old))
    for authorization in (basic(), session):
        assert call(old, authorization).status_code == 200
    give_passkey(old, "olga")
    for authorization in (basic(), session):
        assert call(old, authorization).status_code == 401
    assert log_in(old).status_code == 401
    assert CAUSE in causes(old)[0]
    assert call(old, basic("oleg")).status_code == 200, "nobody else"
    reset(old, "olga")
    assert call(old, basic()).status_code == 200
    assert call(old, session).status_code == 401, "what ended stays ended"


def test_the_rule_of_the_instance(old: World) -> None:
    """Required: a password alone opens nothing, enrolled or not. Off: nobody is asked."""
    rule = 'licences = 1000\nsecond_factor_internal = "{}"'
    give_passkey(old, "olga")
    old.declare(replace=("licences = 1000", rule.format("required")))
    assert call(old, basic("oleg")).status_code == 401
    assert log_in(old, "oleg").status_code == 401
    old.declare(replace=("licences = 1000", rule.format("off")))
    for login in ("olga", "oleg"):
        assert call(old, basic(login)).status_code == 200
        assert log_in(old, login).status_code == 200
