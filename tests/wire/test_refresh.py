"""Refresh tokens: rotation, replay, grace, what ends them (§7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.contract.users import UserType
from mintgate.store import applications, refresh, users
from tests.world import BACKOFFICE, FULL, SPA, World, payload_of, pkce

DAY = 24 * 3600
Change = Callable[[World], object]


def spa_tokens(world: World) -> dict[str, Any]:
    verifier, challenge = pkce()
    code = world.browser().code(
        client_id=SPA,
        scope="openid read offline_access",
        code_challenge=challenge,
        code_challenge_method="S256",
    )
    tokens: dict[str, Any] = world.redeem(code, SPA, code_verifier=verifier).json()
    return tokens


def test_rotation(world: World) -> None:
    """[TKN-11, LIF-12, LIF-16, IDT-6, IDT-10]"""
    first = world.redeem(world.browser().code(scope=FULL, nonce="n-1", state="s")).json()
    world.clock.advance(1000)
    second = world.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == FULL
    old, new = payload_of(first["access_token"]), payload_of(second["access_token"])
    for kept in ("sid", "client_id", "sub_id", "scope"):
        assert old[kept] == new[kept]
    assert old["jti"] != new["jti"]
    assert new["iat"] == old["iat"] + 1000
    id_token = payload_of(second["id_token"])
    assert id_token["auth_time"] == payload_of(first["id_token"])["auth_time"]
    assert "nonce" not in id_token
    assert "s_hash" not in id_token
    assert id_token["sid"] == new["sid"]


def test_replay_ends_the_family(world: World) -> None:
    """[LIF-14, TKN-48]"""
    first = world.user_tokens()["refresh_token"]
    second = world.refresh(first).json()["refresh_token"]
    third = world.refresh(second).json()["refresh_token"]
    assert world.refresh(first).json()["error"] == "invalid_grant"
    assert world.refresh(third).json()["error"] == "invalid_grant"
    assert world.events("refresh.replayed")


def test_replay_with_a_bad_scope_is_a_replay_all_the_same(world: World) -> None:
    first = world.user_tokens()["refresh_token"]
    second = world.refresh(first).json()["refresh_token"]
    assert world.refresh(first, scope="everything").json()["error"] == "invalid_grant"
    assert world.refresh(second).json()["error"] == "invalid_grant"


def test_replay_by_another_client_ends_nothing(world: World) -> None:
    """[TKN-48] a stranger cannot end a family by presenting a token that is not its own."""
    first = world.user_tokens()["refresh_token"]
    second = world.refresh(first).json()["refresh_token"]
    assert world.refresh(first, SPA).json()["error"] == "invalid_grant"
    assert world.refresh(second).status_code == 200


def test_a_confidential_client_sends_its_secret(world: World) -> None:
    """[TKN-37, TKN-4]"""
    token = world.user_tokens()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = world.request_token(client_id=BACKOFFICE, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
    assert world.refresh(token).status_code == 200


@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "refresh_token"}])
def test_revocation_by_a_public_client(hint: dict[str, str], world: World) -> None:
    """[REV-1, REV-2, REV-3, REV-6] its own by its `client_id` alone, and nobody else's"""

    def revoke(token: str, client_id: str) -> httpx.Response:
        form = {"token": token, "client_id": client_id} | hint
        return world.http.post("/id/connect/revocation", data=form)

    own, others = spa_tokens(world)["refresh_token"], world.user_tokens()["refresh_token"]
    answers = [
        revoke(others, SPA),
        revoke(own, "internal.erp.net/profile"),  # public too
        revoke("A" * 64, SPA),
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 3
    others = world.refresh(others).json()["refresh_token"]
    own = world.refresh(own, SPA).json()["refresh_token"]
    assert revoke(own, BACKOFFICE).json()["error"] == "invalid_client"  # without its secret
    assert revoke(own, SPA).status_code == 200
    assert world.refresh(own, SPA).json()["error"] == "invalid_grant"
    assert world.refresh(others).status_code == 200
    (event,) = world.events("token.revoked")
    assert event.application == SPA


def test_narrowing(world: World) -> None:
    """[SCP-15, TKN-50] narrowed for one access token, the grant itself keeps its scopes."""
    tokens = world.user_tokens()
    narrow = world.refresh(tokens["refresh_token"], scope="read openid").json()
    assert narrow["scope"] == "read openid"
    assert payload_of(narrow["access_token"])["scope"] == ["openid", "read"]
    wide = world.refresh(narrow["refresh_token"], scope="sec")
    assert wide.json()["error"] == "invalid_scope"
    again = world.refresh(narrow["refresh_token"]).json()
    assert again["scope"] == FULL


def test_a_refused_scope_does_not_use_up_the_token(world: World) -> None:
    token = world.user_tokens()["refresh_token"]
    assert world.refresh(token, scope="sec").json()["error"] == "invalid_scope"
    assert world.refresh(token).status_code == 200


@pytest.mark.parametrize("kind", ["Confidential", "Public"])
def test_absolute_lifetime(kind: str, world: World) -> None:
    """[LIF-4, LIF-5, LIF-13] a rotated token inherits the deadline of the sign-in."""
    client, days = (BACKOFFICE, 30) if kind == "Confidential" else (SPA, 1)
    tokens = world.user_tokens() if kind == "Confidential" else spa_tokens(world)
    world.clock.advance(days * DAY - 10)
    rotated = world.refresh(tokens["refresh_token"], client)
    assert rotated.status_code == 200
    world.clock.advance(10)
    late = world.refresh(rotated.json()["refresh_token"], client)
    assert late.json()["error"] == "invalid_grant"


def test_public_refresh_tokens_switched_off(a_world: Callable[..., World]) -> None:
    """[LIF-5, EXT-5] dropped silently; the response scope tells."""
    world = a_world(instance_settings="public_refresh_tokens = false")
    tokens = spa_tokens(world)
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "openid read"
    assert "refresh_token" in world.user_tokens()


REFUSED: list[tuple[str, Change]] = [
    ("LIF-12-inactive", lambda w: w.change_user("mira.k", active=False)),
    ("LIF-12-locked", lambda w: w.change_user("mira.k", locked_until=2e9)),
    (
        "TKN-52",
        lambda w: w.change_application(BACKOFFICE, impersonate_as_internal_user_allowed=False),
    ),
    ("TKN-49-type", lambda w: w.change_user("mira.k", user_type=UserType.COMMUNITY)),
    ("LIF-12-scope", lambda w: w.change_application(BACKOFFICE, scope="read")),
]


@pytest.mark.parametrize("change", [pytest.param(r[1], id=r[0]) for r in REFUSED])
def test_refused_when_the_grant_would_be_refused_now(change: Change, world: World) -> None:
    tokens = world.user_tokens()
    change(world)
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def disable_and_enable(world: World) -> None:
    world.change_application(BACKOFFICE, is_enabled=False)
    world.change_application(BACKOFFICE, is_enabled=True)


def change_password(world: World) -> None:
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, "$argon2id$new")


