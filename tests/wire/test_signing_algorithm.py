"""Another signing algorithm for an instance: the next key has it, the old tokens stay [EXT-6]."""

from __future__ import annotations

import pytest

from mintgate.contract.errors import InvalidToken
from mintgate.contract.key_life import (
    LONGEST_TOKEN,
    PUBLISHED_BEFORE_USE,
    KeyTimes,
    next_activation,
)
from mintgate.verify import RemoteKeys, Verifier
from tests.wire.test_claims_by_flow import header_of
from tests.wire.test_key_rotation import CUSTOMERS, DAY, keep_keys, published
from tests.world import LOGOUT, SECRET, STOCK, World, answer_of


def choose(world: World, algorithm: str) -> None:
    world.instance_settings = f'signing_algorithm = "{algorithm}"'
    world.declare()


def test_the_setting_changes_the_next_key(world: World) -> None:
    """[EXT-6, EXT-14] published first, used a day later; the old key verifies to its end."""
    choose(world, "ES256")
    keep_keys(world)
    assert len(published(world)) == 2
    document = world.http.get("/id/.well-known/openid-configuration").json()
    assert document["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    keep_keys(world)
    assert len(published(world)) == 2
    old = world.service_token()
    assert header_of(old)["alg"] == "RS256"
    world.clock.advance(PUBLISHED_BEFORE_USE - 60)
    old = world.service_token()
    world.clock.advance(60)
    new = world.service_token()
    assert (header_of(old)["alg"], header_of(new)["alg"]) == ("RS256", "ES256")
    for token in (old, new):
        assert world.api(CUSTOMERS, token).status_code == 200
    world.clock.advance(LONGEST_TOKEN)
    keep_keys(world)
    document = world.http.get("/id/.well-known/openid-configuration").json()
    assert document["id_token_signing_alg_values_supported"] == ["ES256"]


def test_three_scheduled_rotations(world: World) -> None:
    """Each to another algorithm; server and a verifier elsewhere refuse nothing good."""
    elsewhere = Verifier(
        world.issuer,
        world.instance.database,
        keys=RemoteKeys(world.issuer, clock=world.clock),
        algorithms=("RS256", "PS256", "EdDSA"),
        clock=world.clock,
    )
    for algorithm in ("PS256", "EdDSA", "RS256"):
        choose(world, algorithm)
        keep_keys(world)
        for _ in range(4):
            for token in (world.service_token(), world.user_tokens()["access_token"]):
                assert world.api(CUSTOMERS, token).status_code == 200
                assert elsewhere.verify(token, "DomainAPI").issuer == world.issuer
            world.clock.advance(PUBLISHED_BEFORE_USE / 2)
            keep_keys(world)
        assert header_of(token)["alg"] == algorithm


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
def test_revocation_and_sign_out_know_every_algorithm(world: World, algorithm: str) -> None:
    """[REV-4, END-2] and userinfo"""
    choose(world, algorithm)
    keep_keys(world)
    world.clock.advance(PUBLISHED_BEFORE_USE)
    browser = world.browser()
    tokens = world.redeem(answer_of(browser.sign_in())["code"]).json()
    assert header_of(tokens["id_token"])["alg"] == algorithm
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert world.http.get("/id/connect/userinfo", headers=bearer).json()["sub"] == "mira.k"
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGOUT}
    answer = browser.http.get("/id/connect/endsession", params=parameters)
    assert answer.headers["location"] == LOGOUT
    token = world.service_token()
    assert world.api(CUSTOMERS, token).status_code == 200
    world.http.post("/id/connect/revocation", data={"token": token}, auth=(STOCK, SECRET))
    assert "revoked" in world.api(CUSTOMERS, token).headers["www-authenticate"]


def test_a_key_made_by_another_process_is_found_at_once(world: World) -> None:
    """[API-6] before the state feed tells of it, without refusing a good token."""
    from mintgate.store import keys

    with world.database.begin() as tx:
        made = keys.create(tx, world.instance.id, world.kek, "EdDSA")
    token = made.sign(_claims_of(world), "at+jwt")
    assert world.api(CUSTOMERS, token).status_code == 200


def test_a_flood_of_unknown_keys_costs_few_reads(world: World) -> None:
    """[API-6] forged tokens wait for each other."""
    from mintgate.jose import SigningKey

    forged = SigningKey.generate("F" * 32).sign(_claims_of(world), "at+jwt")
    for _ in range(5):
        answer = world.api(CUSTOMERS, forged)
        assert "signing key is unknown" in answer.headers["www-authenticate"]
    with pytest.raises(InvalidToken):
        Verifier(world.issuer, clock=world.clock).verify(forged, "DomainAPI")


def _claims_of(world: World) -> bytes:
    import msgspec

    from tests.world import payload_of

    return msgspec.json.encode(payload_of(world.service_token()))


RS, ES = KeyTimes("A", 0.0), KeyTimes("B", 1 * DAY, algorithm="ES256")


@pytest.mark.parametrize(
    ("known", "now", "algorithm", "expected"),
    [
        ([RS], 10 * DAY, "RS256", None),
        ([RS], 10 * DAY, "ES256", 11 * DAY),
        ([RS, ES], 0.5 * DAY, "ES256", None),
        ([RS, ES], 10 * DAY, "ES256", None),
        # changed back before the next one began: it is followed at once
        ([RS, ES], 0.0, "RS256", 1 * DAY + 1),
        ([RS, ES], 10 * DAY, "RS256", 11 * DAY),
        ([], 5.0, "EdDSA", 5.0),
        ([KeyTimes("C", 0.0, 1.0, "ES256"), RS], 2.0, "ES256", 2.0 + DAY),
    ],
)
def test_when_a_key_of_another_algorithm_is_due(
    known: list[KeyTimes], now: float, algorithm: str, expected: float | None
) -> None:
    assert next_activation(known, now, algorithm) == expected
