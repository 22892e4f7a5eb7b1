"""`mintgate …` as processes of their own that are forked from one which has imported everything.

A command is a real process with its own arguments, folder, environment and exit code; only its
imports, which take most of its time, were done before. Servers are started afresh.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

COMMAND = [sys.executable, "-m", "mintgate.cli"]
_LOCK = threading.Lock()
_started: list[subprocess.Popen[str]] = []


def run_command(
    *arguments: str,
    environment: Mapping[str, str],
    cwd: Path | str | None = None,
    text: str = "",
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run `mintgate` with `text` as its input, as `subprocess.run` would.

    Args:
        environment: all of it.
        timeout: seconds.

    Raises:
        subprocess.TimeoutExpired: it did not end in time; it was killed.
    """
    with tempfile.TemporaryDirectory(prefix="mintgate-command-") as folder:
        places = [Path(folder) / name for name in ("in", "out", "err")]
        places[0].write_text(text)
        asked = {
            "arguments": arguments,
            "environment": dict(environment),
            "cwd": str(cwd or Path.cwd()),
            "places": [str(place) for place in places],
            "timeout": timeout,
        }
        with _LOCK:
            parent = _parent()
            assert parent.stdin is not None
            assert parent.stdout is not None
            parent.stdin.write(json.dumps(asked) + "\n")
            parent.stdin.flush()
            code = json.loads(parent.stdout.readline())
        command = [*COMMAND, *arguments]
        if code is None:
            raise subprocess.TimeoutExpired(command, timeout)
        out, err = (place.read_text() for place in places[1:])
        return subprocess.CompletedProcess(command, code, out, err)


def _parent() -> subprocess.Popen[str]:
    if not _started:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_program"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        _started.append(process)
        atexit.register(process.kill)
    return _started[0]


def main() -> None:
    """Fork a process for each line that comes."""
    from mintgate.cli import commands  # noqa: F401
    from mintgate.server import declaration  # noqa: F401
    from mintgate.store import Database, records, schema  # noqa: F401

    # What is brought in by its first use.
    Database("sqlite://").close()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_forked(json.loads(line))) + "\n")
        sys.stdout.flush()


def _forked(asked: dict[str, Any]) -> int | None:
    child = os.fork()
    if not child:
        _be_the_program(asked)
    end = time.monotonic() + asked["timeout"]
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return None
        time.sleep(0.005)


def _be_the_program(asked: dict[str, Any]) -> NoReturn:
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for number, (place, mode) in enumerate(zip(asked["places"], ("r", "w", "w"), strict=True)):
        with open(place, mode) as file:
            os.dup2(file.fileno(), number)
    streams: list[IO[str]] = [
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in enumerate(("r", "w", "w"))
    ]
    sys.stdin, sys.stdout, sys.stderr = streams  # type: ignore[assignment]
    sys.argv = ["mintgate", *asked["arguments"]]
    code = 1
    try:
        from mintgate.cli import main as program

        program()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    # As an interpreter ends: threads first, then what was left to be done.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
