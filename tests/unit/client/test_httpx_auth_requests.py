"""What happens to the API request: where the token goes, and what a 401 does."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mintgate.client import ClientCredentialsAuth, TokenRefused
from mintgate.client.challenge import says_invalid_token
from tests.unit.client.issuer_stub import INVALID, wait_until


def test_a_401_is_retried_once_with_a_new_token(world, service, send):
    auth = service()
    send(auth, world.api)
    world.revoke_all()
    answer = send(auth, world.api, "POST", json={"a": 1})
    assert answer.status_code == 200
    bodies = [request.body for request in world.api_requests[1:]]
    assert bodies == [b'{"a":1}', b'{"a":1}']
    assert len(world.token_requests) == 2


def test_every_revocation_is_cured_at_once(world, service, send):
    auth = service()
    for _ in range(5):
        assert send(auth, world.api).status_code == 200
        world.revoke_all()
    assert len(world.token_requests) == 5


def test_a_late_401_does_not_discard_the_newer_token(world, service):
    auth = service()
    auth.access_token()
    world.revoke_all()
    with httpx.Client(auth=auth) as client, ThreadPoolExecutor(1) as pool:
        late = pool.submit(client.get, world.api + "/slow")  # refused, and told so in 0.4 s
        wait_until(lambda: len(world.api_requests) == 1)
        assert client.get(world.api).status_code == 200  # renews meanwhile
        assert late.result().status_code == 200
    assert len(world.token_requests) == 2


def test_a_second_401_is_returned(world, service, send):
    world.refuse_every_token = True
    assert send(service(), world.api).status_code == 401
    assert (len(world.api_requests), len(world.token_requests)) == (2, 2)


def test_an_api_that_refuses_every_token_does_not_cause_a_token_storm(world, service, send, clock):
    world.refuse_every_token = True
    auth = service()
    for _ in range(20):
        assert send(auth, world.api).status_code == 401
    assert len(world.token_requests) == 2
    clock.now += 60
    world.refuse_every_token = False
    world.revoke_all()
    assert send(auth, world.api).status_code == 200


@pytest.mark.parametrize("challenge", ['Bearer realm="DomainAPI"', 'Basic realm="error=x"'])
def test_another_401_is_returned_as_it_is(world, service, send, challenge):
    world.refuse_every_token, world.challenge = True, challenge
    assert send(service(), world.api).status_code == 401
    assert (len(world.api_requests), len(world.token_requests)) == (1, 1)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([INVALID], True),
        (["Basic realm=x", "bearer ERROR=invalid_token"], True),
        (['Basic realm="a, b", Bearer realm="x", error = "invalid_token"'], True),
        (['Bearer realm="x", error="insufficient_scope"'], False),
        (['Bearer realm="error=\\"invalid_token\\""'], False),
        (['Bearer realm="x", Other error="invalid_token"'], False),
        (["Negotiate abc=="], False),
        ([], False),
    ],
)
def test_challenges(headers, expected):
    pairs = [("WWW-Authenticate", header) for header in headers]
    assert says_invalid_token(httpx.Response(401, headers=pairs)) is expected
    assert not says_invalid_token(httpx.Response(403, headers=pairs))


def test_a_stream_is_not_sent_twice(world, service):
    auth = service()
    with httpx.Client(auth=auth) as client:
        client.get(world.api)
        world.revoke_all()
        answer = client.post(world.api, content=(part for part in (b"one", b"two")))
        assert answer.status_code == 401
        assert world.api_requests[-1].body == b"onetwo"
        assert len(world.api_requests) == 2
        assert client.get(world.api).status_code == 200  # renewed by the next request
    assert len(world.token_requests) == 2


def test_an_async_stream_is_not_sent_twice(world, service):
    auth = service()

    async def parts():
        yield b"one"
        yield b"two"

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(auth=auth) as client:
            await client.get(world.api)
            world.revoke_all()
            return await client.post(world.api, content=parts())

    assert asyncio.run(go()).status_code == 401
    assert len(world.api_requests) == 2


def test_a_foreign_origin_gets_no_token(world, foreign, service, send):
    auth = service()
    send(auth, world.api)
    assert send(auth, foreign.api).status_code == 401
    assert [request.authorization for request in foreign.api_requests] == [None]
    assert send(auth, world.base.replace("127.0.0.1", "localhost")).status_code == 401
    assert world.api_requests[-1].authorization is None
    assert len(world.token_requests) == 1


def test_a_redirect_does_not_carry_the_token_away(world, foreign, service, send):
    headers = {"x-to": foreign.api + "/there"}
    auth = service()
    answer = send(auth, world.api + "/away", headers=headers, follow_redirects=True)
    assert answer.status_code == 401
    assert [request.authorization for request in foreign.api_requests] == [None]
    assert send(auth, world.api).status_code == 200
    assert len(world.token_requests) == 1  # that 401 said nothing about our token


def test_a_redirected_post_is_not_repeated(world, service, send):
    auth = service()
    send(auth, world.api)
    world.revoke_all()
    headers = {"x-to": world.api + "/there"}
    url = world.api + "/away"
    answer = send(auth, url, "POST", content=b"x", headers=headers, follow_redirects=True)
    assert answer.status_code == 401
    assert [request.path for request in world.api_requests[1:]] == ["/api/away", "/api/there"]
    assert send(auth, world.api).status_code == 200


def test_further_origins_get_the_token(world, service, send):
    other = world.base.replace("127.0.0.1", "localhost")
    assert send(service(origins=[other]), other + "/api").status_code == 200


def test_renewal_refused_after_a_401_says_why(world, service, send):
    auth = service()
    send(auth, world.api)
    world.revoke_all()
    world.answer_next(400, {"error": "invalid_client"})
    with pytest.raises(TokenRefused, match="invalid_client"):
        send(auth, world.api)


SAFE = {"api": "https://erp.example.com/api", "client_id": "c", "client_secret": "s"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"token_endpoint": "http://erp.example.com/t"},
        {"issuer": "http://erp.example.com/id"},
        {"issuer": "https://erp.example.com/id?x=1"},
        {"issuer": "https://erp.example.com/id", "token_endpoint": "https://erp.example.com/t"},
        {},
        {"token_endpoint": "https://a/t", "api": "http://10.0.0.1/api"},
        {"token_endpoint": "https://a/t", "api": "https://me:pw@erp.example.com/api"},
        {"token_endpoint": "https://a/t", "api": "/api"},
        {"token_endpoint": "https://a/t", "origins": ["http://localhost.example.com"]},
        {"token_endpoint": "https://a/t", "origins": "https://b"},
        {"token_endpoint": "https://a/t", "client_secret": ""},
        {"token_endpoint": "https://a/t", "client_id": ""},
        {"token_endpoint": "https://a/t", "margin": -1},
        {"token_endpoint": "https://a/t", "timeout": 0},
    ],
)
def test_unsafe_arguments_are_refused(arguments):
    with pytest.raises(ValueError) as refused:
        ClientCredentialsAuth(**SAFE | arguments)
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_plain_http_is_for_loopback(host):
    ClientCredentialsAuth(**SAFE | {"token_endpoint": f"http://{host}:8080/t"})
