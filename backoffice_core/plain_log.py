"""The log of every program: plain lines to one stream. A fault is told by where it happened and the first line of what it said:
never by local variables (they hold keys and people), nor by the lines after it (values that a database or a form refused)."""

import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, TextIO

import structlog

Fault = tuple[type[BaseException], BaseException, TracebackType | None]


def told(exc_info: Fault) -> str:
    """A traceback with its causes; of each message the first line."""
    found = traceback.TracebackException(*exc_info, capture_locals=False, compact=True)
    _shorten(found)
    return "".join(found.format()).rstrip("\n")


def _shorten(found: traceback.TracebackException) -> None:
    found._str = (str(found).splitlines() or [""])[0]  # type: ignore[attr-defined]  # there is no other way to it
    found.__notes__ = None
    for other in (found.__cause__, found.__context__, *(found.exceptions or ())):
        if other is not None:
            _shorten(other)


class _Formatter(logging.Formatter):
    def formatException(self, ei: object) -> str:
        return told(ei)  # type: ignore[arg-type]


def set_up(level: str) -> None:
    """For a program: our lines and those of libraries, from `level` up, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    lines(level, lambda: sys.stdout)


def lines(level: str, stream: Callable[[], TextIO]) -> None:
    """Our lines alone, to the stream as it is when something is said."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(told),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda *_: structlog.PrintLogger(stream()),
    )


def file(path: Path) -> IO[bytes]:
    """A log to append to, which only its owner reads."""
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.fchmod(number, 0o600)
    return os.fdopen(number, "ab")
