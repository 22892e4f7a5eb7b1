# ruff: noqa: E501 - the cases read as a table, one a line
"""`POST $batch` of the DomainAPI: in order, change sets all or nothing, on both engines."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest

from mintgate.apis import batches
from tests.unit.apis.domain_world import ADMIN, INSTANCE, World
from tests.unit.verify.batches import change_set, get, http, mixed, post

CUSTOMERS, PARTIES = "Crm_Sales_Customers", "General_Contacts_Parties"
GO_ON = {"Prefer": "continue-on-error"}


def send(world: World, requests: list[dict[str, Any]], **headers: str) -> list[dict[str, Any]]:
    answer = world.call("$batch", method="POST", json={"requests": requests}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: list[dict[str, Any]] = answer.json()["responses"]
    return found


def send_mixed(world: World, *parts: str, **headers: str) -> list[str]:
    """The answers: from their status line on."""
    headers["Content-Type"] = "multipart/mixed; boundary=b1"
    answer = world.call("$batch", method="POST", content=mixed(*parts).encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=")
    return answer.text.split("HTTP/1.1 ")[1:]


def customer(world: World) -> dict[str, Any]:
    """What a new customer needs besides a number."""
    [party] = world.values(PARTIES, top="1")
    return {"Party": {"@odata.id": party["@odata.id"]}}


def made(name: str, world: World, number: str, **members: Any) -> dict[str, Any]:
    body = customer(world) | {"Number": number}
    return {"id": name, "method": "post", "url": CUSTOMERS, "body": body, **members}


def numbered(world: World, *numbers: str) -> int:
    wanted = ",".join(f"'{number}'" for number in numbers)
    return len(world.values(CUSTOMERS, filter=f"Number in ({wanted})"))


def status_of(answers: list[dict[str, Any]]) -> dict[str, int]:
    return {answer["id"]: answer["status"] for answer in answers}


def test_requests_run_one_after_the_other(own_world: World) -> None:
    answers = send(
        own_world,
        [
            {"id": "0", "method": "GET", "url": f"{CUSTOMERS}/$count"},
            made("1", own_world, "B-1"),
            {
                "id": "2",
                "method": "get",
                "url": f"/api/domain/odata/{CUSTOMERS}?$filter=Number%20eq%20'B-1'",
            },
            {"id": "3", "method": "get", "url": "$1?$select=Number"},
            {"id": "4", "method": "patch", "url": "$1", "body": {"DefaultPaymentTermDays": 9}},
            {"id": "5", "method": "get", "url": "$1?$select=DefaultPaymentTermDays"},
            {"id": "6", "method": "delete", "url": "$1"},
        ],
    )
    assert list(status_of(answers).values()) == [200, 201, 200, 200, 204, 200, 204]
    assert answers[0]["body"].isdecimal()
    assert len(answers[2]["body"]["value"]) == 1
    assert answers[3]["body"]["Number"] == "B-1"
    assert answers[5]["body"]["DefaultPaymentTermDays"] == 9
    assert numbered(own_world, "B-1") == 0


def test_answers_have_a_bound_together(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """what comes after it is not run, a change set neither"""
    monkeypatch.setattr(batches, "MAX_ANSWERS", 1000)
    answers = send(
        own_world,
        [
            {"id": "1", "method": "get", "url": f"{CUSTOMERS}/$count"},
            {"id": "2", "method": "get", "url": CUSTOMERS},
            {"id": "3", "method": "get", "url": CUSTOMERS},
            made("4", own_world, "B-4"),
            made("5", own_world, "B-5", atomicityGroup="g"),
        ],
        **GO_ON,
    )
    assert list(status_of(answers).values()) == [200, 200, 413, 413, 413]
    assert numbered(own_world, "B-4", "B-5") == 0


def test_multipart(own_world: World) -> None:
    body = json.dumps(customer(own_world) | {"Number": "M-1"})
    answers = send_mixed(
        own_world,
        get(f"{CUSTOMERS}/$count"),
        change_set(post(CUSTOMERS, "1", body), post(CUSTOMERS, "2", body.replace("M-1", "M-2"))),
        get(f"{CUSTOMERS}?$filter=Number%20eq%20'M-2'"),
        http(f"HEAD {CUSTOMERS} HTTP/1.1"),
    )
    assert [answer[:3] for answer in answers] == ["200", "201", "201", "200", "200"]
    assert '"Number":"M-2"' in answers[3]
    assert numbered(own_world, "M-1", "M-2") == 2


def test_a_change_set_is_all_or_nothing(own_world: World) -> None:
    twice = [
        made("1", own_world, "T-1", atomicityGroup="g"),
        made("2", own_world, "T-1", atomicityGroup="g"),  # the number is taken
        made("3", own_world, "T-3", atomicityGroup="g"),
    ]
    assert status_of(send(own_world, twice)) == {"1": 424, "2": 500, "3": 424}
    assert numbered(own_world, "T-1", "T-3") == 0
    body = json.dumps(customer(own_world) | {"Number": "T-2"})
    answers = send_mixed(own_world, change_set(post(CUSTOMERS, "1", body), post(CUSTOMERS, "2", body)))  # fmt: skip
    assert [answer[:3] for answer in answers] == ["500"]
    assert numbered(own_world, "T-2") == 0
    malformed = [made("1", own_world, "T-4", atomicityGroup="g"),
                 {"id": "2", "method": "post", "url": CUSTOMERS, "body": {"Nothing": 1},
                  "atomicityGroup": "g"}]  # fmt: skip
    assert status_of(send(own_world, malformed)) == {"1": 424, "2": 400}
    assert numbered(own_world, "T-4") == 0


def test_a_change_set_refers_to_what_it_makes(own_world: World) -> None:
    """§11.7.5"""
    party = {"PartyName": {"en": "New"}, "PartyCode": "N-1"}
    new = customer(own_world) | {"Number": "R-1", "Party": {"@odata.id": "$p"}}
    requests = [
        {"id": "p", "method": "post", "url": PARTIES, "body": party},
        {"id": "c", "method": "post", "url": CUSTOMERS, "body": new},
        {"id": "d", "method": "patch", "url": "$c", "body": {"GracePeriodDays": 3}},
    ]
    answers = send(own_world, [one | {"atomicityGroup": "g"} for one in requests])
    assert status_of(answers) == {"p": 201, "c": 201, "d": 204}, answers
    [found] = own_world.values(CUSTOMERS, filter="Number eq 'R-1'", select="GracePeriodDays", expand="Party")  # fmt: skip
    assert found["GracePeriodDays"] == 3
    assert found["Party"]["PartyName"] == {"en": "New"}


def test_the_first_failure_is_the_last_answer_unless_it_goes_on(world: World) -> None:
    """§8.2.8.3"""
    requests = [
        {"id": "1", "method": "get", "url": "Nothing"},
        {"id": "2", "method": "get", "url": f"{CUSTOMERS}/$count"},
        {"id": "3", "method": "get", "url": f"{CUSTOMERS}/$count", "dependsOn": ["1"]},
        {"id": "4", "method": "get", "url": f"{CUSTOMERS}/$count", "dependsOn": ["2"]},
        {"id": "5", "method": "get", "url": "$1"},
        {"id": "6", "method": "get", "url": f"{CUSTOMERS}/$count", "if": "$2 eq 200"},
    ]
    assert status_of(send(world, requests)) == {"1": 404}
    expected = {"1": 404, "2": 200, "3": 424, "4": 200, "5": 424, "6": 501}
    assert status_of(send(world, requests, **GO_ON)) == expected
    assert [answer[:3] for answer in send_mixed(world, get("Nothing"), get(CUSTOMERS))] == ["404"]


def test_each_request_is_checked_here_too(filled_database: Any) -> None:
    """[API-32] the guard in front is not the only one who looks"""
    reader = World(
        filled_database, INSTANCE, msgspec.structs.replace(ADMIN, scopes=frozenset({"read"}))
    )
    requests = [
        {"id": "1", "method": "get", "url": f"{CUSTOMERS}/$count"},
        {"id": "2", "method": "post", "url": CUSTOMERS, "body": {}},
        {"id": "3", "method": "get", "url": "Systems_Security_Users"},
        {"id": "4", "method": "post", "url": "$batch", "body": {"requests": []}},
        {"id": "5", "method": "get", "url": CUSTOMERS, "headers": {"Authorization": "Bearer x"}},
    ]
    expected = {"1": 200, "2": 403, "3": 403, "4": 403, "5": 400}
    assert status_of(send(reader, requests, **GO_ON)) == expected


def test_the_language_of_the_batch_is_that_of_its_requests(world: World) -> None:
    """[API-68]"""
    url = f"{CUSTOMERS}?$filter=Number%20eq%20'000001'&$select=DisplayText"
    requests = [
        {"id": "1", "method": "get", "url": url},
        {"id": "2", "method": "get", "url": url, "headers": {"accept-language": "bg"}},
        {"id": "3", "method": "get", "url": url, "headers": {"accept-language": "en"}},
    ]
    one, two, three = send(world, requests, **{"Accept-Language": "bg"})
    assert one["body"] == two["body"] != three["body"]


REFUSED = [
    ("text/plain", "x", 415),
    ("application/json", '{"requests":[],"requests":[]}', 400),
    ("application/json", json.dumps({"requests": [{"id": str(n), "method": "get", "url": "A"} for n in range(101)]}), 413),
    ("application/json", " " * 4_194_305, 413),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body", "status"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_batch(world: World, content_type: str, body: str, status: int) -> None:
    answer: httpx.Response = world.call(
        "$batch", method="POST", content=body.encode(), headers={"Content-Type": content_type}
    )
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status
