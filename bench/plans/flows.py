"""Everything that a request, or the work behind requests, asks of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from bench.plans import site_flows
from bench.plans.place import Place
from bench.plans.visitors import (
    API,
    API_SECRET,
    LOGIN,
    OLD,
    OLD_LOGIN,
    PASSWORD,
    SECRET,
    SERVICE,
    SIGNED_OUT,
    WEB,
    asked_at_the_gate,
    code_of,
    json_of,
    redeemed,
    refreshed,
    service_token,
)
from bench.problems import Unmeasurable
from mintgate.contract.reference_tokens import TokenKind
from mintgate.identity import references
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import (
    Transaction,
    application_secrets,
    applications,
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
    users,
)

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
_CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers?$top=1"
_DAY = 24 * 3600.0


def run(place: Place) -> None:
    """Every way once, or more often where the first time is answered from a copy.

    Raises:
        Unmeasurable: a request was answered otherwise than it should be.
    """
    tokens = _sign_in(place)
    _tokens(place, tokens)
    _apis(place)
    _legacy(place)
    _ends(place)
    site_flows.run(place)
    _background(place)


def _sign_in(place: Place) -> dict[str, Any]:
    browser = place.browser()
    _must(browser.sign_in("wrong"), 400)  # the form again
    code = browser.code()
    code_of(browser.authorize(prompt="none"))  # by its cookie
    return json_of(redeemed(place.http, code))


def _tokens(place: Place, tokens: dict[str, Any]) -> None:
    json_of(service_token(place.http))
    _must(service_token(place.http, "wrong"), 401)
    new = json_of(refreshed(place.http, tokens["refresh_token"]))
    _must(refreshed(place.http, tokens["refresh_token"]), 400)  # a replay
    for token in (new["access_token"], new["refresh_token"], tokens["id_token"], "x"):
        _introspect(place, token)
        _revoke(place, token)
    code = place.browser().code()
    json_of(redeemed(place.http, code))
    _must(redeemed(place.http, code), 400)  # a replay
    for kind in TokenKind:
        value = _reference_token(place, kind)
        _introspect(place, value)
        json_of(place.http.get(_CUSTOMERS, headers={"X-Api-Key": value}))
        _revoke(place, value)


def _introspect(place: Place, token: str) -> None:
    auth = (API, API_SECRET)
    json_of(place.http.post("/id/connect/introspect", data={"token": token}, auth=auth))


def _revoke(place: Place, token: str) -> None:
    place.http.post("/id/connect/revocation", data={"token": token}, auth=(WEB, SECRET))


def _reference_token(place: Place, kind: TokenKind) -> str:
    made: list[str] = []
    uri = WEB if kind is TokenKind.PERSONAL else SERVICE

    def create(tx: Transaction) -> None:
        application = applications.by_uri(tx.connection, place.instance_id, uri)
        creator = users.by_login(tx.connection, place.instance_id, LOGIN)
        assert application is not None
        assert creator is not None
        value, _ = references.create(
            tx,
            place.instance_id,
            kind=kind,
            application=application,
            creator=creator,
            system_user=users.by_login(tx.connection, place.instance_id, "svc.bench"),
            scopes=("read",),
            expires_at=time.time() + 30 * _DAY,
            description=None,
        )
        made.append(value)

    async def write(application: Application, _: InstanceApplication) -> None:
        await application.database.write(create)

    place.run_in_server(write)
    return made[-1]


def _apis(place: Place) -> None:
    token = _user_token(place)
    bearer = {"Authorization": f"Bearer {token}"}
    json_of(place.http.get("/id/connect/userinfo", headers=bearer))
    found = json_of(place.http.get(_CUSTOMERS, headers=bearer))["value"][0]["@odata.id"]
    json_of(place.http.get(f"/api/domain/odata/{found}", headers=bearer))
    for one in (token, json_of(service_token(place.http))["access_token"]):
        _must(asked_at_the_gate(place.http, one), 204)
    position = place.database.read_now(feed.positions)[place.instance_id]
    auth = (API, API_SECRET)
    for after in ({}, {"after": position - 1}):
        json_of(place.http.get("/id/connect/state-feed", params=after, auth=auth))
    lease = {"type": "open", "process": "A" * 32, "token": _user_token(place)}
    json_of(place.http.post("/id/connect/session_leases", json=lease, auth=auth))


def _user_token(place: Place) -> str:
    tokens = json_of(redeemed(place.http, place.browser().code()))
    return str(tokens["access_token"])


def _legacy(place: Place) -> None:
    who = {"user": OLD_LOGIN, "pass": PASSWORD, "app": OLD}
    session = json_of(place.http.post("/api/domain/login", json=who))["authorization"]
    json_of(place.http.get(_CUSTOMERS, headers={"Authorization": session}))


def _ends(place: Place) -> None:
    browser = place.browser()
    tokens = json_of(redeemed(place.http, browser.code()))
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT}
    answer = browser.http.get("/id/connect/endsession", params=query)
    if answer.headers.get("location") != SIGNED_OUT:
        raise Unmeasurable(f"not signed out: {answer.status_code} {answer.text[:500]}")


def _must(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise Unmeasurable(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")


def _background(place: Place) -> None:
    instance_id, process = place.instance_id, "P" * 32

    async def sweep(application: Application, instance: InstanceApplication) -> None:
        database = application.database
        now = time.time()
        for purge in PURGES:
            await database.write(_of(purge, instance_id, now))
        await database.write(lambda tx: feed.purge(tx.connection, instance_id, now))
        await database.write(lambda tx: application_secrets.remind(tx, instance_id))
        await database.write(lambda tx: token_reminders.remind(tx, instance_id))
        lane = licence_pools.lane(instance_id)
        await database.write(lambda tx: erp_session_ends.sweep(tx, instance_id, process), lane=lane)
        await application.chores.flush(instance)
        await application.chores.keep_sessions(instance)
        await application.chores.keep_limits(instance)
        await application.chores.deliver(instance)

    place.run_in_server(sweep)


def _of(
    purge: Callable[[Transaction, str, float], int], instance_id: str, now: float
) -> Callable[[Transaction], int]:
    return lambda tx: purge(tx, instance_id, now)
