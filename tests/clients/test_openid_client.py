"""`openid-client` from npm: discovery, both response types, userinfo, refresh [CLI-2, 7, 8]."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.world import BACKOFFICE, PASSWORD, REDIRECT, SECRET, SPA, World

SCRIPT = Path(__file__).parent / "node" / "openid_client.mjs"
FLOWS = [
    pytest.param(BACKOFFICE, "code", "", "pkce", id="Confidential"),
    pytest.param(BACKOFFICE, "code", "form_post", "", id="Confidential-form_post"),
    pytest.param(SPA, "code", "", "pkce", id="Public"),
    pytest.param(BACKOFFICE, "code id_token", "", "", id="hybrid-fragment"),
    pytest.param(BACKOFFICE, "code id_token", "form_post", "", id="hybrid-form_post CLI-2"),
    pytest.param(SPA, "code id_token", "fragment", "pkce", id="hybrid-Public OPQ-22"),
]


def answer_to(response: httpx.Response) -> dict[str, str]:
    """What the browser brings to the application: a URL, or a form."""
    if response.is_redirect:
        return {"url": response.headers["location"]}
    target = re.search(r'<form method="post" action="([^"]*)"', response.text)
    assert target is not None, response.text
    fields = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', response.text)
    body = urlencode([(name, html.unescape(value)) for name, value in fields])
    return {"url": html.unescape(target[1]), "body": body}


@pytest.mark.parametrize(("client_id", "response_type", "mode", "pkce"), FLOWS)
def test_openid_client(
    client_id: str, response_type: str, mode: str, pkce: str, node: str, real_time_world: World
) -> None:
    sign_in_with_openid_client(real_time_world, node, client_id, response_type, mode, pkce)


def sign_in_with_openid_client(
    world: World,
    node: str,
    client_id: str,
    response_type: str = "code",
    mode: str = "",
    pkce: str = "pkce",
    *,
    algorithm: str = "RS256",
) -> None:
    arguments = [world.issuer, client_id, REDIRECT, response_type, mode, pkce]
    with subprocess.Popen(
        [node, str(SCRIPT), *arguments],
        env={
            **os.environ,
            "CLIENT_SECRET": SECRET if client_id == BACKOFFICE else "",
            "ALGORITHM": algorithm,
        },
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
        assert ("code_challenge=" in url) is bool(pkce)
        browser = world.browser()
        page = browser.follow(browser.http.get(url))
        answer = answer_to(browser.submit(page, login="mira.k", password=PASSWORD))
        assert ("body" in answer) is (mode == "form_post")
        assert ("id_token=" in str(answer)) is (response_type == "code id_token")
        output, errors = process.communicate(json.dumps(answer) + "\n", timeout=60)
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(output)
    assert result["claims"]["sub"] == "mira.k"
    assert result["claims"]["aud"] == client_id
    assert result["userinfo"]["name"] == "Мира Коларова"
    # [SCP-17] `email` was dropped, and the response says so
    assert result["scope"] == "openid profile read offline_access"
    assert result["rotated"] is True
    assert world.api("Crm_Sales_Customers?$top=1", result["accessToken"]).status_code == 200
    assert browser.http.get(result["logout"]).status_code == 200


def test_openid_client_refuses_another_code(node: str, real_time_world: World) -> None:
    """[IDT-8] The client checks `c_hash`, so the flows above say something."""
    world = real_time_world
    arguments = [world.issuer, BACKOFFICE, REDIRECT, "code id_token", "", ""]
    with subprocess.Popen(
        [node, str(SCRIPT), *arguments],
        env={**os.environ, "CLIENT_SECRET": SECRET},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        browser = world.browser()
        page = browser.follow(browser.http.get(url))
        answer = answer_to(browser.submit(page, login="mira.k", password=PASSWORD))
        changed = re.sub(r"code=[0-9A-F]{64}", "code=" + "A" * 64, answer["url"])
        _, errors = process.communicate(json.dumps({"url": changed}) + "\n", timeout=60)
    assert process.returncode != 0
    assert "c_hash" in errors
