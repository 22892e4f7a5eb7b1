"""Two databases behind one gate: each token reaches its own server only [API-8, API-12]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mintgate.contract.reference_tokens import TokenKind
from mintgate.contract.users import UserType
from tests.gate_world import API_SECRET, GateWorld, Upstream, identity_server, until
from tests.wire.test_api_checks import resigned
from tests.wire.test_python_apis import reference_token
from tests.world import World

GATE = """
[[tenants]]
name = "one"
issuer = "{one.issuer}"
database = "{one.instance.database}"
secrets = {{ DomainAPI = {{ env = "SECRET" }}, TableAPI = {{ env = "SECRET" }} }}

[[tenants]]
name = "two"
issuer = "{two.issuer}"
database = "{two.instance.database}"
secrets = {{ DomainAPI = {{ env = "SECRET" }} }}

[[tenants]]
name = "off"
issuer = "http://127.0.0.1:1/id"
database = "NOWHERE"
secrets = {{ DomainAPI = {{ env = "SECRET" }} }}
reference_tokens = false

[[routes]]
prefix = "/both"
api = "DomainAPI"
identity = "headers"
[[routes.upstreams]]
tenant = "one"
url = "{upstream_one.url}"
[[routes.upstreams]]
tenant = "two"
url = "{upstream_two.url}"

[[routes]]
prefix = "/shared"
api = "DomainAPI"
upstream = "{upstream_one.url}"

[[routes]]
prefix = "/only-one"
api = "DomainAPI"
upstreams = [{{ tenant = "one", url = "{upstream_one.url}" }}]