ENDED: list[tuple[str, Change]] = [
    ("TAP-30", lambda w: w.block_user("mira.k", BACKOFFICE)),
    ("LIF-15-disabled", disable_and_enable),
    ("USR-22", change_password),
]


@pytest.mark.parametrize("change", [pytest.param(r[1], id=r[0]) for r in ENDED])
def test_ended_for_good(change: Change, world: World) -> None:
    tokens = world.user_tokens()
    change(world)
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_rotated_secret(world: World) -> None:
    """[TAP-32] use needs the new secret; the refresh token survives."""
    token = world.user_tokens()["refresh_token"]
    world.change_application(BACKOFFICE, application_secret_hash=secret_hash("new"))
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert world.refresh(token).json()["error"] == "invalid_client"
    assert world.request_token((BACKOFFICE, "new"), **form).status_code == 200


def test_removed_application(world: World) -> None:
    """[TAP-33] its refresh tokens die, its JWTs fail API-13."""
    tokens = world.user_tokens()
    application = world.change_application(BACKOFFICE)
    with world.database.begin() as tx:
        applications.remove(tx, world.instance.id, application.id)
    world.sync()
    assert world.api("Crm_Sales_Customers", tokens["access_token"]).status_code == 401
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_client"


class TestGrace:
    """[EXT-4]"""

    @pytest.fixture
    def world(self, a_world: Callable[..., World]) -> World:
        return a_world(instance_settings="refresh_grace_seconds = 10")

    def test_a_lost_answer_can_be_asked_for_again(self, world: World) -> None:
        first = world.user_tokens()["refresh_token"]
        lost = world.refresh(first).json()["refresh_token"]
        world.clock.advance(9)
        again = world.refresh(first)
        assert again.status_code == 200
        assert world.refresh(again.json()["refresh_token"]).status_code == 200
        assert world.events("token.refreshed_within_grace")
        # Now a successor was used: the first is no longer the immediate predecessor.
        assert world.refresh(first).json()["error"] == "invalid_grant"
        assert world.refresh(lost).json()["error"] == "invalid_grant"

    def test_of_two_successors_only_one_lives(self, world: World) -> None:
        """[LIF-14] a thief within the grace is found out as soon as both go on."""
        first = world.user_tokens()["refresh_token"]
        mine, other = (world.refresh(first).json()["refresh_token"] for _ in range(2))
        mine = world.refresh(mine).json()["refresh_token"]
        assert world.refresh(other).json()["error"] == "invalid_grant"
        assert world.refresh(mine).json()["error"] == "invalid_grant"

    def test_later_use_is_a_replay(self, world: World) -> None:
        first = world.user_tokens()["refresh_token"]
        second = world.refresh(first).json()["refresh_token"]
        world.clock.advance(10)
        assert world.refresh(first).json()["error"] == "invalid_grant"
        assert world.refresh(second).json()["error"] == "invalid_grant"

    def test_only_for_the_same_client(self, world: World) -> None:
        first = world.user_tokens()["refresh_token"]
        world.refresh(first)
        assert world.refresh(first, SPA).json()["error"] == "invalid_grant"


def test_live_token_is_stored_as_a_digest_only(world: World) -> None:
    """[LIF-11] neither codes nor refresh tokens are in the database, nor in its journal."""
    code = world.browser().code(scope=FULL)
    token = world.redeem(code).json()["refresh_token"]
    path = world.database_url.removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:
            data = file.read()
        assert code.encode() not in data
        assert token.encode() not in data


def test_a_family_that_ends_while_it_is_rotated(world: World) -> None:
    """[LIF-15] what counts is the family at the moment of the commit, not when it was looked at."""
    token = world.user_tokens()["refresh_token"]
    user = world.change_user("mira.k")
    write = world.server_database.write

    async def write_after_a_sign_out(work: Any, **options: Any) -> Any:
        world.server_database.write = write  # type: ignore[method-assign]
        with world.database.begin() as tx:
            refresh.revoke_of_user(tx, world.instance.id, user.id, "signed_out")
        return await write(work, **options)

    world.server_database.write = write_after_a_sign_out  # type: ignore[method-assign]
    assert world.refresh(token).json()["error"] == "invalid_grant"
    assert not world.events("token.refreshed")
