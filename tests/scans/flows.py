"""Everything that a request, or the work behind requests, asks of the database."""

from __future__ import annotations

import time
from typing import Any

from mintgate.contract.reference_tokens import TokenKind
from mintgate.store import (
    application_secrets,
    codes,
    erp_session_ends,
    feed,
    idempotency,
    licence_pools,
    rate_counters,
    refresh,
    revocations,
    session_applications,
    sessions,
    sign_in_tries,
    token_reminders,
    userinfo_requests,
)
from tests.wire.legacy_world import MORE as LEGACY
from tests.wire.legacy_world import call, log_in, session_of
from tests.wire.test_forward_auth import SECRET as API_SECRET
from tests.wire.test_forward_auth import ask
from tests.wire.test_python_apis import reference_token
from tests.world import BACKOFFICE, FULL, LOGOUT, SECRET, STOCK, World

MORE = LEGACY.replace('Name = "DomainAPI"\n', f'Name = "DomainAPI"\nSecret = "{API_SECRET}"\n')
API = ("DomainAPI", API_SECRET)
AUTH = (BACKOFFICE, SECRET)
PURGES = [
    room.purge
    for room in (
        codes,
        idempotency,
        rate_counters,
        refresh,
        revocations,
        session_applications,
        sessions,
        sign_in_tries,
        userinfo_requests,
    )
]


def run(world: World) -> None:
    """Every way once, or more often where the first time is answered from a copy."""
    tokens = _sign_in(world)
    _tokens(world, tokens)
    _apis(world)
    _legacy(world)
    _ends(world)
    _background(world)


def _sign_in(world: World) -> dict[str, Any]:
    browser = world.browser()
    assert "<h1>Sign in</h1>" in browser.sign_in("mira.k", "wrong").text
    code = browser.code(scope=FULL)
    again = browser.authorize(prompt="none", scope=FULL)  # by its cookie
    assert again.is_redirect
    tokens: dict[str, Any] = world.redeem(code).json()
    return tokens


def _tokens(world: World, tokens: dict[str, Any]) -> None:
    world.service_token()
    assert world.request_token((STOCK, "wrong"), grant_type="client_credentials").is_error
    refreshed = world.refresh(tokens["refresh_token"]).json()
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"  # a replay
    for token in (refreshed["access_token"], refreshed["refresh_token"], tokens["id_token"], "x"):
        _introspect(world, token)
        world.http.post("/id/connect/revocation", data={"token": token}, auth=AUTH)
    code = world.browser().code(scope=FULL)
    assert world.redeem(code).status_code == 200
    assert world.redeem(code).json()["error"] == "invalid_grant"  # a replay
    for kind in TokenKind:
        value = reference_token(world, kind)
        _introspect(world, value)
        assert world.http.get(_CUSTOMERS, headers={"X-Api-Key": value}).status_code == 200
        world.http.post("/id/connect/revocation", data={"token": value}, auth=AUTH)


def _introspect(world: World, token: str) -> None:
    answer = world.http.post("/id/connect/introspect", data={"token": token}, auth=API)
    assert answer.status_code == 200, answer.text


_CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers?$top=1"


def _apis(world: World) -> None:
    token = world.user_tokens()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert world.http.get("/id/connect/userinfo", headers=bearer).status_code == 200
    found = world.http.get(_CUSTOMERS, headers=bearer).json()["value"][0]["@odata.id"]
    single = world.http.get(f"/api/domain/odata/{found}", headers=bearer)
    assert single.status_code == 200, single.text
    for one in (token, world.service_token()):
        assert ask(world, one).status_code == 204
    position = world.database.read_now(feed.positions)[world.instance.id]
    for after in ({}, {"after": position - 1}):
        page = world.http.get("/id/connect/state-feed", params=after, auth=API)
        assert page.status_code == 200, page.text
    lease = {"type": "open", "process": "A" * 32, "token": world.user_tokens()["access_token"]}
    opened = world.http.post("/id/connect/session_leases", json=lease, auth=API)
    assert opened.status_code == 200, opened.text


def _legacy(world: World) -> None:
    session = session_of(log_in(world))
    assert call(world, session).status_code == 200


def _ends(world: World) -> None:
    browser = world.browser()
    tokens = world.redeem(browser.code(scope=FULL)).json()
    answer = browser.http.get(
        "/id/connect/endsession",
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGOUT},
    )
    assert answer.headers["location"] == LOGOUT, answer.text


def _background(world: World) -> None:
    instance_id, process = world.instance.id, "P" * 32

    async def sweep(application: Any, instance: Any) -> None:
        database = application.database
        now = time.time()
        for purge in PURGES:
            await database.write(lambda tx, purge=purge: purge(tx, instance_id, now))
        await database.write(lambda tx: feed.purge(tx.connection, instance_id, now))
        await database.write(lambda tx: application_secrets.remind(tx, instance_id))
        await database.write(lambda tx: token_reminders.remind(tx, instance_id))
        lane = licence_pools.lane(instance_id)
        await database.write(lambda tx: erp_session_ends.sweep(tx, instance_id, process), lane=lane)
        await application._flush(instance)
        await application._keep_sessions(instance)
        await application._keep_limits(instance)
        await application._deliver_logouts(instance)

    world.run_in_server(sweep)
