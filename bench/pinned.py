"""`python -m bench.pinned CORE[,CORE] COMMAND…`: a command on cores, never longer than its parent.

Done in the process itself before the command starts, because threads that exist already would
keep their cores.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    cores, *command = sys.argv[1:]
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    # So that a harness that is killed outright leaves no server behind; exec keeps it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp(command[0], command)  # noqa: S606 - the harness's own commands


if __name__ == "__main__":
    main()
