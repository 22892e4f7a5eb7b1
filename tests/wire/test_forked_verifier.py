"""A verifier made before a fork works in every worker, as preforking servers use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.wire.test_state_feed import API_SECRET, declare_api
from tests.world import World

SCRIPT = """
import json, os, sys, time
from mintgate.contract.errors import Refusal
from mintgate.verify import connect

issuer, database, now, good, bad = json.loads(os.environ["ARGUMENTS"])
verifier = connect(issuer, api="DomainAPI", secret=os.environ["API_SECRET"], database=database,
                   clock=lambda: now)

def outcomes():
    found = []
    for token in (good, bad):
        try:
            verifier.verify(token, "DomainAPI")
            found.append("accepted")
        except Refusal as refusal:
            found.append(refusal.cause)
    return found

before = outcomes()
ends = []
for _ in range(2):
    reading, writing = os.pipe()
    if os.fork() == 0:
        for _ in range(5):
            found = outcomes()
        os.write(writing, json.dumps([found, verifier._state.is_fresh]).encode())
        os._exit(0)
    os.close(writing)
    ends.append(reading)
print(json.dumps([before, *(json.loads(os.read(end, 4096)) for end in ends)]))
"""


def test_every_worker_follows_the_feed(world: World, tmp_path: Path) -> None:
    declare_api(world)
    good, bad = world.service_token(), world.user_tokens()["access_token"]
    world.change_user("mira.k", active=False)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    arguments = [world.issuer, world.instance.database, world.clock(), good, bad]
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "ARGUMENTS": json.dumps(arguments), "API_SECRET": API_SECRET},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    expected = ["accepted", "the user is inactive"]
    assert json.loads(done.stdout) == [expected, [expected, True], [expected, True]]
