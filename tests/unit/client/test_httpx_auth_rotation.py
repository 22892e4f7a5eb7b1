"""Refresh tokens: every use rotates, and the new one is stored before it is needed [LIF-12]."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mintgate.client import RotationNotStored, TokenRefused


def test_rotated_tokens_are_stored_and_used(world, user, send, clock, tmp_path: Path):
    kept = tmp_path / "refresh-token"
    auth = user(on_rotate=kept.write_text)
    for round_ in range(1, 4):
        assert send(auth, world.api).status_code == 200
        assert kept.read_text() == world.refresh_token
        assert len(world.token_requests) == round_
        clock.now += 3601
    # a restart goes on with what was stored
    assert send(user(refresh_token=kept.read_text()), world.api).status_code == 200


def test_a_public_client_sends_its_id_only(world, user, send):  # [TKN-5]
    send(user(), world.api)
    (request,) = world.token_requests
    assert request.client == (world.client_id, None)
    assert request.form["client_id"] == world.client_id


def test_a_confidential_client_authenticates(world, user, send):
    send(user(client_secret=world.client_secret), world.api)
    assert world.token_requests[0].client == (world.client_id, world.client_secret)


def test_stored_before_the_access_token_is_used(world, user, send):
    used: list[int] = []
    send(user(on_rotate=lambda _: used.append(len(world.api_requests))), world.api)
    assert used == [0]


def test_a_failed_store_is_told_and_tried_again(world, user, send):
    stored: list[str] = []
    full = True

    def store(token: str) -> None:
        if full:
            raise OSError(f"disk full, {token} lost")
        stored.append(token)

    auth = user(on_rotate=store)
    for _ in range(2):
        with pytest.raises(RotationNotStored) as failed:
            send(auth, world.api)
        assert world.refresh_token not in f"{failed.value} {failed.value!r}"
        assert isinstance(failed.value.reason, OSError)
        assert failed.value.__cause__ is failed.value.__context__ is None
    full = False
    assert send(auth, world.api).status_code == 200
    assert stored == [world.refresh_token]
    assert len(world.token_requests) == 1  # the token of the first answer is still good


def test_on_rotate_may_call_the_api_through_the_same_object(world, user, send):
    def store(token: str) -> None:
        assert httpx.put(world.api + "/vault", content=token, auth=auth).status_code == 200

    auth = user(on_rotate=store)
    assert send(auth, world.api).status_code == 200
    assert len(world.token_requests) == 1


def test_an_async_callback_is_refused(user):
    async def store(token: str) -> None: ...

    with pytest.raises(TypeError):
        user(on_rotate=store)


def test_a_dead_refresh_token_is_refused(world, user, send):
    with pytest.raises(TokenRefused) as refused:
        send(user(refresh_token="RT-stolen"), world.api)
    assert refused.value.error == "invalid_grant"
    assert world.api_requests == []


def test_a_server_that_does_not_rotate(world, user, send, clock):
    answer = {"access_token": "AT-x", "token_type": "bearer", "expires_in": 60}
    world.answer_next(200, answer)
    world.live.add("AT-x")
    auth = user(on_rotate=lambda _: pytest.fail("nothing rotated"))
    assert send(auth, world.api).status_code == 200
    clock.now += 61
    world.answer_next(200, answer)
    assert send(auth, world.api).status_code == 200
    assert world.token_requests[1].form["refresh_token"] == world.refresh_token
