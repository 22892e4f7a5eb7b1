"""When the token endpoint refuses, fails or answers nonsense."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from mintgate.client import (
    IssuerMismatch,
    TokenEndpointUnavailable,
    TokenError,
    TokenRefused,
)
from tests.unit.client.issuer_stub import wait_for_renewals


def test_a_refusal_tells_error_and_description(world, service, send):
    world.answer_next(401, {"error": "invalid_client", "error_description": "Unknown\n app."})
    with pytest.raises(TokenRefused) as refused:
        send(service(), world.api)
    assert (refused.value.error, refused.value.description) == ("invalid_client", "Unknown  app.")
    assert world.api_requests == []


@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [
        (503, {"retry-after": "7"}, 7),
        (429, {"retry-after": "999999999999"}, 3600),
        (500, {}, None),
        (503, {"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10),
        (503, {"retry-after": "soon"}, None),
    ],
)
def test_unavailable(world, service, send, status, headers, retry_after):
    world.answer_next(status, {"error": "server_error"}, headers)
    with pytest.raises(TokenEndpointUnavailable) as failed:
        send(service(), world.api)
    assert failed.value.retry_after == retry_after


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b"\xff"),
        (200, b'{"access_token":"\xff","token_type":"Bearer"}'),
        (400, b'{"error":"\xff"}'),
        (200, {"access_token": "a", "token_type": "mac", "expires_in": 1}),
        (200, {"access_token": "a\r\nX: y", "token_type": "Bearer", "expires_in": 1}),
        (200, {"access_token": "", "token_type": "Bearer", "expires_in": 1}),
        (200, {"access_token": "a", "token_type": "Bearer", "expires_in": "3600"}),
        (200, {"access_token": "a", "token_type": "Bearer", "expires_in": 0}),
        (200, b'{"access_token":"' + b"a" * 300_000 + b'","token_type":"Bearer"}'),
        (404, b"not here"),
        (400, {"error": ""}),
        (307, b""),
    ],
)
def test_nonsense_is_unavailable(world, service, send, status, body):
    world.answer_next(status, body, {"location": world.token_endpoint} if status == 307 else {})
    with pytest.raises(TokenEndpointUnavailable) as failed:
        send(service(), world.api)
    assert "broke off" not in str(failed.value)  # that is no reason to whoever reads it


def test_nobody_listens(service, world, send):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/token"
    with pytest.raises(TokenEndpointUnavailable, match="ConnectError"):
        send(service(token_endpoint=url), world.api)


def test_a_token_endpoint_that_hangs(world, service, send):
    world.delay = 0.5
    with pytest.raises(TokenEndpointUnavailable, match="ReadTimeout"):
        send(service(timeout=0.1), world.api)


def test_plain_http_never_goes_through_a_proxy(world, service, send, monkeypatch):
    auth = service()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert auth.access_token() in world.live


def test_failures_are_not_hammered(world, service, send, clock):
    auth = service()
    world.answer_next(400, {"error": "invalid_client"}, times=99)
    attempts = []
    for _ in range(200):  # a request each second
        with pytest.raises(TokenRefused):
            auth.access_token()
        attempts.append(len(world.token_requests))
        clock.now += 1
    assert attempts[:8] == [1, 2, 2, 3, 3, 3, 3, 4]  # after 1, 2, 4 … 60 s
    assert attempts[-1] <= 10
    world._canned.clear()
    clock.now += 60
    assert send(auth, world.api).status_code == 200


def test_retry_after_is_kept(world, service, clock):
    auth = service()
    world.answer_next(503, headers={"retry-after": "30"})
    for wait in (0, 29.9):
        clock.now += wait
        with pytest.raises(TokenEndpointUnavailable):
            auth.access_token()
    assert len(world.token_requests) == 1
    clock.now += 0.2
    assert auth.access_token() in world.live


def test_a_clock_set_back_does_not_prolong_the_pause(world, service, clock):
    auth = service()
    world.answer_next(503)
    with pytest.raises(TokenEndpointUnavailable):
        auth.access_token()
    clock.now -= 86_400
    assert auth.access_token() in world.live


@pytest.mark.parametrize("left", [59, 20])
@pytest.mark.parametrize("answer", [(503, {}), (400, {"error": "invalid_grant"})])
def test_a_failed_renewal_goes_on_with_the_current_token(world, service, send, clock, left, answer):
    auth = service()
    send(auth, world.api)
    clock.now += 3600 - left
    world.answer_next(*answer, times=2)
    for _ in range(5):
        assert send(auth, world.api).status_code == 200
        wait_for_renewals()
    assert len(world.token_requests) == 2
    clock.now += left
    with pytest.raises(TokenError):
        send(auth, world.api)


def test_every_waiter_gets_an_exception_of_its_own(world, service):
    world.delay = 0.2
    world.answer_next(503)
    auth = service()

    def failure(_: int) -> TokenError | None:
        try:
            auth.access_token()
        except TokenError as error:
            return error
        return None

    with ThreadPoolExecutor(20) as pool:
        failures = list(pool.map(failure, range(20)))
    assert len({id(error) for error in failures}) == 20
    assert len(world.token_requests) == 1


@pytest.mark.parametrize("suffix", ["/", "x", "?"])
def test_the_issuer_is_compared_byte_for_byte(world, service, send, suffix):
    world.discovery_issuer = world.issuer + suffix
    with pytest.raises(IssuerMismatch):
        send(service(issuer=world.issuer), world.api)
    assert world.token_requests == []


def test_no_secret_is_ever_shown(world, service, user, send, clock, caplog):
    caplog.set_level(logging.DEBUG)
    told = {"error": world.client_secret, "error_description": f"no {world.refresh_token}!"}
    app, person = service(), user(client_secret=world.client_secret)
    texts = []
    for auth in (app, person):
        send(auth, world.api)
        world.revoke_all()
        told["error_description"] = f"{world.client_secret} {world.refresh_token}"
        world.answer_next(400, told)
        with pytest.raises(TokenRefused) as refused:
            send(auth, world.api)
        texts += [str(refused.value), repr(refused.value), repr(auth)]
        texts += [repr(part) for part in vars(auth).values()]
        texts += [repr(part) for part in vars(auth._tokens).values()]
    everything = caplog.text + "".join(texts)
    secrets = {world.client_secret, "RT-", "AT-"}
    assert [secret for secret in secrets if secret in everything] == []
