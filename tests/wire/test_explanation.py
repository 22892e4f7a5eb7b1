"""Why a request is refused: short for the caller, in full for an administrator [API-1..18]."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from mintgate.identity.administration.explanation import explained
from mintgate.verify import ApiRequest
from tests.warm_program import run_command
from tests.world import STOCK, World

CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers"
USERS = "/api/domain/odata/Systems_Security_Users"


def explain(
    world: World, token: str, method: str = "GET", path: str = CUSTOMERS, api: str = "DomainAPI"
) -> dict[str, Any]:
    raw, _, query = path.encode().partition(b"?")
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    request = ApiRequest(method, raw, query, headers)
    outcomes = world.database.read_now(
        lambda c: explained(c, world.instance, world.clock(), api, request)
    )
    return {o.id: o for o in outcomes}


def failed(outcomes: dict[str, Any]) -> list[str]:
    return [o.id for o in outcomes.values() if o.outcome == "failed"]


def test_a_good_request_passes_every_check(world: World) -> None:
    outcomes = explain(world, world.service_token())
    assert failed(outcomes) == []
    assert [i for i in outcomes if i.startswith("API")] == [
        "API-1",
        *(f"API-{n}" for n in range(3, 19)),
    ]
    assert outcomes["API-12"].seen == "ORION_PROD X-1"
    assert outcomes["API-12"].expected == "ORION_PROD X-1"
    assert outcomes["API-16"].outcome == "not checked"


@pytest.mark.parametrize(
    ("method", "path", "api", "first"),
    [
        pytest.param("GET", "/api//x", "DomainAPI", "target", id="ambiguous path"),
        pytest.param("GET", CUSTOMERS + "?_method=PUT", "DomainAPI", "target", id="override"),
        pytest.param("MKCOL", CUSTOMERS, "DomainAPI", "API-15", id="API-15 method"),
        pytest.param("GET", USERS, "DomainAPI", "API-15", id="API-33 scope"),
        pytest.param("POST", "/tableapi/odata/Crm_Customers", "TableAPI", "API-15", id="API-35"),
    ],
)
def test_the_request_itself(world: World, method: str, path: str, api: str, first: str) -> None:
    outcomes = explain(world, world.service_token(), method, path, api)
    assert failed(outcomes) == [first]
    assert outcomes[first].mend


def test_several_failures_are_all_told(world: World) -> None:
    token = world.service_token(scope="read")
    world.change_application(STOCK, is_enabled=False)
    world.clock.advance(4000)
    outcomes = explain(world, token, "POST")
    assert failed(outcomes) == ["API-9", "API-13", "API-15"]
    assert "exp 2026-09-21" in outcomes["API-9"].seen
    assert outcomes["API-13"].seen == f"application {STOCK!r} is disabled"
    assert "app enable" in outcomes["API-13"].mend
    assert outcomes["API-15"].expected == '["update"]'


def test_a_batch_is_told_to_be_judged_by_parts(world: World) -> None:
    outcomes = explain(world, world.service_token(), "POST", "/api/domain/odata/$batch")
    assert failed(outcomes) == []
    assert outcomes["API-15"].outcome == "not checked"


def test_the_refusal_leads_to_its_explanation(world: World) -> None:
    """The caller learns little; the id of the answer finds the rest."""
    token = world.service_token(scope="read")
    answer = world.api("Systems_Security_Users", token)
    assert answer.status_code == 403
    request_id = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", request_id)
    assert "seen" not in answer.text
    (event,) = [
        e for e in world.events("api.refused") if (e.details or {})["request_id"] == request_id
    ]
    assert event.details is not None
    assert event.details["api"] == "DomainAPI"
    assert len(event.details["checks"]) == 1
    assert event.details["checks"][0].startswith("API-15 failed: scope sec is missing")
    assert token not in json.dumps(event.details)


def test_an_accepted_request_has_no_id(world: World) -> None:
    assert "x-request-id" not in world.api("Crm_Sales_Customers", world.service_token()).headers


def test_the_terminal_finds_it(world: World) -> None:
    answer = world.api("Crm_Sales_Customers", "abc")
    found = cli(world, "audit", "list", "--request", answer.headers["x-request-id"])
    assert "API-4 failed: malformed" in found.stdout
    missing = cli(world, "audit", "list", "--request", "0" * 16)
    assert "There is no such refusal" in missing.stderr


def cli(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        *(*arguments, "--database", str(world.database.url)),
        environment={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )


ORDERS = """
[[apis]]
Name = "Orders"
policy = { reading = ["/orders/search"], security = ["/orders/admin"] }
"""


def test_a_declared_api_is_explained_by_its_own_policy(a_world: Callable[..., World]) -> None:
    """[EXT-12]"""
    world = a_world(more=ORDERS)
    world.change_application(STOCK, audiences="Orders")
    token = world.service_token("read")
    search = explain(world, token, "POST", "/orders/search", "Orders")
    assert failed(search) == []
    assert failed(explain(world, token, "POST", "/orders", "Orders")) == ["API-15"]
    assert failed(explain(world, token, "GET", "/orders/admin", "Orders")) == ["API-15"]
