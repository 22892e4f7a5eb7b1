"""HTTP Basic of old integrations at a running server (specification §12)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete

from mintgate.contract.errors import MethodNotAllowed, NoCredential
from mintgate.identity import passwords
from mintgate.identity.signin import password
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import users
from mintgate.store.tables import application_authorizations
from mintgate.verify import ApiRequest, Guard
from tests.wire.legacy_world import (
    CUSTOMERS,
    MORE,
    NEW,
    OLD,
    OLDER,
    ROBOT,
    basic,
    call,
    causes,
    log_in,
    session_of,
)
from tests.world import PASSWORD, World, sqlite_url

WRONG = "a wrong guess"
TWO_CHALLENGES = ['Bearer realm="DomainAPI"', 'Basic realm="DomainAPI"']


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(password, "_NOBODYS_HASH", hasher.hash("nobody"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = sqlite_url(tmp_path_factory.mktemp("legacy"))
    world = World(url, more=MORE, customers=True).start()
    yield world
    world.stop()


@pytest.fixture
def old(shared: World) -> World:
    """The world two hours later, when no try counts and no session is open any more."""
    shared.clock.advance(7200)
    return shared


def challenges(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("www-authenticate")


def set_password(world: World, login: str, hashed: str) -> None:
    user = world.change_user(login)
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, hashed)
    world.sync()


def test_basic_reads_and_writes_with_the_users_rights(old: World) -> None:
    """[LEG-1, LEG-15] and changes are the user's"""
    path = f"{CUSTOMERS}?$top=1"
    key = call(old, basic(), path).json()["value"][0]["@odata.id"]
    patched = call(old, basic(), key, method="PATCH", json={"GracePeriodDays": 7})
    assert patched.is_success, patched.text
    after = call(old, basic("OLGA"), key).json()
    assert (after["GracePeriodDays"], after["UpdateUser"]) == (7, "olga")


def test_security_records_need_a_token(old: World) -> None:
    """[LEG-1, API-33] also of an administrator, whose password travels with each request"""
    for method, body in (("GET", None), ("POST", {})):
        answer = call(old, basic("oleg"), "Systems_Security_Users", method=method, json=body)
        assert answer.status_code == 403
        assert answer.headers["www-authenticate"].endswith('scope="sec"')


def test_basic_is_offered_where_it_is_taken(old: World) -> None:
    """[LEG-5, LEG-8, API-26]"""
    answer = call(old, None)
    assert (answer.status_code, challenges(answer)) == (401, TWO_CHALLENGES)
    other = call(old, "Negotiate abc")
    assert (other.status_code, challenges(other)) == (401, TWO_CHALLENGES)
    # Whoever has a token is not asked for a password.
    assert len(challenges(call(old, "Bearer none.of.ours"))) == 1


def test_off_by_default(shared_world: World) -> None:
    """[LEG-8]"""
    for answer in (
        call(shared_world, None),
        call(shared_world, basic("mira.k")),
        call(shared_world, "ErpSession " + "a" * 43),
        log_in(shared_world, "mira.k"),
    ):
        assert answer.status_code == 401
        assert challenges(answer) == ['Bearer realm="DomainAPI"']
    assert not shared_world.events("user.sign_in_failed")  # no password was looked at


def test_off_without_an_application_that_allows_it(old: World) -> None:
    """[LEG-8]"""
    try:
        for uri in (OLD, OLDER, ROBOT):
            old.change_application(uri, basic_authentication_allowed=False)
        for answer in (call(old, basic()), log_in(old)):
            assert answer.status_code == 401
            assert challenges(answer) == ['Bearer realm="DomainAPI"']
    finally:
        for uri in (OLD, OLDER, ROBOT):
            old.change_application(uri, basic_authentication_allowed=True)
    assert call(old, basic()).status_code == 200


