"""Tokens for operator-defined APIs, by flow, and what such an API may know of them [EXT-12]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from mintgate.contract.declared_apis import Limits, settings_of
from mintgate.contract.instance import API_AUDIENCES
from mintgate.contract.policy import Policy
from mintgate.contract.reference_tokens import TokenKind
from mintgate.store import apis
from tests.wire.management_world import MORE, Automation
from tests.wire.test_reference_tokens import create, introspect, revocation
from tests.world import BACKOFFICE, SPA, STOCK, World, payload_of, pkce, sqlite_url

SHOP_SECRET = "the secret of the shop"
STORE_SECRET = "the secret of the store"
TWO_APIS = f"""
[[apis]]
Name = "Shop"
Secret = "{SHOP_SECRET}"

[[apis]]
Name = "Store"
Secret = "{STORE_SECRET}"

[[apis]]
Name = "DomainAPI"
Secret = "{SHOP_SECRET}"
"""


@pytest.fixture
def shops(a_world: Callable[..., World]) -> World:
    return may_call_both(a_world(more=TWO_APIS))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for the tests that change nothing in it."""
    url = sqlite_url(tmp_path_factory.mktemp("audiences"))
    world = may_call_both(World(url, more=TWO_APIS).start())
    yield world
    world.stop()


def may_call_both(world: World) -> World:
    for client_id in (STOCK, BACKOFFICE):
        world.change_application(client_id, audiences="Store Shop")
    return world


def audiences(world: World, *further: str) -> list[str]:
    return [*API_AUDIENCES, *further, f"{world.issuer}/resources"]


def remove_shop(world: World) -> None:
    """As another process would."""
    with world.database.begin() as tx:
        apis.remove(tx, world.instance.id, "Shop")
    world.sync()


def refreshed(world: World) -> str:
    answer = world.refresh(world.user_tokens()["refresh_token"], scope="read")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def claims_of_reference(world: World, kind: TokenKind) -> dict[str, Any]:
    told: dict[str, Any] = introspect(world, create(world, kind), "Store", STORE_SECRET).json()
    assert told["active"] is True
    return told


