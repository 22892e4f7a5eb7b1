"""What pages of other origins can read of what the gate answers [API-23]."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from mintgate.verify import IssuerClient, StateUnavailable
from tests.gate_world import API_SECRET, GateWorld, RawUpstream
from tests.wire.gate.conftest import Gated

APP, OTHER = "https://app.example.org", "https://other.example.org"
ALLOWED = "access-control-allow-origin"
ROUTE = """
[[routes]]
prefix = "{prefix}"
api = "DomainAPI"
upstream = "{upstream}"
allowed_origins = ["{app}", "http://localhost:3000"]
max_body_bytes = 100
"""
GATE = """
[[tenants]]
name = "orion"
issuer = "{issuer}"
database = "{database}"
secrets = {{ DomainAPI = {{ env = "SECRET" }} }}

[[routes]]
prefix = "/silent"
api = "DomainAPI"
upstream = "{upstream}"
"""


@pytest.fixture(scope="module")
def gate(_gated: Gated) -> Iterator[GateWorld]:
    odd = RawUpstream()
    at = {"/open": _gated.upstream.url, "/away": "http://127.0.0.1:1", "/odd": odd.url}
    at["/limited"] = _gated.upstream.url
    names = {"issuer": _gated.world.issuer, "database": _gated.world.instance.database}
    text = GATE.format(upstream=_gated.upstream.url, **names)
    for prefix, url in at.items():
        text += ROUTE.format(prefix=prefix, upstream=url, app=APP)
    text += "limits = { per_user = 3 }\n"
    gate = GateWorld(text, {"SECRET": API_SECRET})
    yield gate
    gate.stop()
    odd.stop()


def is_readable(answer: httpx.Response) -> bool:
    """Whether a page of APP may read it, and why it was refused."""
    headers = answer.headers
    if headers.get_list("vary") != ["Origin"] or headers.get_list(ALLOWED) != [APP]:
        assert ALLOWED not in headers
        return False
    assert "access-control-allow-credentials" not in headers
    exposed = headers["access-control-expose-headers"].lower().split(", ")
    assert {"www-authenticate", "retry-after", "x-request-id"} <= set(exposed)
    return True


def test_refusals_of_the_guard(gate: GateWorld, gated: Gated) -> None:
    of_app = {"Origin": APP}
    refused = ((None, "GET", 401), ("x", "GET", 401), (gated.reader, "POST", 403))
    for token, method, status in refused:
        answer = gate.ask("/open/x", token, method, headers=of_app)
        assert answer.status_code == status
        assert is_readable(answer)
        assert "www-authenticate" in answer.headers
    ambiguous = gate.ask("/open//x", gated.token, headers=of_app)
    assert (ambiguous.status_code, is_readable(ambiguous)) == (400, True)
    assert gated.upstream.seen == []


def test_refusals_of_the_limits(gate: GateWorld, gated: Gated) -> None:
    for _ in range(4):
        answer = gate.ask("/limited/x", gated.token, headers={"Origin": APP})
    assert (answer.status_code, is_readable(answer)) == (429, True)
    assert int(answer.headers["retry-after"]) > 0


def test_refusals_behind_the_guard(gate: GateWorld, gated: Gated) -> None:
    of_app = {"Origin": APP}
    away = gate.ask("/away/x", gated.token, headers=of_app)
    assert (away.status_code, is_readable(away)) == (502, True)
    odd = gate.ask("/odd/x", gated.token, headers=of_app)
    assert (odd.status_code, is_readable(odd)) == (502, True)
    large = gate.ask("/open/x", gated.token, "POST", headers=of_app, content=b"x" * 101)
    assert (large.status_code, is_readable(large)) == (413, True)


def test_while_the_issuer_cannot_be_asked(
    gate: GateWorld, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: IssuerClient, token: str) -> None:
        raise StateUnavailable("away")

    monkeypatch.setattr(IssuerClient, "introspect", away)
    answer = gate.ask("/open/x", f"enrt_{'E' * 64}", headers={"Origin": APP})
    assert (answer.status_code, is_readable(answer)) == (503, True)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "origin",
    [OTHER, APP.upper(), f"{APP}:443", f"{APP}/", f"{APP}.evil.example", "http://app.example.org",
     "null", "*", "", f"{APP} {APP}", f"{APP}, {OTHER}"],
)  # fmt: skip
def test_no_other_origin_reads_it(origin: str, gate: GateWorld, gated: Gated) -> None:
    for path in ("/open/x", "/away/x"):
        token = None if path == "/open/x" else gated.token
        answer = gate.ask(path, token, headers={"Origin": origin})
        assert answer.status_code in {401, 502}
        assert not is_readable(answer)
        assert answer.headers["vary"] == "Origin"  # no cache gives it to an origin that may


def test_two_origins_are_none(gate: GateWorld) -> None:
    sent = [("Origin", APP), ("Origin", APP)]
    answer = gate.http.get("/open/x", headers=sent)
    assert (answer.status_code, is_readable(answer)) == (401, False)


def test_without_an_origin_or_a_setting_all_is_as_before(gate: GateWorld, gated: Gated) -> None:
    for answer in (gate.ask("/open/x"), gate.ask("/silent/x", headers={"Origin": APP})):
        assert answer.status_code == 401
        assert "vary" not in answer.headers
        assert ALLOWED not in answer.headers


@pytest.mark.parametrize("status", [200, 401, 503])
def test_the_server_behind_speaks_for_itself(status: int, gate: GateWorld, gated: Gated) -> None:
    """It may be for nobody, or for others; a header twice would be for nobody."""
    of_app = {"Origin": APP}
    gated.upstream.status = status
    assert ALLOWED not in gate.ask("/open/x", gated.token, headers=of_app).headers
    gated.upstream.answer_headers = [(ALLOWED.encode(), OTHER.encode())]
    answer = gate.ask("/open/x", gated.token, headers=of_app)
    assert (answer.status_code, answer.headers.get_list(ALLOWED)) == (status, [OTHER])


def test_a_batch(gate: GateWorld, gated: Gated) -> None:
    """All of it refused, and some of it with an answer behind that cannot be completed."""
    of_app = {"Origin": APP, "Content-Type": "application/json"}

    def ask(*methods: str) -> httpx.Response:
        parts = [{"id": str(n), "method": m, "url": "x"} for n, m in enumerate(methods)]
        body = json.dumps({"requests": parts}).encode()
        return gate.ask("/open/$batch", gated.reader, "POST", headers=of_app, content=body)

    gate.ask("/open/x", gated.reader, headers=of_app)
    refused = ask("delete")
    assert (refused.status_code, is_readable(refused)) == (200, True)
    assert gated.upstream.seen[1:] == []
    unreadable = ask("get", "delete")
    assert (unreadable.status_code, is_readable(unreadable)) == (502, True)
    passed_on = ask("get")
    assert passed_on.status_code == 200
    assert ALLOWED not in passed_on.headers
