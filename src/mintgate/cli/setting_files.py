"""Settings with a password in them, from files: as containers and systemd hand out secrets."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from pathlib import Path

NAMES = (
    "MINTGATE_DATABASE",
    "MINTGATE_COUNTERS",
    "MINTGATE_KEY_ENCRYPTION_KEY",
    "MINTGATE_SMTP_PASSWORD",
)


def read_setting_files(environment: MutableMapping[str, str]) -> None:
    """Set each variable whose value is in the file that `…_FILE` names.

    Raises:
        SystemExit: both are set, or the file cannot be read.
    """
    for name in NAMES:
        file = environment.get(f"{name}_FILE")
        if not file:
            continue
        if environment.get(name):
            sys.exit(f"mintgate: {name} and {name}_FILE are both set; leave one of them out")
        try:
            text = Path(file).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            sys.exit(f"mintgate: {name}_FILE: {file} cannot be read: {reason}")
        environment[name] = text
