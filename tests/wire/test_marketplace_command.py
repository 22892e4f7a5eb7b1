"""`mintgate marketplace …`: the switch of messages to applications [EVT-7, EXT-7]."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.command_line import Done, command
from tests.wire.other_servers import ZEROS
from tests.wire.test_lifecycle_events import WELL_KNOWN
from tests.world import World


def marketplace(world: World, *arguments: str) -> Done:
    given = {"MINTGATE_DATABASE": world.database_url, "MINTGATE_KEY_ENCRYPTION_KEY": ZEROS}
    return command("marketplace", *arguments, **given)


def published(world: World) -> str | None:
    document = world.http.get(WELL_KNOWN)
    if document.status_code == 404:
        return None
    assert document.headers["access-control-allow-origin"] == "*"
    return world.http.get(document.json()["endpoints"]["public_key"]).text


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_on_and_off(world: World) -> None:
    assert marketplace(world, "show").returncode == 1
    made = marketplace(world, "enable")
    assert (made.returncode, published(world)) == (0, made.stdout)
    again = marketplace(world, "enable")
    assert again.stdout == made.stdout
    assert "on already" in again.stderr
    assert marketplace(world, "show").stdout == made.stdout
    other = marketplace(world, "enable", "--new-key")
    assert other.stdout not in {"", made.stdout}
    assert published(world) == other.stdout
    assert "nothing any more" in marketplace(world, "disable").stderr
    assert "It was off" in marketplace(world, "disable").stderr
    assert published(world) is None
    names = [event.event for event in world.events("marketplace.enabled")]
    assert len(names) == 2
    assert len(world.events("marketplace.disabled")) == 1


def test_a_key_of_the_operator(world: World, tmp_path: Path) -> None:
    """As `openssl genpkey` writes it; what openssl says of it is published."""
    file = tmp_path / "key.pem"
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    file.write_bytes(pem_of(key))
    done = marketplace(world, "enable", "--key-from", str(file))
    assert done.returncode == 0
    by_openssl = subprocess.run(
        ["openssl", "pkey", "-in", str(file), "-pubout"], capture_output=True, check=True
    ).stdout.decode()
    assert published(world) == done.stdout == by_openssl
    private = file.read_text().splitlines()[3]
    world.leaks.note("private key", private)
    assert private not in done.stdout + done.stderr


@pytest.mark.parametrize("content", ["small", "curve", "text", "none", "locked"])
def test_a_key_that_cannot_sign(content: str, world: World, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    made = {
        "small": lambda: pem_of(rsa.generate_private_key(65537, 1024)),  # noqa: S505
        "curve": lambda: pem_of(ec.generate_private_key(ec.SECP256R1())),
        "text": lambda: b"not a key",
        "locked": lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        ),
    }
    if content in made:
        file.write_bytes(made[content]())
    done = marketplace(world, "enable", "--key-from", str(file))
    assert done.returncode == 1
    assert "key.pem" in done.stderr
    assert "Traceback" not in done.stderr
    assert published(world) is None
