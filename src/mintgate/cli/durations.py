"""Spans of time as people write them: `90s`, `30m`, `12h`, `7d`."""

from __future__ import annotations

import re

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")


def seconds_of(text: str) -> int:
    """The span in seconds.

    Raises:
        typer.BadParameter: it is not written so.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no span of time; write 90s, 30m, 12h or 7d")
    return int(found[1]) * _UNITS[found[2]]
