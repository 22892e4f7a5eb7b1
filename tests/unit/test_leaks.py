"""The search for secrets finds what is planted, so that finding nothing says something."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.leaks import Leak, Leaks, require_clean_folder
from tests.world import SECRET, World, sqlite_url

UNKNOWN_TOKENS = ["enrt_" + "0123456789ABCDEF" * 4, f"eyJ{'a' * 20}.eyJ{'b' * 30}.{'c' * 40}"]


@contextmanager
def heard_by(world: World) -> Iterator[logging.Logger]:
    """A logger whose lines no other world of this process collects."""
    root = logging.getLogger()
    others = [h for h in root.handlers if isinstance(h, Leaks) and h is not world.leaks]
    for other in others:
        root.removeHandler(other)
    yield logging.getLogger("mintgate.x")
    for other in others:
        root.addHandler(other)


def in_a_log(world: World, secret: str) -> None:
    with heard_by(world) as log:
        log.warning("it is %s", secret)


def in_a_traceback(world: World, secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        with heard_by(world) as log:
            log.exception("it failed")


def in_the_database(world: World, secret: str) -> None:
    with world.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE applications SET notes = ?", (f"something {secret} something",)
        )


def on_a_page(world: World, secret: str) -> None:
    page = httpx.Response(
        200,
        headers={"content-type": "text/html"},
        text=f"<p>{secret}",
        request=httpx.Request("GET", "http://127.0.0.1/"),
    )
    world.leaks.note_response(page)


@pytest.mark.parametrize("plant", [in_a_log, in_a_traceback, in_the_database, on_a_page])
@pytest.mark.parametrize("secret", [SECRET, "a token of this world", *UNKNOWN_TOKENS])
def test_what_is_planted_is_found(
    plant: Callable[[World, str], None], secret: str, tmp_path: Path
) -> None:
    world = World(sqlite_url(tmp_path)).start()
    if secret == "a token of this world":
        secret = world.user_tokens()["refresh_token"]
    plant(world, secret)
    with pytest.raises(Leak):
        world.stop()


def test_what_a_process_leaves_is_searched(tmp_path: Path) -> None:
    (tmp_path / "output.txt").write_text("started")
    require_clean_folder(tmp_path)
    (tmp_path / "output.txt").write_text(f"token {UNKNOWN_TOKENS[0]}")
    with pytest.raises(Leak):
        require_clean_folder(tmp_path)


def test_secrets_are_noted_from_what_is_sent_and_got(world: World) -> None:
    tokens = world.user_tokens()
    pat = "enrt_" + "A" * 64
    world.http.get("/api/domain/odata/", headers={"X-Api-Key": pat})
    for name in ("access_token", "refresh_token", "id_token"):
        assert world.leaks.secrets[tokens[name]] == name
    assert pat in world.leaks.secrets
    kinds = set(world.leaks.secrets.values())
    assert {"secret", "code", "cookie", "access_token", "refresh_token", "token"} <= kinds
    assert not Leaks().secrets
