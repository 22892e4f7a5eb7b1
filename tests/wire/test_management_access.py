"""Who may what: every caller on every route of the tables, so that none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mintgate.contract.automation.credentials import (
    MadeSecret,
    PasswordChange,
    SecretChange,
    TokenToRevoke,
)
from mintgate.contract.automation.records import NewApplication, NewUser
from mintgate.contract.automation.routes import (
    AUTOMATION,
    AUTOMATION_ROOT,
    MANAGE,
    MANAGE_ROOT,
    PROFILE,
    PROFILE_ROOT,
    Route,
)
from mintgate.contract.reference_tokens import TokenKind
from mintgate.contract.users import UserType
from mintgate.identity.administration.operations import OPERATIONS
from tests.wire.management_world import (
    ADMIN_SERVICE,
    MORE,
    SEC_SERVICE,
    robot_token,
    user_token,
)
from tests.wire.test_reference_tokens import create
from tests.world import World, sqlite_url

CALLERS: dict[str, Callable[[World], str | None]] = {
    "anonymous": lambda w: None,
    "user": lambda w: user_token(w, "mira.k", "read update"),
    "admin-without-sec": lambda w: user_token(w, "ada", "read update"),
    "sec-without-admin": lambda w: user_token(w, "mira.k", "sec"),
    "service-without-admin": lambda w: robot_token(w, SEC_SERVICE),
    "admin-with-sec": lambda w: user_token(w, "ada", "sec"),
    "service-admin": lambda w: robot_token(w, ADMIN_SERVICE),
    "pat-of-admin": lambda w: create(w, login="ada"),
    "sat": lambda w: create(w, TokenKind.SERVICE),
    "profile-site": lambda w: w.site_token("profile"),
    "profile-site-of-community": lambda w: w.site_token(
        "profile", "buyer@client.example", scope="openid profile"
    ),
    "manage-site-of-user": lambda w: w.site_token("manage"),
    "manage-site-of-admin": lambda w: w.site_token("manage", "ada"),
}
MAY = {
    AUTOMATION_ROOT: {"admin-with-sec", "service-admin"},
    PROFILE_ROOT: {"profile-site", "profile-site-of-community"},
    MANAGE_ROOT: {"manage-site-of-admin"},
}
TABLES = {AUTOMATION_ROOT: AUTOMATION, PROFILE_ROOT: PROFILE, MANAGE_ROOT: MANAGE}


@pytest.fixture(scope="module")
def there(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[World, dict[str, str | None]]]:
    folder: Path = tmp_path_factory.mktemp("access")
    world = World(sqlite_url(folder), more=MORE).start()
    yield world, {name: make(world) for name, make in CALLERS.items()}
    world.stop()


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("root", TABLES)
def test_who_may_what(root: str, caller: str, there: tuple[World, dict[str, str | None]]) -> None:
    """[API-33, SCP-3, SCP-16, IMG-1, PRF-2, REF-13]"""
    world, tokens = there
    headers = {} if tokens[caller] is None else {"Authorization": f"Bearer {tokens[caller]}"}
    for route in TABLES[root]:
        # An id that nobody has: what is allowed does no harm, and is told from what is not.
        path = root + re.sub(r"\{\w+\}", "0" * 32, route.path)
        answer = world.http.request(route.method, path, headers=headers)
        where = f"{caller} on {route.method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["cache-control"] == "no-store", where
        if caller in MAY[root]:
            assert answer.status_code in _not_refused(route), where
            continue
        expected = 401 if caller == "anonymous" else 403
        assert answer.status_code == expected, where
        assert answer.json()["error"]["code"] == expected
        realm = "UserProfile" if root == PROFILE_ROOT else "InstanceManager"
        assert answer.headers["www-authenticate"].startswith(f'Bearer realm="{realm}"'), where


def _not_refused(route: Route) -> set[int]:
    if not route.is_write:
        return {200, 404}
    begins = {"keys.rotate": 201, "own_factors.begin_app": 200, "own_factors.begin_passkey": 200}
    there_is_none = {409} if route.name.startswith("own_factors.") else set()
    done = {begins[route.name]} if route.name in begins else set()
    return {400, 404, 428} | done | there_is_none


def test_the_tables_have_an_operation_for_every_route() -> None:
    named = {route.name for table in TABLES.values() for route in table}
    assert named == OPERATIONS.keys() | {"tokens.introspect"}
    for table in TABLES.values():
        addresses = [(route.method, route.path) for route in table]
        assert len(addresses) == len(set(addresses))


def test_the_challenge_names_what_is_missing(
    there: tuple[World, dict[str, str | None]],
) -> None:
    """[API-15, API-18]"""
    world, tokens = there
    world.clock.advance(120)  # refusals of the other tests are summed up in the audit log

    def challenge(caller: str) -> str:
        headers = {"Authorization": f"Bearer {tokens[caller]}"}
        answer = world.http.get(f"{AUTOMATION_ROOT}/keys", headers=headers)
        return str(answer.headers["www-authenticate"])

    assert 'error="insufficient_scope", scope="sec"' in challenge("user")
    assert challenge("sec-without-admin") == 'Bearer realm="InstanceManager"'
    refused = world.events("management.refused")
    assert any("no administrator" in (event.cause or "") for event in refused)


def test_an_api_key_is_no_credential(there: tuple[World, dict[str, str | None]]) -> None:
    world, tokens = there
    pat = tokens["pat-of-admin"] or ""
    answer = world.http.get(f"{AUTOMATION_ROOT}/keys", headers={"X-Api-Key": pat})
    assert answer.status_code == 401
    both = {"X-Api-Key": pat, "Authorization": f"Bearer {tokens['service-admin']}"}
    assert world.http.get(f"{AUTOMATION_ROOT}/keys", headers=both).status_code == 400


def test_what_is_not_there(there: tuple[World, dict[str, str | None]]) -> None:
    world, tokens = there
    headers = {"Authorization": f"Bearer {tokens['service-admin']}"}
    assert world.http.get(f"{AUTOMATION_ROOT}/nothing", headers=headers).status_code == 404
    assert world.http.get(f"{AUTOMATION_ROOT}/nothing").status_code == 401
    answer = world.http.put(f"{AUTOMATION_ROOT}/keys", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_an_administrator_of_a_minute_ago(world: World) -> None:
    """[SCP-16] What is stored now counts, not the claim of the token."""
    world.declare(more=MORE)
    token = user_token(world, "ada", "sec")
    headers = {"Authorization": f"Bearer {token}"}
    assert world.http.get(f"{AUTOMATION_ROOT}/keys", headers=headers).status_code == 200
    world.change_user("ada", is_admin=False)
    assert world.http.get(f"{AUTOMATION_ROOT}/keys", headers=headers).status_code == 403


def test_bodies_with_secrets_print_none_of_them() -> None:
    """A `repr` may reach a log [TOK-14]."""
    for value in (
        NewUser(login="x", name="x", user_type=UserType.SYSTEM, password="the-secret"),
        NewApplication(name="x", application_uri="x", secret="the-secret"),
        SecretChange(secret="the-secret"),
        MadeSecret("the-secret"),
        PasswordChange(password="the-secret"),
        TokenToRevoke(token="the-secret"),
    ):
        assert "the-secret" not in repr(value)
