"""Several workers behind one `/metrics`: each leaves its figures in a folder, one shows them all.

Every sample gets the label `worker`, so that a worker that starts again is a counter that starts
again, which Prometheus understands. Added up they would seem to run backwards.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path

import msgspec

from mintgate.contract.clock import Clock, system_clock
from mintgate.server.telemetry.families import Family, Figures

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PUBLISH_SECONDS = 2.0
FORGOTTEN_SECONDS = 30.0
"""A worker that has left nothing for so long is not shown."""
_WORKER = re.compile(r"[A-Za-z0-9_-]{1,32}")
_PREFIX = "mintgate-worker-"
_log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(list[Family])


class Publisher:
    """Leaves a worker's figures in the folder, every two seconds.

    Args:
        folder: that of `PROMETHEUS_MULTIPROC_DIR`; it exists, and others may not write to it.
        worker: a name that a worker keeps when it is started again, such as its number.

    Raises:
        ValueError: a name that cannot be that of a file.
    """

    def __init__(self, figures: Figures, folder: Path, worker: str) -> None:
        if not _WORKER.fullmatch(worker):
            raise ValueError("the name of a worker has letters, digits, _ and - only")
        self._figures = figures
        self._file = folder / f"{_PREFIX}{worker}.json"
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="mintgate-metrics", daemon=True).start()

    def stop(self) -> None:
        """Leave no more figures. Those of the end stay, for whoever asks next."""
        self._stopping.set()

    def publish(self) -> None:
        """Raises: OSError."""
        new = self._file.with_suffix(f".{os.getpid()}")
        new.write_bytes(msgspec.json.encode(self._figures()))
        new.replace(self._file)  # whoever reads sees the old ones or the new ones

    def _run(self) -> None:
        while True:
            try:
                self.publish()
            except Exception:  # noqa: BLE001 - logged; a server goes on without its metrics
                _log.exception("the metrics of a worker could not be left")
            if self._stopping.wait(PUBLISH_SECONDS):
                return


def of_all_workers(folder: Path, clock: Clock = system_clock) -> list[Family]:
    """The figures that all workers have left, each sample with the worker's name.

    Args:
        clock: Unix seconds, as the file system's.
    """
    families: dict[str, Family] = {}
    for file in sorted(folder.glob(f"{_PREFIX}*.json")):
        try:
            if clock() - file.stat().st_mtime > FORGOTTEN_SECONDS:
                continue
            found = _decoder.decode(file.read_bytes())
        except (OSError, msgspec.MsgspecError):
            continue  # it is being replaced, or is not ours
        _add(families, found, file.stem.removeprefix(_PREFIX))
    return list(families.values())


def empty(folder: Path) -> None:
    """Forget figures of workers before; to be called before the first one starts."""
    for file in folder.glob(f"{_PREFIX}*"):
        file.unlink(missing_ok=True)


def _add(families: dict[str, Family], found: list[Family], worker: str) -> None:
    for family in found:
        known = families.get(family.name)
        if known is None:
            known = msgspec.structs.replace(family, labels=(*family.labels, "worker"), samples=[])
            families[family.name] = known
        known.samples.extend(
            msgspec.structs.replace(sample, labels=(*sample.labels, worker))
            for sample in family.samples
        )
