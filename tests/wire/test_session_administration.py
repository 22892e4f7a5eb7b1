"""ERP sessions and licence slots over the automation API of a running server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire.management_world import MORE, SEC_TOOL, Automation, user_token
from tests.world import (
    BACKOFFICE,
    PASSWORD_HASH,
    STOCK,
    Browser,
    World,
    answer_of,
    payload_of,
    sqlite_url,
)

ROW = [
    "SessionId",
    "UserLogin",
    "Applications",
    "Device",
    "Kind",
    "Seat",
    "StartTime",
    "LastRequestTime",
    "AbsoluteExpirationTime",
    "CurrentRequestsCount",
    "TotalRequestsCount",
    "UploadMB",
    "DownloadMB",
]
PEOPLE = "".join(
    f"""
[[users]]
Login = "{login}"
Name = "{login}"
UserType = "InternalUser"
PasswordHash = "{PASSWORD_HASH}"
"""
    for login in ("r1", "r2", *(f"u{number}" for number in range(1, 10)))
)
CALL = "Crm_Sales_Customers?$top=1"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Automation]:
    world = World(sqlite_url(tmp_path_factory.mktemp("sessions")), more=MORE + PEOPLE).start()
    yield Automation(world)
    world.stop()


@pytest.fixture
def api(there: Automation) -> Automation:
    """With no session, no reservation and a thousand slots."""
    there.post("/erp-sessions/close", {"all": True})
    for seat in there.get("/licences/reserved-seats")["items"]:
        there.post("/licences/reserved-seats/remove", {"login": seat["login"]})
    there.post("/licences/total", {"total": 1000})
    there.world.sync()
    return there


def calls(api: Automation, token: str, times: int = 1) -> int:
    """Make requests to the Domain API; the status of the last one."""
    return [api.world.api(CALL, token).status_code for _ in range(times)][-1]


def token_of(api: Automation, login: str) -> str:
    """An access token by a sign-in of its own."""
    return str(api.world.user_tokens(login)["access_token"])


def rows(api: Automation, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(f"/erp-sessions{query}")["items"]
    return items


def test_the_worked_case(api: Automation) -> None:
    """[SES-30..34, SES-39]: total 10, reserved {r1, r2}"""
    api.post("/licences/total", {"total": 10})
    for login in ("R1", "r2"):
        assert api.post("/licences/reserved-seats", {"login": login})["in_use"] is False
    api.world.sync()
    tokens = {
        login: token_of(api, login) for login in ("r1", "r2", *(f"u{n}" for n in range(1, 10)))
    }
    assert api.get("/licences")["in_use"] == 0  # [SES-10] tokens take none
    for number in range(1, 9):
        assert calls(api, tokens[f"u{number}"]) == 200
    refused = api.world.api(CALL, tokens["u9"])
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert refused.json()["error"]["type"] == "MaximumLicenseCountExceeded"
    assert calls(api, tokens["r1"]) == 200
    assert calls(api, tokens["r2"]) == 200
    second = token_of(api, "r1")
    assert calls(api, second) == 503
    assert api.get("/licences") == {
        "total": 10,
        "in_use": 10,
        "reserved": 2,
        "reserved_in_use": 2,
        "general": 8,
        "general_in_use": 8,
        "free": 0,
        "sessions": 10,
    }
    assert [s["login"] for s in api.get("/licences/reserved-seats")["items"]] == ["r1", "r2"]
    assert all(s["in_use"] for s in api.get("/licences/reserved-seats")["items"])
    # One of the eight is closed, and first come first served.
    (of_u1,) = rows(api, "?user=U1")
    api.post(f"/erp-sessions/{of_u1['SessionId']}/close")
    api.world.sync()
    assert calls(api, second) == 200
    assert calls(api, tokens["u1"]) == 503
    seats = {row["UserLogin"]: row["Seat"] for row in rows(api) if row["UserLogin"] != "r1"}
    assert seats == {"r2": "reserved"} | {f"u{number}": "general" for number in range(2, 9)}


def test_a_row_with_what_this_moment_says(api: Automation) -> None:
    """[SES-26, SES-27] and no more of `sid` and `jti` than tells sessions apart"""
    world = api.world
    started = world.clock()
    person, service = token_of(api, "u1"), world.service_token()
    assert calls(api, person, 3) == 200
    world.clock.advance(7)
    assert calls(api, service, 2) == 200
    answer = api("GET", "/erp-sessions")
    newest, oldest = answer.json()["items"]
    assert list(newest) == list(oldest) == ROW
    sid, jti = payload_of(person)["sid"], payload_of(service)["jti"]
    assert (oldest["SessionId"], newest["SessionId"]) == (sid[:16], jti[:16])
    assert sid not in answer.text
    assert jti not in answer.text
    assert oldest | {"SessionId": "", "DownloadMB": 0} == {
        "SessionId": "",
        "UserLogin": "u1",
        "Applications": BACKOFFICE,
        "Device": None,
        "Kind": "interactive",
        "Seat": "general",
        "StartTime": started,
        "LastRequestTime": started,
        "AbsoluteExpirationTime": None,
        "CurrentRequestsCount": 0,
        "TotalRequestsCount": 3,
        "UploadMB": 0,
        "DownloadMB": 0,
    }
    size = len(world.api(CALL, person).content)
    assert oldest["DownloadMB"] == pytest.approx(3 * size / 1_000_000)
    assert (newest["UserLogin"], newest["Applications"]) == ("svc.stock", STOCK)
    assert newest["AbsoluteExpirationTime"] == started + 7 + 3600  # [SES-15]
    # What is shown stands for the session here and nowhere else.
    assert api("POST", f"/sessions/{sid[:16]}/end").status_code == 404
    # [SES-24] administrators take no slot by looking
    assert len(rows(api)) == 2


def test_applications_of_one_sign_in_share_a_row(api: Automation) -> None:
    """[SES-20]"""
    browser = Browser(api.world)
    codes = {BACKOFFICE: browser.code("u2")}
    codes[SEC_TOOL] = answer_of(browser.authorize(client_id=SEC_TOOL, scope="openid read"))["code"]
    for client_id, code in codes.items():
        token = api.world.redeem(code, client_id).json()["access_token"]
        assert calls(api, token) == 200
    (row,) = rows(api)
    assert row["Applications"] == f"{BACKOFFICE},{SEC_TOOL}"
    assert api.get("/licences")["in_use"] == 1


def test_a_list_in_parts(api: Automation) -> None:
    tokens = [api.world.service_token() for _ in range(5)]
    for token in tokens:
        assert calls(api, token) == 200
    seen, cursor = [], ""
    while True:
        page = api.get(f"/erp-sessions?limit=2{cursor}")
        seen += [row["SessionId"] for row in page["items"]]
        if page["next"] is None:
            break
        shown = base64.urlsafe_b64decode(page["next"]).decode()
        assert json.loads(shown)[1] == seen[-1]
        cursor = f"&cursor={page['next']}"
    assert sorted(seen) == sorted(payload_of(token)["jti"][:16] for token in tokens)
    assert api("GET", "/erp-sessions?cursor=x").status_code == 400
    assert rows(api, "?user=nobody") == []
    assert api("GET", "/erp-sessions?login=u1").status_code == 400


def test_closing(api: Automation) -> None:
    """[SES-17, SES-23, OPQ-32] tokens stay as good as they were"""
    first, second, other = token_of(api, "u1"), token_of(api, "u1"), token_of(api, "u2")
    for token in (first, second, other):
        assert calls(api, token) == 200
    whole = payload_of(first)["sid"]
    assert api.post(f"/erp-sessions/{whole}/close") == {"sessions": 1}  # as a log names it
    assert api("POST", f"/erp-sessions/{whole}/close").status_code == 404
    assert calls(api, first) == 200
    (row,) = [row for row in rows(api, "?user=u1") if row["SessionId"] == whole[:16]]
    assert row["TotalRequestsCount"] == 1  # another session with the same key
    once = {"Idempotency_Key": "close-u1"}
    assert api.post("/erp-sessions/close", {"user": "U1"}, **once) == {"sessions": 2}
    assert calls(api, first) == 200
    assert api.post("/erp-sessions/close", {"user": "U1"}, **once) == {"sessions": 2}
    assert len(rows(api, "?user=u1")) == 1  # nothing happened twice
    assert api("POST", "/erp-sessions/close", {"user": "nobody"}).status_code == 404
    for body in (None, {}, {"all": False}, {"all": True, "user": "u1"}, {"everybody": True}):
        assert api("POST", "/erp-sessions/close", body).status_code == 400
    assert api.post("/erp-sessions/close", {"all": True}) == {"sessions": 2}
    assert rows(api) == []


def test_every_write_is_audited(api: Automation) -> None:
    world = api.world
    admin = Automation(world, user_token(world, "ada", "sec"))
    token = token_of(api, "u3")
    assert calls(api, token) == 200
    (row,) = rows(api)
    admin.post(f"/erp-sessions/{row['SessionId']}/close")
    closed = world.events("erp_session.closed")[0]
    by = {"application": SEC_TOOL, "jti": payload_of(admin.token)["jti"]}
    ada = admin.user("ada")["Id"]
    assert (closed.actor, closed.actor_id, closed.address) == ("ada", ada, "127.0.0.1")
    assert (closed.details or {})["by"] == by
    assert closed.session == payload_of(token)["sid"]
    admin.post("/licences/total", {"total": 12})
    changed = world.events("instance.changed")[0]
    assert (changed.actor, changed.details) == (
        "ada",
        {"name": "orion", "before": {"licences": 1000}, "after": {"licences": 12}, "by": by},
    )
    noted = len(world.events("instance.changed"))
    admin.post("/licences/total", {"total": 12})
    assert len(world.events("instance.changed")) == noted  # nothing changed
    for _ in range(2):
        admin.post("/licences/reserved-seats", {"login": "U3"})
    admin.post("/licences/reserved-seats/remove", {"login": "u3"})
    for event in ("reserved_seat.added", "reserved_seat.removed"):
        (found, *_) = [e for e in world.events(event) if e.actor == "ada"]
        assert (found.personal, found.subject_id) == ({"login": "u3"}, admin.user("u3")["Id"])
    assert len([e for e in world.events("reserved_seat.added") if e.actor == "ada"]) == 1


def test_more_reservations_than_slots(api: Automation) -> None:
    """[SES-36]"""
    api.post("/licences/total", {"total": 1})
    api.post("/licences/reserved-seats", {"login": "svc.stock"})  # [SES-37]
    full = api("POST", "/licences/reserved-seats", {"login": "r1"})
    assert (full.status_code, full.json()["error"]["type"]) == (409, "conflict")
    assert "All 1 licence slots are reserved" in full.json()["error"]["message"]
    fewer = api("POST", "/licences/total", {"total": 0})
    assert (fewer.status_code, fewer.json()["error"]["type"]) == (409, "conflict")
    assert api.get("/licences")["total"] == 1
    nobody = api("POST", "/licences/reserved-seats", {"login": "nobody"})
    assert nobody.json()["error"]["parameters"][0]["name"] == "login"
    assert api("POST", "/licences/reserved-seats/remove", {"login": "r1"}).status_code == 404
    for total in (-1, 1_000_001, 1.5, "1", None):
        assert api("POST", "/licences/total", {"total": total}).status_code == 400
    again = api.post("/licences/reserved-seats", {"login": "SVC.Stock"})
    assert again["login"] == "svc.stock"


def test_nothing_that_runs_is_closed_by_fewer_slots(api: Automation) -> None:
    """[SES-38]"""
    tokens = [token_of(api, login) for login in ("u1", "u2", "u3")]
    for token in tokens:
        assert calls(api, token) == 200
    found = api.post("/licences/total", {"total": 1})
    api.post("/licences/reserved-seats", {"login": "r1"})
    api.world.sync()
    assert (found["general_in_use"], found["free"]) == (3, 0)
    assert [calls(api, token) for token in tokens] == [200, 200, 200]
    assert calls(api, token_of(api, "u4")) == 503
    assert calls(api, token_of(api, "r1")) == 200
    assert api.get("/licences")["sessions"] == 4


def test_the_description_has_it(api: Automation) -> None:
    document = api.world.http.get("/manage/api/v1/openapi.json").json()
    for path in ("/erp-sessions", "/erp-sessions/close", "/licences", "/licences/reserved-seats"):
        assert path in document["paths"], path
    row = document["components"]["schemas"]["ErpSessionRecord"]
    assert list(row["properties"]) == ROW