[[routes]]
prefix = "/tables"
api = "TableAPI"
upstream = "{upstream_one.url}"
"""


@dataclass
class Two:
    one: World
    two: World
    upstream_one: Upstream
    upstream_two: Upstream
    gate: GateWorld


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("tenants")
    worlds = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        apis = ("DomainAPI", "TableAPI")
        worlds.append(identity_server(folder / name, apis, database=f"DATABASE {name}"))
    one, two = worlds
    upstreams = {f"upstream_{name}": Upstream(name) for name in ("one", "two")}
    gate = GateWorld(GATE.format(one=one, two=two, **upstreams), {"SECRET": API_SECRET})
    yield Two(one, two, gate=gate, **upstreams)
    gate.stop()
    for upstream in upstreams.values():
        upstream.stop()
    for world in worlds:
        world.stop()


@pytest.fixture(autouse=True)
def _unseen(tenants: Two) -> None:
    tenants.upstream_one.seen.clear()
    tenants.upstream_two.seen.clear()


def tokens_of(world: World) -> list[str]:
    return [
        world.service_token(),
        world.user_tokens()["access_token"],
        reference_token(world, TokenKind.PERSONAL),
        reference_token(world, TokenKind.SERVICE),
    ]


@pytest.mark.parametrize("name", ["one", "two"])
def test_each_token_reaches_its_own_server(tenants: Two, name: str) -> None:
    world = getattr(tenants, name)
    for token in tokens_of(world):
        for _ in range(2):
            answer = tenants.gate.ask("/both/x", token)
            assert answer.status_code == 200, answer.text
            assert answer.json()["by"] == name
    seen = getattr(tenants, f"upstream_{name}").seen
    assert len(seen) == 8
    assert {request.one("x-mintgate-issuer") for request in seen} == {world.issuer}


def test_crossed_tokens_are_refused(tenants: Two) -> None:
    one, two = tenants.one, tenants.two
    crossed = {
        # Signed by one, with the issuer of the other, or for a database of the other.
        "issuer": resigned(one, iss=two.issuer),
        "database": resigned(one, client_db=two.instance.database),
        "both": resigned(two, iss=one.issuer, client_db=one.instance.database),
        "two databases": resigned(one, db=two.instance.database),
        "another database": resigned(one, client_db="OTHER"),
        "database in other case": resigned(one, client_db=one.instance.database.lower()),
        "elsewhere": resigned(one, iss="https://elsewhere.example/id"),
        "no issuer": resigned(one, iss=None),
        "no text": resigned(one, iss=7),
    }
    for path in ("/both/x", "/shared/x", "/only-one/x"):
        for name, token in crossed.items():
            answer = tenants.gate.ask(path, token)
            assert answer.status_code == 401, (path, name, answer.text)
            assert answer.json()["error"]["type"] == "invalid_token"
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert tenants.upstream_one.seen == tenants.upstream_two.seen == []


def test_the_database_is_the_one_of_the_token(tenants: Two) -> None:
    assert tenants.one.instance.database != tenants.two.instance.database
    for world, upstream in (
        (tenants.one, tenants.upstream_one),
        (tenants.two, tenants.upstream_two),
    ):
        assert tenants.gate.ask("/both/x", world.service_token()).status_code == 200
        assert upstream.seen[-1].one("x-mintgate-database") == world.instance.database


def test_no_upstream_for_the_tenant_is_the_refusal_of_api_12(tenants: Two) -> None:
    for token in tokens_of(tenants.two):
        refused = tenants.gate.ask("/only-one/x", token)
        assert refused.status_code == 401
        error = refused.json()["error"]
        assert (error["type"], error["message"]) == (
            "invalid_token",
            "The token is for another database.",
        )
    assert tenants.gate.ask("/only-one/x", tenants.one.service_token()).status_code == 200


def test_a_tenant_without_a_secret_for_the_api_is_none_of_it(tenants: Two) -> None:
    assert tenants.gate.ask("/tables/x", tenants.two.service_token()).status_code == 401
    assert tenants.gate.ask("/tables/x", tenants.one.service_token()).status_code == 200


def test_nothing_that_a_client_says_chooses_the_server(tenants: Two) -> None:
    token = tenants.one.service_token()
    for headers in (
        {"Host": "two.example"},
        {"X-Forwarded-Host": "two.example"},
        {"X-Database": tenants.two.instance.database},
    ):
        answer = tenants.gate.ask("/both/x?db=two&client_db=two", token, headers=headers)
        assert answer.json()["by"] == "one"


def test_a_reference_token_that_nobody_knows(tenants: Two) -> None:
    answer = tenants.gate.ask("/both/x", "enrt_" + "0" * 64)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_token")


def test_the_tenant_that_knows_a_reference_token_says_what_is_wrong(tenants: Two) -> None:
    """[API-14] the others, which are asked after it, only say that they do not know the token"""
    token = reference_token(tenants.one, TokenKind.PERSONAL)
    for changes, status, words in (
        ({"active": False}, 401, "user is not active"),
        ({"user_type": UserType.COMMUNITY}, 403, "Users of this type"),
    ):
        before = tenants.one.change_user("mira.k")
        tenants.one.change_user("mira.k", **changes)
        try:
            answer = tenants.gate.ask("/both/x", token)
        finally:
            tenants.one.change_user("mira.k", active=before.active, user_type=before.user_type)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]["message"]
    assert tenants.upstream_one.seen == []


def test_an_identity_server_that_is_away_stops_only_its_own(tenants: Two) -> None:
    token = resigned(tenants.one, iss="http://127.0.0.1:1/id", client_db="NOWHERE")
    away = tenants.gate.ask("/shared/x", token)
    assert away.status_code == 503, away.text
    assert away.headers["retry-after"]
    assert tenants.gate.ask("/both/x", tenants.one.service_token()).status_code == 200
    assert tenants.gate.ask("/-/ready").status_code == 503
    until(lambda: tenants.gate.ask("/-/health").status_code == 200)


def test_a_single_issuer_is_not_asked_about_reference_tokens_either(tenants: Two) -> None:
    """[REF-33] with `reference_tokens = false` they are refused"""
    begin, _, _ = GATE.partition('[[tenants]]\nname = "two"')
    text = begin.replace("secrets =", "reference_tokens = false\nsecrets =", 1) + (
        '[[routes]]\nprefix = "/"\napi = "DomainAPI"\nupstream = "{upstream_one.url}"\n'
    )
    gate = GateWorld(
        text.format(one=tenants.one, upstream_one=tenants.upstream_one), {"SECRET": API_SECRET}
    )
    try:
        jwt, _, personal, _ = tokens_of(tenants.one)
        assert gate.ask("/x", jwt).status_code == 200
        refused = gate.ask("/x", personal)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    finally:
        gate.stop()
    assert len(tenants.upstream_one.seen) == 1


def test_a_tenant_does_not_use_up_the_limit_of_another(tenants: Two) -> None:
    """[API-54] the application has the same name in both"""
    begin, _, _ = GATE.partition("[[routes]]")
    text = begin + (
        '[[routes]]\nprefix = "/"\napi = "DomainAPI"\nupstream = "{upstream_one.url}"\n'
        "limits = {{ per_client = 2, per_user = 2 }}\n"
    )
    given = {"one": tenants.one, "two": tenants.two, "upstream_one": tenants.upstream_one}
    gate = GateWorld(text.format(**given), {"SECRET": API_SECRET})
    try:
        for world in (tenants.one, tenants.two):
            token = world.service_token()
            assert [gate.ask("/x", token).status_code for _ in range(3)] == [200, 200, 429]
    finally:
        gate.stop()
