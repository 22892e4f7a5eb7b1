"""`mintgate user show-tries` and `clear-tries`, beside a running server [SGN-6]."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.warm_program import run_command
from tests.wire.test_sign_in_throttle import assert_refused, assert_signed_in, guess
from tests.world import World

KEY = base64.b64encode(bytes(32)).decode()


def mintgate(world: World, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "MINTGATE_DATABASE": world.database_url,
        "MINTGATE_KEY_ENCRYPTION_KEY": key,
        "NO_COLOR": "1",
    }
    return run_command("user", *arguments, environment=environment)


@pytest.fixture
def waiting(a_world: Callable[..., World]) -> World:
    """A world at the time of the command's clock, where mira's tries wait."""

    world = a_world()
    world.clock.now = time.time()
    guess(world, 5, "mira.k")
    guess(world, 2, "mira.k@orion.example")
    return world


def test_tries_are_shown_and_forgotten(waiting: World) -> None:
    shown = mintgate(waiting, "show-tries", "mira.k")
    assert shown.returncode == 0, shown.stderr
    assert "one address, unknown devices" in shown.stdout
    told = json.loads(mintgate(waiting, "show-tries", "MIRA.K@orion.example", "--json").stdout)
    of_origins = {row["tries"]: row["waits_until"] for row in told if row["kind"] == "origin"}
    assert set(of_origins) == {2, 5}
    assert of_origins[2] is None
    assert of_origins[5] is not None
    assert_refused(waiting.browser().sign_in())
    cleared = mintgate(waiting, "clear-tries", "mira.k")
    assert "The wrong tries for mira.k are forgotten." in cleared.stderr
    assert_signed_in(waiting.browser().sign_in())
    (event,) = waiting.events("user.sign_in_tries_cleared")
    assert event.details == {"login": "mira.k", "counts": 4}


def test_empty_states_are_said(waiting: World) -> None:
    told = mintgate(waiting, "show-tries", "ada")
    assert (told.returncode, told.stdout) == (0, "")
    assert "No wrong passwords were tried for ada lately." in told.stderr
    assert "nothing to forget" in mintgate(waiting, "clear-tries", "ada").stderr


def test_another_key_is_refused(waiting: World) -> None:
    refused = mintgate(waiting, "clear-tries", "mira.k", key=base64.b64encode(b"1" * 32).decode())
    assert refused.returncode == 1
    assert "sealed with another key-encryption key" in refused.stderr
    assert_refused(waiting.browser().sign_in())
