"""Batches of any shape against a model that knows who may do what [API-32]."""

from __future__ import annotations

import email
import email.policy
import json
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verify.batches import Taken, carried_out, change_set, http, mixed, take, take_json

ROOT = "/api/domain/odata/"


class Wanted(NamedTuple):
    """A request of a batch, and whether the caller, who reads and writes, may make it."""

    method: str
    url: str
    is_allowed: bool


READS = st.sampled_from(
    [
        Wanted("GET", "Crm_Customers", True),
        Wanted("GET", ROOT + "Crm_Customers(1)?$select=A", True),
        Wanted("GET", "Systems_Security_Users", False),
        Wanted("GET", "A/../Systems_Security_Users", False),
        Wanted("HEAD", "Crm_Customers/$count", True),
    ]
)
WRITES = st.sampled_from(
    [
        Wanted("POST", "Crm_Customers", True),
        Wanted("PATCH", "Crm_Customers(1)", True),
        Wanted("DELETE", ROOT + "Crm_Customers(1)", True),
        Wanted("POST", "systems_security_users", False),
        Wanted("DELETE", "//other.example/Crm_Customers(1)", False),
        Wanted("PURGE", "Crm_Customers", False),
    ]
)
UNITS = st.lists(
    (READS | WRITES).map(lambda one: (False, [one]))
    | st.lists(WRITES, min_size=1, max_size=3).map(lambda some: (True, some)),
    min_size=1,
    max_size=6,
)
Units = list[tuple[bool, list[Wanted]]]


def expected(units: Units, goes_on: bool, waits: dict[int, int]) -> tuple[list[str], list[bool]]:
    """What the application gets, and for each unit that is answered whether it was permitted."""
    given: list[str] = []
    permitted: list[bool] = []
    for index, (_, requests) in enumerate(units):
        waits_in_vain = index in waits and not permitted[waits[index]]
        permitted.append(all(one.is_allowed for one in requests) and not waits_in_vain)
        if permitted[-1]:
            given += [f"{one.method} {one.url.removeprefix(ROOT)}" for one in requests]
        elif not goes_on:
            break
    return given, permitted


def answer_of(taken: Taken) -> tuple[list[str], bytes, bytes]:
    """What the application got, and the answer that the caller gets."""
    finished = taken.plan.refusal_only
    if finished is not None:
        return [], dict(finished[1])[b"content-type"], finished[2]
    headers = dict(taken.plan.request_headers)
    lines, kind, answer = carried_out(headers[b"content-type"].decode(), taken.plan.body or b"")
    merged = taken.plan.merge(200, [(b"content-type", kind.encode())], answer)
    return lines, dict(merged[1])[b"content-type"], merged[2]


def prefer(goes_on: bool) -> list[tuple[str, str]]:
    return [("prefer", "continue-on-error")] if goes_on else []


@given(UNITS, st.booleans())
def test_multipart(units: Units, goes_on: bool) -> None:
    parts = []
    for number, (is_set, requests) in enumerate(units):
        written = [
            http(f"{one.method} {one.url} HTTP/1.1", envelope=(f"Content-ID: {number}.{n}",))
            for n, one in enumerate(requests)
        ]
        parts.append(change_set(*written) if is_set else written[0])
    kind = "multipart/mixed; boundary=b1"
    lines, content_type, body = answer_of(take(mixed(*parts), kind, "update", *prefer(goes_on)))
    given, permitted = expected(units, goes_on, {})
    assert lines == given
    whole: Any = email.message_from_bytes(
        b"Content-Type: " + content_type + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    answers = list(whole.iter_parts())
    assert len(answers) == len(permitted)
    for (is_set, requests), answer, was in zip(units, answers, permitted, strict=False):
        is_mixed = answer.get_content_type() == "multipart/mixed"
        assert is_mixed == (is_set and was)
        inner = list(answer.iter_parts()) if is_mixed else [answer]
        assert len(inner) == (len(requests) if was else 1)
        for one in inner:
            assert one.get_payload(decode=True).startswith(b"HTTP/1.1 200") == was


@given(UNITS, st.booleans(), st.data())
def test_json(units: Units, goes_on: bool, data: st.DataObject) -> None:
    waits: dict[int, int] = {}
    requests = []
    for index, (is_set, wanted) in enumerate(units):
        if index and data.draw(st.booleans()):
            waits[index] = data.draw(st.integers(0, index - 1))
        for n, one in enumerate(wanted):
            request: dict[str, Any] = {"id": f"{index}.{n}", "method": one.method, "url": one.url}
            if is_set:
                request["atomicityGroup"] = f"g{index}"
            if index in waits and n == 0:
                other = waits[index]
                request["dependsOn"] = [f"g{other}" if units[other][0] else f"{other}.0"]
            requests.append(request)
    taken = take_json(requests, "update", *prefer(goes_on))
    lines, _, body = answer_of(taken)
    given, permitted = expected(units, goes_on, waits)
    assert lines == given
    answers = json.loads(body)["responses"]
    both = zip(units, permitted, strict=False)
    ids = [f"{n}.{m}" for n, ((_, wanted), _) in enumerate(both) for m in range(len(wanted))]
    found = [answer["id"] for answer in answers]
    # An answer that nothing is put into stays in the order of the application.
    assert (sorted(found) if taken.plan.is_whole else found) == ids
    for answer in answers:
        index, n = map(int, answer["id"].split("."))
        if permitted[index]:
            assert answer["status"] == 200
        elif not units[index][1][n].is_allowed:
            assert answer["status"] in {400, 403, 405}
        else:
            assert answer["status"] == 424
