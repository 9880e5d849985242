"""Structured logs: one JSON object a line on standard error, ids only, never a patient value."""

from __future__ import annotations

import logging
import re
import sys
from time import monotonic

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.core.release import release

# Where a %-argument would go.
_ARGUMENT = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[hlL]?[a-zA-Z]")
# Behind these a sentence that was put together holds what it is about.
_OWN_CONTENT = re.compile(r"[\d%:=@<>(){}\[\]\"'`/\\]")
# A collector that is away is told of by each batch; once in a while is enough.
_SELDOM, _SELDOM_SECONDS = "opentelemetry", 600


class LibraryRecords(logging.Handler):
    """Writes what libraries log as events, without arguments and tracebacks.

    Both can hold what a request or a database said, hence a patient's values.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record: its first fixed words, where it comes from, the kind of error."""
        words = fixed_words(record)
        if self._was_said(record.name, words):
            return
        error = record.exc_info[0] if record.exc_info else None
        log.log(
            record.levelno,
            words,
            logger=record.name,
            **({"error": error.__name__} if error else {}),
        )

    def _was_said(self, logger: str, words: str) -> bool:
        """Tell whether a talkative library said the same a moment ago."""
        if logger.partition(".")[0] != _SELDOM:
            return False
        now, key = monotonic(), (logger, words)
        said = self._said.get(key)
        if said is not None and now - said < _SELDOM_SECONDS:
            return True
        self._said[key] = now
        return False


def fixed_words(record: logging.LogRecord) -> str:
    """Return the first line of a library's sentence, with ... for what is not of its own code.

    With arguments the sentence is a template; without, it may have been put together before.
    """
    if not isinstance(record.msg, str):
        return type(record.msg).__name__
    line = record.msg.strip().partition("\n")[0]
    if record.args:
        return _ARGUMENT.sub("...", line).replace("%%", "%")
    found = _OWN_CONTENT.search(line)
    return f"{line[: found.start()].rstrip()} ...".strip() if found else line


class Origin:
    """Says in each line which process of which release wrote it."""

    def __init__(self, process: str) -> None:
        self._origin = {"process": process, "release": release()}

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Add the origin to an event."""
        event.update(self._origin)
        return event


def configure_logging(level: str, process: str) -> None:
    """Send a process's events as JSON, named by the process, and keep the libraries quiet."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Origin(process),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryRecords()], force=True)


log: structlog.stdlib.BoundLogger = structlog.get_logger()
