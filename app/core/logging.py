"""Structured logs: one JSON object a line on standard error, ids only, never a patient value."""

from __future__ import annotations

import logging
import sys

import structlog


class LibraryRecords(logging.Handler):
    """Writes what libraries log as events, without arguments and tracebacks.

    Both can hold what a request or a database said, hence a patient's values.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record: its first fixed words, where it comes from, the kind of error."""
        error = record.exc_info[0] if record.exc_info else None
        log.log(
            record.levelno,
            str(record.msg).strip().partition("\n")[0],
            logger=record.name,
            **({"error": error.__name__} if error else {}),
        )


def configure_logging(level: str) -> None:
    """Send this service's events as JSON and keep the libraries quiet."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
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
