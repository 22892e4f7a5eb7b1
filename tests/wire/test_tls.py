"""An instance on https: served with a certificate, or behind a proxy that ends TLS [TOP-8]."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import httpx
import pytest

from mintgate.store import Database, audit, instances
from tests.certificates import write_certificate
from tests.wire.test_serve import free_port, run, serving
from tests.world import PASSWORD, aspnet_hash

FILE = """
[instance]
name = "lyra"
database = "LYRA"
base_url = "{base}"

[[applications]]
ApplicationUri = "web"
Name = "Web"
ClientType = "Public"
ImpersonateLoginUrl = "https://app.example/cb"
ImpersonateAsInternalUserAllowed = true

[[users]]
Login = "mira"
Name = "Mira"
UserType = "InternalUser"
PasswordHash = "{password}"
"""
AUTHORIZE = {
    "client_id": "web",
    "redirect_uri": "https://app.example/cb",
    "response_type": "code",
    "scope": "openid",
    "code_challenge": "a" * 43,
    "code_challenge_method": "S256",
}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return write_certificate(tmp_path)


def declare(folder: Path, base: str) -> None:
    file = folder / "instance.toml"
    file.write_text(FILE.format(base=base, password=aspnet_hash(PASSWORD)))
    done = run("apply", str(file), cwd=folder)
    assert done.returncode == 0, done.stderr


def sign_in(http: httpx.Client) -> httpx.Response:
    page = http.get("/id/connect/authorize", params=AUTHORIZE, follow_redirects=True)
    fields = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text))
    return http.post("/id/signin", data=fields | {"login": "mira", "password": PASSWORD})


def test_https_with_a_certificate(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """[SGN-4, SGN-6] `__Host-` cookies with `Secure`."""
    base = f"https://localhost:{(port := free_port())}"
    declare(tmp_path, base)
    files = ("--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    context = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        serving(tmp_path, port, *files, probe=(base, context)),
        httpx.Client(base_url=base, verify=context) as http,
    ):
        answer = sign_in(http)
        cookies = answer.headers.get_list("set-cookie")
        assert len(cookies) == 2  # the session and the device [SGN-6]
        for cookie in cookies:
            assert cookie.startswith("__Host-mintgate-")
            assert "Secure" in cookie
            assert "HttpOnly" in cookie
            assert "Path=/" in cookie
            assert "Domain" not in cookie
        done = http.get(answer.headers["location"])
        assert done.headers["location"].startswith("https://app.example/cb?code=")


def test_https_behind_a_trusted_proxy(tmp_path: Path) -> None:
    """What the named proxy says of the caller's address is in the audit log."""
    base = "https://lyra.example"
    declare(tmp_path, base)
    proxy = ("--trusted-proxy", "127.0.0.1")
    with serving(tmp_path, port := free_port(), *proxy):
        headers = {"Host": "lyra.example", "X-Forwarded-For": "203.0.113.9"}
        url = f"http://127.0.0.1:{port}/id/connect/token"
        answer = httpx.post(url, data={"grant_type": "x"}, headers=headers)
        assert answer.json()["error"] == "unsupported_grant_type"
    assert audited_address(tmp_path) == "203.0.113.9"


def test_a_stranger_cannot_name_its_address(tmp_path: Path) -> None:
    """Without `--trusted-proxy` the header means nothing."""
    with serving(tmp_path, port := free_port(), "--demo"):
        url = f"http://127.0.0.1:{port}/id/connect/token"
        httpx.post(url, data={"grant_type": "x"}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert audited_address(tmp_path) == "127.0.0.1"


def audited_address(folder: Path) -> str | None:
    database = Database(f"sqlite:///{folder}/mintgate.db")
    instance = database.read_now(instances.all_of)[0]
    events = database.read_now(lambda c: audit.latest(c, instance.id))
    database.close()
    return next(event.address for event in events if event.event == "token.refused")
