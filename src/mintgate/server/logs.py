"""Logs: one line an event, JSON for machines and colours for a terminal; never a token [TOK-14]."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mintgate.contract import request_ids
from mintgate.gate.access_log import FIELDS, LOGGER

if TYPE_CHECKING:
    import structlog

LogFormat = Literal["auto", "json", "console"]
_encode = msgspec.json.Encoder(enc_hook=repr).encode


def configure_logs(log_format: LogFormat = "auto", *, access_log: bool = False) -> None:
    """Send everything that is logged, by us or a library, through structlog to standard error.

    Tracebacks are plain: those with local values would show forms, and so secrets.

    Args:
        log_format: `auto` is `console` on a terminal, else `json`.
        access_log: whether every request gets a line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Late(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    if access_log:
        logging.getLogger(LOGGER).setLevel(logging.INFO)


class _Late(logging.Formatter):
    """Formats as `_formatter` does, which is made with the first line: structlog brings colours
    and tables along, and most processes have nothing to tell."""

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._log_format = log_format
        self._real: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._real is None:
            self._real = _formatter(self._log_format, is_terminal=sys.stderr.isatty())
        return self._real.format(record)


def _formatter(log_format: LogFormat, *, is_terminal: bool) -> logging.Formatter:
    import structlog

    in_json = log_format == "json" or (log_format == "auto" and not is_terminal)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if in_json
        else structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback, colors=is_terminal
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(
                fmt="iso", utc=True, key="time" if in_json else "timestamp"
            ),
            _add_request_id,
            _spread_fields,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([structlog.processors.format_exc_info] if in_json else []),
            renderer,
        ],
    )


def _json(event: Any, **_: Any) -> str:
    return _encode(event).decode()


def _add_request_id(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """What is logged while a request is answered tells which one."""
    request_id = request_ids.current()
    if request_id is not None:
        event["request_id"] = str(request_id)
    return event


def _spread_fields(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A line of the access log has fields of its own, instead of one text."""
    fields = getattr(event.get("_record"), FIELDS, None)
    if fields is not None:
        event.update(fields)
        event["event"] = "request"
    return event
