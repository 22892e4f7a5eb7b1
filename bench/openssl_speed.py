"""`openssl speed`: how fast the machine's own OpenSSL signs, with nothing around it at all."""

from __future__ import annotations

import re
import subprocess
import sys

from bench.problems import PeerUnavailable
from bench.processes import ROOT

SECONDS = 2
_SIGNING = re.compile(r"^\+F2:\d+:2048:([\d.e+-]+):", re.MULTILINE)


def signatures_a_second(core: int, seconds: int = SECONDS) -> str:
    """RSA signatures of 2048 bits by one core, in words with the version.

    Raises:
        PeerUnavailable: there is no `openssl`, or it said something else.
    """
    speed = ["openssl", "speed", "-mr", "-seconds", str(seconds), "rsa2048"]
    told = _run([sys.executable, "-m", "bench.pinned", str(core), *speed])
    return f"{rate_in(told):,.0f} by {_run(['openssl', 'version']).strip()}"


def rate_in(told: str) -> float:
    """Signatures a second from what `openssl speed -mr` prints: seconds of one, or their number."""
    found = _SIGNING.search(told)
    if found is None:
        raise PeerUnavailable(f"openssl speed said: {told[-200:]}")
    number = float(found[1])
    return 1 / number if number < 1 else number


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailable(f"openssl: {error}") from None
    if done.returncode:
        raise PeerUnavailable(f"openssl: {done.stderr[-200:]}")
    return done.stdout
