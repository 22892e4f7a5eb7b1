"""The guard in Django, sync and async: prefixes, scopes of views, sessions and limits."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import django
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path, re_path
from django.views import View

from mintgate.contract.errors import Refusal
from mintgate.verify import Guard
from mintgate.verify.django import DjangoGuardMiddleware, principal_of, requires_scope
from tests.unit.verify.batches import carried_out, get, mixed, post
from tests.unit.verify.workbench import Limits, OneSession, a_guard, sign, user_claims

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of the tests",
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["mintgate.verify.django.DjangoGuardMiddleware"],
        MINTGATE_GUARD=f"{__name__}.guard",
        MINTGATE_ON_REFUSAL=f"{__name__}.note",
    )
    django.setup()

BEARER = f"Bearer {sign(user_claims())}"
READER = f"Bearer {sign(user_claims(scope=['read']))}"
guard = a_guard()
not_a_guard = object()
source = OneSession()
refusals: list[Refusal] = []
running: list[int] = []


def note(request: HttpRequest, refusal: Refusal) -> None:
    refusals.append(refusal)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = OneSession()
    monkeypatch.setitem(globals(), "source", fresh)
    monkeypatch.setitem(globals(), "guard", a_guard(sessions=fresh, limits=Limits()))
    refusals.clear()
    running.clear()


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(principal_of(request).login)


async def read_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse(principal_of(request).login)


class Pieces(View):
    def post(self, request: HttpRequest) -> StreamingHttpResponse:
        read = request.body

        def pieces() -> Iterator[bytes]:
            running.append(source.session.current)
            yield from (read, read)

        return StreamingHttpResponse(pieces())


async def pieces_async(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        running.append(source.session.current)
        yield request.body
        yield request.body

    return StreamingHttpResponse(pieces())


def fails(request: HttpRequest) -> HttpResponse:
    raise LookupError


def carry_out(request: HttpRequest) -> HttpResponse:
    assert request.headers["content-length"] == str(len(request.body))
    assert request.content_type == "multipart/mixed"
    given[:], kind, answer = carried_out(request.headers["content-type"], request.body)
    if given[0] == "GET odd":
        return HttpResponse("as it is")
    return HttpResponse(answer, content_type=kind, headers={"X-Of-The-Api": "1"})


async def carry_out_async(request: HttpRequest) -> StreamingHttpResponse:
    whole = carry_out(request)

    async def pieces() -> AsyncIterator[bytes]:
        yield whole.content[:9]
        yield whole.content[9:]

    return StreamingHttpResponse(pieces(), headers=dict(whole.items()))


given: list[str] = []
urlpatterns = [
    path("$batch", carry_out),
    path("async/$batch", carry_out_async),
    path("x", read),
    path("async", read_async),
    path("special", requires_scope("update")(read)),
    path("special-async", requires_scope("update")(read_async)),
    path("pieces", requires_scope("update")(Pieces.as_view())),
    path("pieces-async", pieces_async),
    path("fails", fails),
    re_path("(?i)^api/x$", read),
    path("api/open", lambda request: HttpResponse("open")),
    path("apiary", lambda request: HttpResponse("open")),
]


class Asking:
    """The same over both handlers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(
        self, target: str, token: str | None = BEARER, method: str = "get", **more: Any
    ) -> Any:
        headers = {"Authorization": token} if token else {}
        options = {"headers": headers, "content_type": "text/plain"} | more
        if self.kind == "wsgi":
            client = Client(raise_request_exception=False)
            return getattr(client, method)(target, **options)
        asynchronous: Any = AsyncClient(raise_request_exception=False)

        async def run() -> Any:
            answer = await getattr(asynchronous, method)(target, **options)
            if answer.streaming:
                answer.received = b"".join([piece async for piece in answer.streaming_content])
            answer.close()
            return answer

        return asyncio.run(run())


@pytest.fixture(params=["wsgi", "asgi"])
def asking(request: pytest.FixtureRequest) -> Asking:
    return Asking(request.param)


@pytest.mark.parametrize("target", ["/x", "/async"])
def test_the_caller(target: str, asking: Asking) -> None:
    answer = asking(target)
    assert (answer.status_code, answer.content) == (200, b"mira.k")
    assert answer["ratelimit"] == '"client";r=9;t=1'
    refused = asking(target, None)
    assert (refused.status_code, refused["www-authenticate"]) == (401, 'Bearer realm="DomainAPI"')
    assert [refusal.error for refusal in refusals] == ["invalid_token"]
    assert asking("/nowhere", None).status_code == 401
    assert asking("/nowhere").status_code == 404
    session = source.session
    assert (session.current, source.opened) == (0, 2)


@pytest.mark.parametrize("target", ["/special", "/special-async"])
def test_a_view_may_need_more_than_the_policy(target: str, asking: Asking) -> None:
    """[API-15, SES-11]: what is refused for it opens no session."""
    refused = asking(target, READER)
    assert refused.status_code == 403
    assert refused["www-authenticate"] == (
        'Bearer realm="DomainAPI", error="insufficient_scope", scope="update"'
    )
    assert source.opened == 0
    assert asking(target).content == b"mira.k"


