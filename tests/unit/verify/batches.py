"""What the tests of batches share: writing them as clients do, without our code."""

from __future__ import annotations

import email
import email.policy
import json
from typing import Any, NamedTuple

from mintgate.contract.policy import BUILT_IN, Policy
from mintgate.verify import Admission, Principal
from mintgate.verify.batch import USUAL_LIMITS, BatchLimits, Plan, take_apart
from tests.unit.verify.workbench import DATABASE, ISSUER, a_guard

PATH = "/api/domain/odata/$batch"
HOST = "erp.example.org"


def caller(scopes: str = "read", *, is_admin: bool = False) -> Principal:
    return Principal(
        kind="user",
        issuer=ISSUER,
        client_id="shop.example.org/backoffice",
        login="mira.k",
        user_id="0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10",
        user_type="InternalUser",
        database=DATABASE,
        scopes=frozenset(scopes.split()),
        jti="556E74D7D09AEBD078F3097B3C48F12A",
        session="73F0BA2F800B9E2CF58BED92D8040FD3",
        expires_at=2**31,
        is_admin=is_admin,
    )


def http(line: str, *headers: str, body: str = "", envelope: tuple[str, ...] = ()) -> str:
    """One body part with a request in it."""
    head = "\r\n".join(("Content-Type: application/http", *envelope))
    return f"{head}\r\n\r\n" + "\r\n".join((line, *headers)) + f"\r\n\r\n{body}"


def get(url: str, *headers: str) -> str:
    return http(f"GET {url} HTTP/1.1", *headers)


def post(url: str, name: str = "", body: str = '{"A":1}') -> str:
    envelope = (f"Content-ID: {name}",) if name else ()
    line = f"POST {url} HTTP/1.1"
    return http(line, "Content-Type: application/json", body=body, envelope=envelope)


def mixed(*parts: str, boundary: str = "b1") -> str:
    return "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"


def change_set(*parts: str) -> str:
    return "Content-Type: multipart/mixed; boundary=c1\r\n\r\n" + mixed(*parts, boundary="c1")


class Taken(NamedTuple):
    """A batch that was taken apart."""

    plan: Plan

    @property
    def given(self) -> str:
        """What the application behind is given."""
        return (self.plan.body or b"").decode()

    @property
    def requests(self) -> list[dict[str, Any]]:
        return list(json.loads(self.given)["requests"]) if self.plan.body else []

    def answers(self) -> list[dict[str, Any]]:
        """The finished answer of a JSON batch of which nothing goes on."""
        assert self.plan.refusal_only is not None
        return list(json.loads(self.plan.refusal_only[2])["responses"])


def take(
    body: str | bytes,
    content_type: str = "multipart/mixed; boundary=b1",
    scopes: str = "read",
    *headers: tuple[str, str],
    is_admin: bool = False,
    path: str = PATH,
    policy: Policy = BUILT_IN["DomainAPI"],
    limits: BatchLimits = USUAL_LIMITS,
) -> Taken:
    guard = a_guard(policy=policy)
    admission = Admission(
        principal=caller(scopes, is_admin=is_admin),
        operation=policy.operation("POST", path),
        path=path,
        address="",
    )
    given = [("host", HOST), ("content-type", content_type), *headers]
    raw = [(name.encode(), value.encode()) for name, value in given]
    encoded = body if isinstance(body, bytes) else body.encode()
    return Taken(take_apart(guard, admission, raw, encoded, limits))


def take_json(
    requests: list[dict[str, Any]] | str,
    scopes: str = "read",
    *headers: tuple[str, str],
    **options: Any,
) -> Taken:
    body = requests if isinstance(requests, str) else json.dumps({"requests": requests})
    return take(body, "application/json", scopes, *headers, **options)


def carried_out(content_type: str, body: bytes) -> tuple[list[str], str, bytes]:
    """What an API that reads batches with the standard library does with one.

    Returns:
        the requests that it found, and the media type and body of its answer.
    """
    if content_type.startswith("application/json"):
        requests = json.loads(body)["requests"]
        lines = [f"{r['method'].upper()} {r['url']}" for r in requests]
        answers = [{"id": r["id"], "status": 200, "body": {"of": r["url"]}} for r in requests]
        # In another order, as a server may answer (OData JSON Format 4.01 §19.5).
        return lines, "application/json", json.dumps({"responses": answers[::-1]}).encode()
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    whole: Any = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    lines: list[str] = []

    def answer(part: Any) -> str:
        if part.get_content_type() == "multipart/mixed":
            return change_set(*(answer(inner) for inner in part.iter_parts()))
        lines.append(part.get_payload(decode=True).split(b" HTTP/1.1")[0].decode())
        named = [f"Content-ID: {part['content-id']}"] if "content-id" in part else []
        status, kind = "HTTP/1.1 200 OK", "Content-Type: text/plain"
        return http(status, kind, body=f"of {lines[-1]}", envelope=tuple(named))

    answers = [answer(part) for part in whole.iter_parts()]
    return lines, "multipart/mixed; boundary=up", mixed(*answers, boundary="up").encode()
