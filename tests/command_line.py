"""The command line within the test's own process, where starting one would prove nothing more."""

from __future__ import annotations

import os
from typing import NamedTuple

from typer.testing import CliRunner


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str, **variables: str) -> Done:
    """Run `mintgate` in the current folder, with these variables of ours and no others."""
    from mintgate.cli.commands import app

    unset: dict[str, str | None] = {n: None for n in os.environ if n.startswith("MINTGATE_")}
    result = CliRunner().invoke(app, arguments, env={**unset, **variables})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception  # people would see a traceback
    return Done(result.exit_code, result.stdout, result.stderr)