FLOWS: dict[str, Callable[[World], dict[str, Any]]] = {
    "CC": lambda w: payload_of(w.service_token()),
    "CC-read": lambda w: payload_of(w.service_token("read")),
    "AC": lambda w: payload_of(w.user_tokens()["access_token"]),
    "AC-read": lambda w: payload_of(w.user_tokens(scope="read")["access_token"]),
    "RT": lambda w: payload_of(refreshed(w)),
    "PAT": lambda w: claims_of_reference(w, TokenKind.PERSONAL),
    "SAT": lambda w: claims_of_reference(w, TokenKind.SERVICE),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_declared_apis_come_after_the_four(flow: str, shared: World) -> None:
    """[TOK-50, EXT-12] in the order of `Audiences`"""
    assert FLOWS[flow](shared)["aud"] == audiences(shared, "Store", "Shop")


def test_an_api_ends_reference_tokens_that_are_for_it(shops: World) -> None:
    """[EXT-13] as the application lists its APIs now"""
    token = create(shops)
    shops.change_application(BACKOFFICE, audiences="Store")
    shop, store = ("Shop", SHOP_SECRET), ("Store", STORE_SECRET)
    assert revocation(shops, token, shop) == 200
    assert introspect(shops, token, *store).json()["active"] is True
    assert revocation(shops, token, store) == 200
    assert introspect(shops, token, *store).json() == {"active": False}


def test_a_removed_api_is_in_no_token_any_more(shops: World) -> None:
    """[EXT-12] whatever the application lists; and again when it is declared again"""
    flows = [FLOWS[flow] for flow in ("CC", "AC", "PAT", "SAT")]
    for flow in flows:
        assert "Shop" in flow(shops)["aud"]  # and is copied in the server
    remove_shop(shops)
    for flow in flows:
        assert flow(shops)["aud"] == audiences(shops, "Store")
    shops.declare()
    may_call_both(shops)
    for flow in flows:
        assert flow(shops)["aud"] == audiences(shops, "Store", "Shop")


def test_an_application_that_lists_none(shared: World) -> None:
    verifier, challenge = pkce()
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
    code = shared.browser().code(client_id=SPA, scope="openid read", **asked)
    token = shared.redeem(code, SPA, code_verifier=verifier).json()["access_token"]
    assert payload_of(token)["aud"] == audiences(shared)


def test_without_an_api_scope_there_is_no_api(shared: World) -> None:
    """[TOK-52]"""
    tokens = shared.user_tokens(scope="openid profile")
    assert payload_of(tokens["access_token"])["aud"] == f"{shared.issuer}/resources"


def test_community_users_get_none(shared: World) -> None:
    """[TOK-54]"""
    tokens = shared.user_tokens("buyer@client.example")
    assert payload_of(tokens["access_token"])["aud"] == f"{shared.issuer}/resources"


def test_the_id_token_is_for_the_application(shared: World) -> None:
    """[IDT-4]"""
    assert payload_of(shared.user_tokens()["id_token"])["aud"] == BACKOFFICE


def test_a_token_for_more_opens_what_it_opened_before(shared: World) -> None:
    """[API-10]"""
    token = shared.service_token()
    assert shared.api("Crm_Sales_Customers?$top=1", token).status_code == 200


def test_another_list_holds_from_the_next_token_on(shops: World) -> None:
    assert payload_of(shops.service_token())["aud"] == audiences(shops, "Store", "Shop")
    shops.change_application(STOCK, audiences="Shop")
    assert payload_of(shops.service_token())["aud"] == audiences(shops, "Shop")
    shops.change_application(STOCK, audiences=None)
    assert payload_of(shops.service_token())["aud"] == audiences(shops)


def test_minting_asks_for_no_api(shops: World) -> None:
    """The token endpoint gets no statement more, once an application is copied."""
    shops.service_token()
    asked: list[str] = []
    engine = shops.server_database.engine

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        token = shops.service_token()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert payload_of(token)["aud"] == audiences(shops, "Store", "Shop")
    assert not [statement for statement in asked if "apis" in statement]


# Introspection.


@pytest.mark.parametrize(("api", "secret"), [("Shop", SHOP_SECRET), ("Store", STORE_SECRET)])
def test_a_declared_api_asks_about_tokens(api: str, secret: str, shared: World) -> None:
    """[ITR-1, ITR-5]"""
    token = shared.service_token()
    told = introspect(shared, token, api, secret).json()
    claims = payload_of(token)
    assert told == {"active": True, "token_type": "Bearer", **claims, "scope": "read update"}


def test_an_api_that_a_token_is_not_for_learns_nothing(shops: World) -> None:
    """[ITR-4]"""
    shops.change_application(STOCK, audiences="Store")
    token = shops.service_token()
    assert introspect(shops, token, "Shop", SHOP_SECRET).json() == {"active": False}
    assert introspect(shops, token, "Store", STORE_SECRET).json()["active"] is True


@pytest.mark.parametrize(
    ("api", "secret"),
    [
        pytest.param("shop", SHOP_SECRET, id="another case"),
        pytest.param("Shop", STORE_SECRET, id="another's secret"),
        pytest.param("Shop", "", id="no secret"),
        pytest.param("Other", SHOP_SECRET, id="unknown"),
    ],
)
def test_who_is_refused(api: str, secret: str, shared: World) -> None:
    """[ITR-2]"""
    answer = introspect(shared, shared.service_token(), api, secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_removed_api_may_not_ask(shops: World) -> None:
    """Nor do others learn of it from a reference token; a JWT names it until it expires."""
    reference, token = create(shops), shops.service_token()
    for asked in (reference, token):
        assert introspect(shops, asked, "Shop", SHOP_SECRET).json()["active"] is True
    remove_shop(shops)
    for asked in (reference, token):
        assert introspect(shops, asked, "Shop", SHOP_SECRET).status_code == 401
    told = introspect(shops, reference, "Store", STORE_SECRET).json()
    assert told["aud"] == audiences(shops, "Store")


# What the gate builds its guards from.


def test_settings_follow_the_declaration_without_a_restart(shops: World) -> None:
    """[TOP-13]"""
    seen: list[Any] = []

    async def look(_: Any, instance: Any) -> None:
        directory = instance.directory
        seen.append((directory.known_apis(), await directory.apis(), directory.known_apis()))

    shops.run_in_server(look)
    shops.run_in_server(look)
    _, first, known = seen[0]
    assert known is first
    assert seen[1] == (first, first, first)
    assert seen[1][1] is first  # the same object: what was derived from it holds
    assert list(first) == [*API_AUDIENCES, "Shop", "Store"]
    assert first["Shop"] == settings_of("Shop")
    more = TWO_APIS.replace(
        'Name = "Shop"',
        'Name = "Shop"\npolicy = { security = ["/admin"] }\nlimits = { per_user = 5 }',
    )
    shops.declare(more=more)
    shops.run_in_server(look)
    forgotten, second, _ = seen[2]
    assert forgotten is None
    assert second["Shop"] == settings_of("Shop", Policy(security=("/admin",)), Limits(per_user=5))
    assert first["Shop"] == settings_of("Shop")
    shops.change_user("mira.k", active=False)  # another change leaves it alone
    shops.run_in_server(look)
    assert seen[3][0] is second
    remove_shop(shops)
    shops.run_in_server(look)
    assert list(seen[4][1]) == [*API_AUDIENCES, "Store"]


# Where `Audiences` is written.


def test_by_the_automation_api(a_world: Callable[..., World]) -> None:
    """[EXT-12] only what is declared"""
    world = a_world(more=TWO_APIS + MORE)
    api = Automation(world)
    new = {"ApplicationUri": "new/app", "Name": "New", "Scope": "read", "Audiences": "Shop"}
    made = api("POST", "/applications", new)
    assert made.status_code == 201, made.text
    assert made.json()["Audiences"] == "Shop"
    path = f"/applications/{made.json()['Id']}"
    for wrong in ("Shop Stock", "shop", "Shop OLAP", "Shop Shop"):
        refused = api("PATCH", path, {"Audiences": wrong}, If_Match="*")
        assert refused.status_code == 400, refused.text
        assert refused.json()["error"]["parameters"][0]["name"] == "Audiences"
    changed = api("PATCH", path, {"Audiences": "Store Shop"}, If_Match="*")
    assert (changed.status_code, changed.json()["Audiences"]) == (200, "Store Shop")
    newest = world.events("application.changed")[0].details
    assert newest is not None
    assert (newest["before"], newest["after"]) == (
        {"Audiences": "Shop"},
        {"Audiences": "Store Shop"},
    )
    assert api("PATCH", path, {"Audiences": None}, If_Match="*").json()["Audiences"] is None
