"""`mintgate` with a clock that the test moves while it runs.

`python -m tests.chaos.cluster.node FILE ARGUMENTS…` adds the number in FILE, a double of eight
bytes, to every look at the time of day. Clocks that only go forward are left alone, as a jump of
the time of day leaves them alone.
"""

from __future__ import annotations

import mmap
import sys
import time


def main(file: str) -> None:
    with open(file, "r+b") as opened:
        offset = memoryview(mmap.mmap(opened.fileno(), 8)).cast("d")
    real = time.time
    # Before anything is imported that would keep the real one.
    time.time = lambda: real() + offset[0]

    from mintgate.cli import main as mintgate

    mintgate()


if __name__ == "__main__":
    file = sys.argv.pop(1)
    main(file)
