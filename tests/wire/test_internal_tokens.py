"""What an internal token says after its caller has become somebody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from mintgate.contract.reference_tokens import TokenKind
from mintgate.store import users
from tests.wire.test_forward_auth import MORE, ask
from tests.wire.test_python_apis import reference_token
from tests.world import STOCK, World, payload_of, sqlite_url

TWO = """
[[users]]
Login = "svc.two"
Name = "Second service"
UserType = "SystemUserNoLogin"
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database = sqlite_url(tmp_path_factory.mktemp("gate"))
    yield (world := World(database, clock=time.time, more=MORE + TWO)).start()
    world.stop()


def test_of_an_application_with_another_system_user(gate: World) -> None:
    """[REF-37, TOP-13]"""
    token = reference_token(gate, TokenKind.SERVICE)
    assert _internal(gate, token)["sub"] == "svc.stock"
    with gate.database.begin() as tx:
        two = users.by_login(tx.connection, gate.instance.id, "svc.two")
    assert two is not None
    gate.change_application(STOCK, system_user=two.id)
    claims = _internal(gate, token)
    assert (claims["sub"], claims["sub_id"]) == ("svc.two", two.id)


def test_of_a_person_with_another_login(gate: World) -> None:
    """[REF-36, TOP-13]"""
    token = reference_token(gate, TokenKind.PERSONAL)
    assert _internal(gate, token)["sub"] == "mira.k"
    gate.change_user("mira.k", login="mira.new", email="mira.new@example.org")
    claims = _internal(gate, token)
    assert (claims["sub"], claims["email"]) == ("mira.new", "mira.new@example.org")


def _internal(gate: World, token: str) -> dict[str, Any]:
    """What both answers of the gate say, which must be the same."""
    claims = payload_of(
        ask(gate, token, "/gate/haproxy-token/orion/DomainAPI").headers["x-mintgate-token"]
    )
    assert ask(gate, token).headers["x-mintgate-login"] == claims["sub"]
    return claims
