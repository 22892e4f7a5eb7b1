"""Logs: one line an event, JSON for machines and colours for a terminal; never a token [TOK-14]."""

from __future__ import annotations

import logging
import sys


def configure_logs() -> None:
    """Send everything that is logged, by us or a library, through structlog to standard error.

    Tracebacks are plain: those with local values would show forms, and so secrets.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Late())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


class _Late(logging.Formatter):
    """Formats as `_formatter` does, which is made with the first line: structlog brings colours
    and tables along, and most processes have nothing to tell."""

    def __init__(self) -> None:
        super().__init__()
        self._real: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._real is None:
            self._real = _formatter(is_terminal=sys.stderr.isatty())
        return self._real.format(record)


def _formatter(*, is_terminal: bool) -> logging.Formatter:
    import structlog

    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
    )