REFUSED = {
    "LEG-2 unknown application": ("olga", PASSWORD, "nobody.example.org", "application: no app"),
    "LEG-2 not allowed": ("olga", PASSWORD, NEW, "application: BasicAuthenticationAllowed"),
    "LEG-5 unknown user": ("nobody", PASSWORD, OLD, "password: "),
    "LEG-5 wrong password": ("olga", WRONG, OLD, "password: "),
    "LEG-3 not allowed to the user": ("mira.k", PASSWORD, OLD, "user: BasicAuth"),
    "LEG-2 another than SystemUser": ("oleg", PASSWORD, ROBOT, "system user: "),
    "USR-12 a community user": ("guest@client.example", PASSWORD, OLD, "user: users of type"),
}


@pytest.mark.parametrize(("login", "typed", "app", "cause"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("by", ["Basic", "ErpLogin"])
def test_causes_are_told_apart_in_the_log_only(
    by: str, login: str, typed: str, app: str, cause: str, old: World
) -> None:
    """[LEG-2, LEG-3, LEG-5]"""
    if by == "Basic":
        answer = call(old, basic(login, typed), f"{CUSTOMERS}?$top=1&app={app}")
    else:
        answer = log_in(old, login, typed, app)
    assert answer.status_code == 401
    assert challenges(answer) == ['Basic realm="DomainAPI"']
    assert answer.json()["error"]["message"] == (
        "The user name, the password or the application is not accepted."
    )
    refused = old.events("api.refused")[0]
    assert f"invalid_credentials: {cause}" in (refused.cause or "")
    assert (refused.details or {})["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("value", ["", "x", "b2xnYQ==", "b2xnYTo=", "OnB3", "!!!", "b2xnYTp4AA=="])
def test_what_is_no_user_and_password(value: str, old: World) -> None:
    """RFC 7617 §2: no colon, no password, no user, no Base64, a NUL."""
    answer = call(old, f"Basic {value}".strip())
    assert (answer.status_code, challenges(answer)) == (401, ['Basic realm="DomainAPI"'])


def test_everybody_by_option(old: World) -> None:
    """[LEG-3] `AllowBasicAuthForAllUsers`"""
    setting = ("licences = 1000", "licences = 1000\nallow_basic_auth_for_all_users = true")
    try:
        old.declare(replace=setting)
        assert call(old, basic("mira.k")).status_code == 200
    finally:
        old.declare()
    assert call(old, basic("mira.k")).status_code == 401


def test_the_system_user_alone(old: World) -> None:
    """[LEG-2, TAP-44]"""
    assert call(old, basic(), f"{CUSTOMERS}?app={ROBOT}").status_code == 200
    assert call(old, basic("oleg"), f"{CUSTOMERS}?app={ROBOT}").status_code == 401


def test_an_application_is_named_once(old: World) -> None:
    """[LEG-4]"""
    assert call(old, basic(), f"{CUSTOMERS}?app={OLDER}").status_code == 200
    several = call(old, basic(), f"{CUSTOMERS}?app={OLDER}&app={OLD}")
    assert several.status_code == 401
    assert "several" in causes(old)[0]


def test_a_person_who_is_kept_out(old: World) -> None:
    """[TAP-30]"""
    old.block_user("olga", OLDER)
    assert call(old, basic(), f"{CUSTOMERS}?app={OLDER}").status_code == 401
    assert log_in(old, app=OLDER).status_code == 401
    assert call(old, basic()).status_code == 200
    with old.database.begin() as tx:
        tx.connection.execute(delete(application_authorizations))
    assert log_in(old, app=OLDER).status_code == 200


def test_two_schemes_are_refused(old: World) -> None:
    """[LEG-7]"""
    url, token = f"/api/domain/odata/{CUSTOMERS}", old.service_token()
    for pair in (
        [("Authorization", basic()), ("Authorization", f"Bearer {token}")],
        [("Authorization", f"Bearer {token}"), ("Authorization", basic())],
        [("Authorization", basic()), ("X-Api-Key", "enrt_" + "A" * 64)],
        [("Authorization", basic()), ("Authorization", basic())],
    ):
        assert old.http.get(url, headers=pair).status_code == 400
    for headers in ({"Authorization": f"Bearer {token}"}, {"X-Api-Key": "enrt_x"}):
        assert log_in(old, headers=headers).status_code == 400


def test_a_browser_does_not_write_for_another_site(old: World) -> None:
    """It sends a password that it remembers with what any page asks for."""
    key = call(old, basic(), f"{CUSTOMERS}?$top=1").json()["value"][0]["@odata.id"]
    for site, is_refused in (
        ("cross-site", True),
        ("same-site", True),
        ("same-origin", False),
        ("none", False),
    ):
        headers = {"Sec-Fetch-Site": site}
        asked = {"method": "PATCH", "json": {"GracePeriodDays": 1}, "headers": headers}
        answer = call(old, basic(), key, **asked)
        assert (answer.status_code == 401) == is_refused, answer.text
        assert answer.is_success != is_refused
    reading = call(old, basic(), key, headers={"Sec-Fetch-Site": "cross-site"})
    assert reading.status_code == 200


def test_tokens_go_on(old: World) -> None:
    """[LEG-7] OAuth is tried first"""
    assert call(old, f"Bearer {old.service_token()}").status_code == 200


def test_a_password_is_checked_once_a_minute(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many requests cost one check, also when they come at once."""
    checks: list[str] = []
    check = PasswordSignIn.authenticate

    async def counted(self: PasswordSignIn, login: str, *rest: str) -> object:
        checks.append(login)
        return await check(self, login, *rest)

    monkeypatch.setattr(PasswordSignIn, "authenticate", counted)
    with ThreadPoolExecutor(6) as at_once:  # one runs and five wait [API-51]
        answers = list(at_once.map(lambda _: call(old, basic()).status_code, range(12)))
    assert answers == [200] * 12
    assert checks == ["olga"]
    assert call(old, basic("oleg")).status_code == 200
    assert call(old, basic()).status_code == 200
    assert checks == ["olga", "oleg"]
    old.clock.advance(60)
    assert call(old, basic()).status_code == 200
    assert checks == ["olga", "oleg", "olga"]


def test_guessing_is_throttled_as_at_sign_in(old: World) -> None:
    """[SGN-6] also while the right password is remembered"""
    assert call(old, basic()).status_code == 200
    for number in range(5):
        assert call(old, basic(password=f"{WRONG} {number}")).status_code == 401
    assert call(old, basic()).status_code == 401
    assert log_in(old).status_code == 401
    assert "too many tries" in causes(old)[0]
    assert old.events("user.sign_in_throttled")
    old.clock.advance(300)
    assert call(old, basic()).status_code == 200


@pytest.mark.parametrize(
    "change", [{"active": False}, {"basic_authentication_allowed": False}, {"locked_until": 4e9}]
)
def test_a_changed_user_is_out_at_once(change: dict[str, object], old: World) -> None:
    """[LEG-3, TOP-13]"""
    assert call(old, basic()).status_code == 200
    before = old.change_user("olga")
    try:
        old.change_user("olga", **change)
        assert call(old, basic()).status_code == 401
    finally:
        old.change_user("olga", **{name: getattr(before, name) for name in change})
    assert call(old, basic()).status_code == 200


@pytest.mark.parametrize("change", [{"is_enabled": False}, {"basic_authentication_allowed": False}])
def test_a_changed_application_is_out_at_once(change: dict[str, object], old: World) -> None:
    """[LEG-2, TOP-13]"""
    session = session_of(log_in(old, app=OLDER))
    assert call(old, session).status_code == 200
    try:
        old.change_application(OLDER, **change)
        assert call(old, session).status_code == 401
        assert call(old, basic(), f"{CUSTOMERS}?app={OLDER}").status_code == 401
    finally:
        old.change_application(OLDER, **dict.fromkeys(change, True))


def test_an_old_password_is_out_at_once(old: World) -> None:
    """[USR-22] although it was right a moment ago"""
    session = session_of(log_in(old))
    assert call(old, basic()).status_code == call(old, session).status_code == 200
    set_password(old, "olga", passwords.hash_password("another password"))
    try:
        assert call(old, basic()).status_code == 401
        assert call(old, session).status_code == 401
        assert call(old, basic(password="another password")).status_code == 200
        assert not [r for r in old.rows("erp_sessions") if r["login_nonce"]]
    finally:
        set_password(old, "olga", passwords.hash_password(PASSWORD))
    assert call(old, session).status_code == 401


def test_basic_has_one_session_with_a_slot(old: World) -> None:
    """[SES-5, SES-25]"""
    before = {row["key"] for row in old.rows("erp_sessions")}
    for _ in range(3):
        assert call(old, basic()).status_code == 200
    assert call(old, basic(), f"{CUSTOMERS}?app={ROBOT}").status_code == 200
    opened = [row for row in old.rows("erp_sessions") if row["key"] not in before]
    opened += [r for r in old.rows("erp_sessions") if r["started_at"] == old.clock()]
    kinds = {(r["kind"], r["login"], tuple(r["client_ids"]), r["seat"]) for r in opened}
    assert kinds == {
        ("legacy", "olga", (OLD,), "general"),
        ("legacy", "olga", (ROBOT,), "general"),
    }


def test_the_table_api_takes_basic_for_reading(old: World) -> None:
    """[LEG-15] and no ErpSession"""
    session = session_of(log_in(old))

    async def ask(_: Application, instance: InstanceApplication) -> None:
        legacy = instance.legacy.of_api("TableAPI")
        guard = Guard(instance._verifier, "TableAPI", legacy=legacy)

        def request(method: str, value: str) -> ApiRequest:
            headers = [(b"authorization", value.encode())]
            return ApiRequest(method, b"/api/table/Customers", b"", headers, "127.0.0.1")

        admission = await guard.admit_async(request("GET", basic()))
        assert admission.principal is not None
        assert (admission.principal.login, admission.principal.scopes) == ("olga", frozenset())
        with pytest.raises(NoCredential):
            guard.admit(request("GET", basic()))  # which cannot wait for a password check
        with pytest.raises(MethodNotAllowed):
            await guard.admit_async(request("POST", basic()))
        with pytest.raises(NoCredential) as refused:
            await guard.admit_async(request("GET", session))
        assert refused.value.challenges("TableAPI") == [
            'Bearer realm="TableAPI"',
            'Basic realm="TableAPI"',
        ]
        for api in ("OLAP", "AppServer"):
            other = Guard(instance._verifier, api, legacy=instance.legacy.of_api(api))
            with pytest.raises(NoCredential):
                await other.admit_async(request("GET", basic()))

    old.run_in_server(ask)


def test_the_log_explains_a_legacy_refusal(old: World) -> None:
    """Each check is told, and the scheme; no password."""
    call(old, basic("mira.k"), f"{CUSTOMERS}?app={NEW}")
    lines = (old.events("api.refused")[0].details or {})["checks"]
    assert "API-1 passed: Basic, a deprecated scheme without scopes [LEG-1]" in lines
    assert any(line.startswith("LEG-2 failed: application: Basic") for line in lines)
    assert any(line.startswith("LEG-3 failed: user: Basic") for line in lines)
    call(old, "ErpSession " + "b" * 43)
    lines = (old.events("api.refused")[0].details or {})["checks"]
    assert any(line.startswith("LEG-12 failed: session: no open session") for line in lines)
    call(old, basic("oleg"), "Systems_Security_Users")
    lines = (old.events("api.refused")[0].details or {})["checks"]
    assert any(line.startswith("API-15 failed: legacy callers have nothing") for line in lines)
