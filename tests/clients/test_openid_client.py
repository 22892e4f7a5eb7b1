"""`openid-client` from npm: discovery, code with PKCE, userinfo, refresh [CLI-7, CLI-8]."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.world import BACKOFFICE, PASSWORD, REDIRECT, SECRET, SPA, World

SCRIPT = Path(__file__).parent / "node" / "openid_client.mjs"


@pytest.mark.parametrize(
    ("client_id", "secret"), [(BACKOFFICE, SECRET), (SPA, "")], ids=["Confidential", "Public"]
)
def test_openid_client(client_id: str, secret: str, node: str, real_time_world: World) -> None:
    sign_in_with_openid_client(real_time_world, node, client_id, secret)


def sign_in_with_openid_client(
    world: World, node: str, client_id: str, secret: str, algorithm: str = "RS256"
) -> None:
    with subprocess.Popen(
        [node, str(SCRIPT), world.issuer, client_id, REDIRECT],
        env={**os.environ, "CLIENT_SECRET": secret, "ALGORITHM": algorithm},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert url.startswith(f"{world.issuer}/connect/authorize?"), process.stderr.read()
        browser = world.browser()
        page = browser.http.get(url)
        answer = browser.submit(browser.follow(page), login="mira.k", password=PASSWORD)
        output, errors = process.communicate(answer.headers["location"] + "\n", timeout=60)
    assert process.returncode == 0, errors
    result = json.loads(output)
    assert result["claims"]["sub"] == "mira.k"
    assert result["claims"]["aud"] == client_id
    assert result["userinfo"]["name"] == "Мира Коларова"
    # [SCP-17] `email` was dropped, and the response says so
    assert result["scope"] == "openid profile read offline_access"
    assert result["rotated"] is True
    assert world.api("Crm_Sales_Customers?$top=1", result["accessToken"]).status_code == 200
    assert browser.http.get(result["logout"]).status_code == 200
