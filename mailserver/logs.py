"""Structured logs: one event a line, as JSON or for people, with the role and process in each."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict

from config.settings import Log

#: Characters of one value that are kept.
VALUE = 1024


def set_up(settings: Log, role: str) -> None:
    """Send the events of all rooms and of the libraries' loggers to one place."""
    stream: TextIO = sys.stderr
    if settings.folder is not None:
        settings.folder.mkdir(parents=True, exist_ok=True)
        stream = open(  # noqa: SIM115 - it stays open as long as the process
            settings.folder / f"{role}.log", "a", buffering=1, encoding="utf-8", errors="backslashreplace"
        )
    level = getattr(logging, settings.level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _Origin(role), _cut, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_QuietFactory(stream),
        cache_logger_on_first_use=True,
    )
    # Libraries speak through the standard logger; only what is worth waking somebody for is kept.
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge()], force=True)
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.ERROR)


class _Origin:
    """Adds the role and process number."""

    def __init__(self, role: str) -> None:
        self._role = role

    def __call__(self, _logger: Any, _name: str, event: EventDict) -> EventDict:
        return {"role": self._role, "pid": os.getpid(), **event}


def _cut(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Bound every value: what strangers send must not fill the log."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) > VALUE and key != "exception":
            event[key] = value[:VALUE] + "…"
    return event


class _Quiet:
    """Writes lines; a full log disk never stops mail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line.replace("\n", "\\n") + "\n" if line.startswith("{") else line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = log = failure = fatal = msg


class _QuietFactory:
    def __init__(self, stream: TextIO) -> None:
        self._logger = _Quiet(stream)

    def __call__(self, *_: Any) -> _Quiet:
        return self._logger


class _Bridge(logging.Handler):
    """Standard records become events."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, "library", logger=record.name, text=record.getMessage(), exc_info=record.exc_info or None
        )
