"""`mintgate serve` with a mail server, without one, and with settings that cannot be right."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.command_line import command
from tests.wire.test_serve import free_port, serving

HOST = ("--smtp-host", "mail.orion.example")
FROM = ("--smtp-from", "login@orion.example")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (HOST, 1, "--smtp-host needs --smtp-from"),
        (FROM, 1, "need --smtp-host"),
        ((*HOST, "--smtp-from", "a@b, c@d"), 1, "must be a mail address"),
        ((*HOST, *FROM, "--smtp-tls", "no"), 2, "starttls, implicit or none"),
        ((*HOST, *FROM, "--smtp-tls", "none"), 1, "for this machine only"),
        ((*HOST, *FROM, "--smtp-user", "mint"), 1, "MINTGATE_SMTP_PASSWORD"),
        ((*HOST, *FROM, "--smtp-ca-file", "nowhere.pem"), 1, "nowhere.pem"),
    ],
)
def test_settings_that_cannot_be_right(
    options: tuple[str, ...],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("serve", *options)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_demo_shows_its_letters(tmp_path: Path) -> None:
    with serving(tmp_path, port := free_port(), "--demo"):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/id") as browser:
            browser.get("/password/forgot")
            (anti_forgery,) = browser.cookies.values()
            form = {"login": "john.doe", "anti_forgery": anti_forgery}
            assert browser.post("/password/forgot", data=form).status_code == 200
        deadline = time.monotonic() + 20
        while "/id/password/reset?link=" not in (tmp_path / "output.txt").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    shown = (tmp_path / "output.txt").read_text()
    assert "To: john.doe@demo.example" in shown
    assert "Изберете нова парола за demo" in shown
