"""Threads that convert to a new struct at once; in a process of its own, as the failure ends it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
sys.setswitchinterval(1e-6)
import msgspec
from mintgate.contract.converting import convert

def attempt():
    class Inner(msgspec.Struct):
        a: "int | None" = None
        b: "tuple[str, ...]" = ()

    class Outer(msgspec.Struct):
        x: Inner
        y: "int | str | None" = None
        z: "dict[str, int]" = {}

    begin = threading.Barrier(8)

    def work():
        begin.wait()
        assert convert({"x": {"a": 1, "b": ["c"]}, "y": 2}, Outer).x.b == ("c",)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

for _ in range(100):
    attempt()
"""


def test_no_thread_sees_a_type_that_is_half_known() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