def test_a_stream_is_counted_to_its_end() -> None:
    """[SES-26]"""
    answer = Asking("wsgi")("/pieces", method="post", data=b"12345")
    assert b"".join(answer.streaming_content) == b"1234512345"
    answer.close()
    session = source.session
    assert (session.uploaded, session.downloaded, session.current) == (5, 10, 0)
    assert running == [1]


def test_an_asynchronous_stream_is_counted_to_its_end() -> None:
    answer = Asking("asgi")("/pieces-async", method="post", data=b"12345")
    assert answer.received == b"1234512345"
    session = source.session
    assert (session.uploaded, session.downloaded, session.current) == (5, 10, 0)
    assert running == [1]


def test_a_view_that_fails_does_not_run_for_ever(asking: Asking) -> None:
    assert asking("/fails").status_code == 500
    assert (source.opened, source.session.current) == (1, 0)


def test_only_what_is_below_the_prefix_is_guarded(asking: Asking) -> None:
    with override_settings(MINTGATE_PREFIX="/api"):
        assert asking("/api/x", None).status_code == 401
        assert asking("/API/X", None).status_code == 401  # a pattern may disregard case
        assert asking("/api/x").content == b"mira.k"
        assert asking("/apiary", None).content == b"open"
        assert asking("/y/../api/x", None).status_code == 400
        assert asking("/x", None).status_code == 403  # the view asks who calls
    with override_settings(MINTGATE_PREFIX=["/other", "/api/"]):
        assert asking("/api/x", None).status_code == 401


def test_the_prefix_holds_where_the_application_is_mounted() -> None:
    """PEP 3333: what is in SCRIPT_NAME is no part of the paths that Django knows."""
    for prefix in ("/api", "/app/api"):
        with override_settings(MINTGATE_PREFIX=prefix):
            ask = functools.partial(Client().get, SCRIPT_NAME="/app")
            assert ask("/api/open").status_code == 401
            assert ask("/api/open", headers={"Authorization": BEARER}).status_code == 200
            assert ask("/apiary").status_code == 200


def test_a_view_with_scopes_outside_the_prefix_is_a_mistake() -> None:
    with override_settings(MINTGATE_PREFIX="/api"), pytest.raises(ImproperlyConfigured):
        Client().get("/special", headers={"Authorization": BEARER})


MISTAKES: list[tuple[dict[str, object], str]] = [
    ({"MINTGATE_GUARD": None}, "must name a Guard"),
    ({"MINTGATE_GUARD": f"{__name__}.not_a_guard"}, "is not a Guard"),
    ({"MINTGATE_PREFIX": "api"}, "slash"),
    ({"MINTGATE_PREFIX": "/a%20b"}, "escaped"),
    ({"MINTGATE_PREFIX": ()}, "empty"),
]


@pytest.mark.parametrize(("changed", "words"), MISTAKES)
def test_mistakes_in_settings(changed: dict[str, object], words: str) -> None:
    with override_settings(**changed), pytest.raises(ImproperlyConfigured, match=words):
        DjangoGuardMiddleware(lambda request: HttpResponse())


def test_the_guard_of_the_settings_is_used() -> None:
    assert cast("Guard", DjangoGuardMiddleware(lambda request: HttpResponse()).guard) is guard


def ask_batch(asking: Asking, target: str, *parts: str) -> Any:
    given.clear()
    return asking(
        target, READER, "post", data=mixed(*parts).encode(),
        content_type="multipart/mixed; boundary=b1",
        headers={"Authorization": READER, "Prefer": "continue-on-error"},
    )  # fmt: skip


@pytest.mark.parametrize("target", ["/$batch", "/async/$batch"])
def test_the_parts_of_a_batch_are_judged_one_by_one(target: str, asking: Asking) -> None:
    """[API-32]"""
    answer = ask_batch(asking, target, get("A"), post("B"), get("C"))
    assert given == ["GET A", "GET C"]
    statuses = [piece[:3] for piece in answer.content.decode().split("HTTP/1.1 ")[1:]]
    assert statuses == ["200", "403", "200"]
    assert (answer["x-of-the-api"], answer["ratelimit"]) == ("1", '"client";r=9;t=1')
    assert int(answer["content-length"]) == len(answer.content)
    assert [refusal.error for refusal in refusals] == ["insufficient_scope"]
    assert (source.opened, source.session.current) == (1, 0)


def test_other_batches(asking: Asking) -> None:
    """[API-32]"""
    nothing = ask_batch(asking, "/$batch", post("B"))
    assert (nothing.status_code, nothing.content.count(b"403 Forbidden")) == (200, 1)
    assert (given, source.opened) == ([], 0)
    assert ask_batch(asking, "/$batch", get("odd")).content == b"as it is"
    assert ask_batch(asking, "/$batch", get("odd"), post("B")).status_code == 502
    assert ask_batch(asking, "/$batch", "hello").status_code == 400
    assert (
        ask_batch(asking, "/$batch", get("A" * 8000), *[get("A" * 8000)] * 600).status_code == 413
    )
