"""TableAPI, OLAP and AppServer behind their guards: real credentials, over the wire (§10.2)."""

from __future__ import annotations

import datetime
import http.client
import json
import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mintgate
from mintgate.contract.reference_tokens import TokenKind
from tests.wire.management_world import MORE, user_token
from tests.wire.test_api_checks import resigned
from tests.wire.test_reference_tokens import create
from tests.world import World, sqlite_url

TABLE = "/tableapi/odata/Crm_Customers?$top=2&$select=Number"
SECURITY_TABLE = "/tableapi/odata/Sec_Users?$select=Login"
CUBE = "/olap/cubes/SalesOrders/query"
QUERY = f"{CUBE}?dimensions=State&measures=count"
TOOL = "/appserver/tools/ver"
READS = {"TableAPI": TABLE, "OLAP": QUERY, "AppServer": TOOL}
ORIGIN = "http://127.0.0.1:9101"  # of a registered redirect URI


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for all tests here; those that count use tokens of their own."""
    url = sqlite_url(tmp_path_factory.mktemp("apis"))
    made = World(url, customers=True, more=MORE).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tokens(world: World) -> dict[str, str]:
    """One of each kind."""
    found = {f"user {s}": user_token(world, "mira.k", s) for s in ("read", "update", "read sec")}
    found |= {f"service {s}": world.service_token(s) for s in ("read", "update")}
    found["PAT"] = create(world, TokenKind.PERSONAL)
    found["SAT"] = create(world, TokenKind.SERVICE)
    found["sign-in only"] = user_token(world, "mira.k", "openid profile")
    found["another audience"] = resigned(world, aud=["DomainAPI"])
    found["no right"] = resigned(world, scope=["DomainApi"])
    found["another database"] = resigned(world, client_db="OTHER")
    return found


def call(world: World, path: str, token: str | None, method: str = "GET", **kwargs: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= kwargs.pop("headers", {})
    return world.http.request(method, path, headers=headers, **kwargs)


CREDENTIALS: list[tuple[str | None, int, str]] = [
    ("user read", 200, ""),
    ("user update", 200, ""),  # [API-38]
    ("service read", 200, ""),
    ("service update", 200, ""),
    ("PAT", 200, ""),
    ("SAT", 200, ""),
    (None, 401, 'Bearer realm="{api}"'),
    ("sign-in only", 401, "not for this API"),  # [API-10]
    ("another audience", 401, "not for this API"),
    ("another database", 401, "another database"),  # [API-12]
    ("no right", 403, 'Bearer realm="{api}", error="insufficient_scope", scope="read"'),  # [API-39]
]


@pytest.mark.parametrize("api", READS)
@pytest.mark.parametrize(("credential", "status", "words"), CREDENTIALS)
def test_reading(
    credential: str | None,
    status: int,
    words: str,
    api: str,
    world: World,
    tokens: dict[str, str],
) -> None:
    """[API-26, API-34, API-36, API-37]"""
    answer = call(world, READS[api], tokens[credential] if credential else None)
    assert answer.status_code == status, answer.text
    if status == 200:
        return
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(f'Bearer realm="{api}"')
    assert words.format(api=api) in challenge
    assert answer.json()["error"]["code"] == status


@pytest.mark.parametrize(
    "path", ["/tableapi/odata/Sec_Users", "/api/domain/odata/Systems_Security_Users"]
)
def test_users_are_listed_while_one_is_locked_for_ever(
    path: str, world: World, tokens: dict[str, str]
) -> None:
    """[SGN-10] the lock ends in the last year that a date can have"""
    world.change_user("svc.stock", locked_until=math.inf)
    try:
        answer = call(world, path, tokens["user read sec"])
        assert answer.status_code == 200, answer.text
        assert answer.text.count('"9999-12-31T23:59:59Z"') == 1
    finally:
        world.change_user("svc.stock", locked_until=None)


@pytest.mark.parametrize("api", READS)
def test_a_refusal_is_explained_in_the_audit_log(
    api: str, world: World, tokens: dict[str, str]
) -> None:
    world.clock.advance(61)  # many refusals a minute would be counted together
    answer = call(world, READS[api], tokens["sign-in only"])
    found = [e.details for e in world.events("api.refused") if e.details]
    [details] = [d for d in found if d["request_id"] == answer.headers["x-request-id"]]
    assert (details["api"], details["path"]) == (api, READS[api].partition("?")[0])
    assert any(line.startswith("API-10 failed") for line in details["checks"])


OPERATIONS: list[tuple[str, str, str, str, int]] = [
    ("API-34", "GET", SECURITY_TABLE, "user read sec", 200),
    ("API-34-sec", "GET", SECURITY_TABLE, "user read", 403),
    ("API-34-PAT", "GET", SECURITY_TABLE, "PAT", 403),
    ("API-34-case", "GET", "/tableapi/odata/sec_users", "user read", 403),
    ("API-34-document", "GET", "/tableapi/odata/", "user read", 200),
    ("API-34-metadata", "GET", "/tableapi/odata/$metadata", "user read", 200),
    ("API-34-HEAD", "HEAD", TABLE, "user read", 200),
    ("API-35-POST", "POST", TABLE, "service update", 405),
    ("API-35-DELETE", "DELETE", TABLE, "service update", 405),
    ("API-35-scope", "PATCH", TABLE, "user read", 405),
    ("API-43", "GET", "/tableapi/odata/Nothing", "user read", 404),
    ("API-36-POST", "POST", CUBE, "user read", 200),
    ("API-36-PUT", "PUT", CUBE, "service update", 405),
    ("API-36-cubes", "GET", "/olap/cubes", "user read", 200),
    ("API-36-HEAD", "HEAD", QUERY, "user read", 200),
    ("API-37-POST-read", "POST", "/appserver/tools/sha256", "user read", 403),
    ("API-37-POST", "POST", "/appserver/tools/sha256", "user update", 200),
    ("API-37-GET", "GET", "/appserver/tools/sha256?secret=DEMO", "user read", 200),
    ("API-37-405", "POST", "/appserver/tools/ver", "user update", 405),
    ("API-37-404", "GET", "/appserver/nothing", "user read", 404),
    ("API-37-404-update", "DELETE", "/appserver/nothing", "user read", 403),
]


@pytest.mark.parametrize(
    ("method", "path", "credential", "status"), [pytest.param(*o[1:], id=o[0]) for o in OPERATIONS]
)
def test_operation(
    method: str, path: str, credential: str, status: int, world: World, tokens: dict[str, str]
) -> None:
    body: dict[str, Any] = {}
    if method == "POST":
        body = (
            {"data": {"secret": "DEMO"}} if "sha256" in path else {"json": {"measures": ["count"]}}
        )
    answer = call(world, path, tokens[credential], method, **body)
    assert answer.status_code == status, answer.text
    if status == 405:
        assert "GET, HEAD" in answer.headers["allow"]
    if method == "HEAD":
        assert answer.content == b""
        assert int(answer.headers["content-length"]) > 0


def test_rows_groups_and_tools(world: World, tokens: dict[str, str]) -> None:
    token = tokens["PAT"]
    table = call(world, TABLE, token).json()
    assert [list(row) for row in table["value"]] == [["Number"]] * 2
    following = call(world, table["@odata.nextLink"].removeprefix(world.base), token).json()
    assert len({row["Number"] for row in (*table["value"], *following["value"])}) == 4
    groups = call(world, QUERY, token).json()["value"]
    assert sum(group["count"] for group in groups) == 400
    assert call(world, TOOL, token).text == mintgate.__version__
    public = world.http.get("/tools/auto-discovery").json()
    assert call(world, "/appserver/tools/auto-discovery", token).json() == public
    hashed = call(world, "/appserver/tools/sha256?secret=DEMO", token)
    assert hashed.json() == {"sha256": "T/AGymuI51LwjLeIFxRQXOs9IHnupDKs/ajhWODR2C4="}
    assert hashed.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "kwargs"),
    [
        ("GET", {}),
        ("GET", {"params": {"secret": ["a", "b"]}}),
        ("POST", {"data": {}}),
        ("POST", {"json": {"secret": "DEMO"}}),
        ("POST", {"params": {"secret": "DEMO"}, "data": {"other": "x"}}),
    ],
)
def test_no_hash_without_a_secret(
    method: str, kwargs: dict[str, Any], world: World, tokens: dict[str, str]
) -> None:
    """[TOP-28] by POST it stands in the form and nowhere else"""
    for path, token in (
        ("/appserver/tools/sha256", tokens["user update"]),
        ("/tools/sha256", None),
    ):
        answer = call(world, path, token, method, **kwargs)
        assert answer.status_code == 400, answer.text
        assert "invalid_request" in answer.text


def test_who_the_server_takes_a_caller_for(world: World, tokens: dict[str, str]) -> None:
    token = user_token(world, "mira.k", "read sec")
    now = datetime.datetime.fromtimestamp(world.clock(), datetime.UTC)
    person = call(world, "/appserver/session", token).json()
    assert person == {
        "Login": "mira.k",
        "UserType": "InternalUser",
        "IsAdmin": False,
        "Application": "tools.example.org/admin",
        "Database": "ORION_PROD X-1",
        "Scopes": ["read", "sec"],
        "OpenedAt": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert call(world, "/appserver/session", tokens["SAT"]).json()["Login"] == "svc.stock"


def test_all_audiences_share_one_session(world: World) -> None:
    """[SES-1, SES-11] A refused request opens none, and the first permitted one opens it."""

    def sessions() -> int:
        return world.count_rows("erp_sessions")

    token, before = user_token(world, "ada", "read"), sessions()
    for path, method in ((TABLE, "POST"), (SECURITY_TABLE, "GET"), (TOOL, "POST"), (CUBE, "PUT")):
        assert call(world, path, token, method).status_code in {403, 405}
    assert sessions() == before
    for path in READS.values():
        assert call(world, path, token).status_code == 200
        assert sessions() == before + 1


@pytest.mark.parametrize("api", READS)
def test_a_browser_may_read_the_answers(api: str, world: World, tokens: dict[str, str]) -> None:
    """[API-23, API-25]"""
    origin = {"Origin": ORIGIN}
    for token in (tokens["user read"], None):
        answer = call(world, READS[api], token, headers=origin)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    preflight = call(
        world,
        READS[api],
        None,
        "OPTIONS",
        headers=origin | {"Access-Control-Request-Method": "GET"},
    )
    assert preflight.status_code == 204


AMBIGUOUS = [
    "/tableapi/odata//Sec_Users",
    "/tableapi/odata/./Sec_Users",
    "/tableapi/odata/x/../Sec_Users",
    "/tableapi/odata/%53ec_Users",
    "/tableapi/odata/Sec%5FUsers",
    "/tableapi/odata%2FSec_Users",
    "/tableapi/odata/Crm_Customers;/../Sec_Users",
    "/tableapi/odata/Crm_Customers%00Sec_Users",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_no_spelling_gets_around_sec(path: str, world: World, tokens: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
    # httpx would normalise the path first.
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.putheader("Authorization", f"Bearer {tokens['PAT']}")
    connection.endheaders()
    assert connection.getresponse().status in {400, 403}
    connection.close()


DOCS = Path(__file__).parents[2] / "docs" / "built-in-apis.md"
COMMANDS = [
    block
    for block in re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    if "$TOKEN" in block
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_the_docs(command: str, world: World, tokens: dict[str, str]) -> None:
    """As curl would send them."""
    replaced = {"\\$": "\0", "$ROOT": world.base, "$TOKEN": tokens["service update"], "\0": "$"}
    for text, value in replaced.items():
        command = command.replace(text, value)
    words = iter(shlex.split(command.replace("\\\n", " ")))
    assert next(words) == "curl"
    options: dict[str, str] = {}
    asked: dict[str, Any] = {"method": "GET", "headers": {}}
    for word in words:
        if word.startswith("http"):
            asked["url"] = word
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            asked["headers"][name] = value
        elif word == "--data-urlencode":
            name, _, value = next(words).partition("=")
            options[name] = value
        elif word == "--json":
            asked |= {"method": "POST", "json": json.loads(next(words))}
        else:
            assert word in {"-sf", "-sfG"}
    answer = world.http.request(**asked, params=options)
    assert answer.status_code == 200, answer.text
    assert answer.json().get("value") != []
