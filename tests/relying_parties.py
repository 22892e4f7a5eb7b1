"""Starts relying parties, each in a process of its own, and reads what they write down."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "clients" / "relying_party.py"


class RunningParty:
    """A relying party that is up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._output = process.stdout
        self.base = f"http://127.0.0.1:{int(self._output.readline())}"
        self.back_channel_url = f"{self.base}/back"
        self._requests: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def next_request(self, seconds: float = 20.0) -> dict[str, Any]:
        """What it was asked next; waits for it."""
        return self._requests.get(timeout=seconds)

    def is_left_alone(self, seconds: float) -> bool:
        """Whether nobody asks anything for a while."""
        try:
            self._requests.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def _read(self) -> None:
        for line in self._output:
            self._requests.put(json.loads(line))


@contextmanager
def relying_party(issuer: str, client_id: str, failures: int = 0) -> Iterator[RunningParty]:
    """A party that answers 503 to the first `failures` logout tokens."""
    command = [sys.executable, str(SCRIPT), issuer, client_id, str(failures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield RunningParty(process)
        finally:
            process.kill()
