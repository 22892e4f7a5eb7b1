"""`curl -u`, which sends the pair unencoded, with a secret that holds `+` and `%` [TKN-6]."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from mintgate.contract.identifiers import secret_hash
from tests.clients.conftest import missing
from tests.world import STOCK, World

SECRET = "a+b%2Bc%zz d"


def test_curl_with_a_strange_secret(world: World) -> None:
    if shutil.which("curl") is None:
        missing("curl (apt-get install curl)")
    world.change_application(STOCK, application_secret_hash=secret_hash(SECRET))
    answer = curl(world, SECRET)
    assert answer["token_type"] == "Bearer"
    assert curl(world, SECRET.replace("+", " "))["error"] == "invalid_client"


def curl(world: World, secret: str) -> dict[str, str]:
    command = ["curl", "-s", "-u", f"{STOCK}:{secret}", "-d", "grant_type=client_credentials"]
    done = subprocess.run(
        [*command, f"{world.issuer}/connect/token"], capture_output=True, check=True, timeout=30
    )
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_curl_with_a_wrong_secret(secret: str, world: World) -> None:
    """[TKN-34, TKN-36]"""
    if shutil.which("curl") is None:
        missing("curl (apt-get install curl)")
    assert curl(world, secret)["error"] == ("invalid_client" if secret else "invalid_request")
