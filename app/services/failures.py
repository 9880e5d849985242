"""What a failing database means to the person who asked: one sentence, never a driver's words."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import DomainError, ErrorKind
from app.models.constraints import explain

# Connection lost, server shutting down or starting, too many connections, read-only standby.
_AWAY = ("08", "57P", "53", "25006")
_TOO_SLOW = "57014"


def translate(error: Exception) -> DomainError | None:
    """Return the domain error behind a failure of the database, None if it is something else."""
    if isinstance(error, (PoolTimeoutError, OSError, TimeoutError)):
        return _unavailable()
    if not isinstance(error, DBAPIError):
        return None
    cause = getattr(error.orig, "__cause__", None)
    sqlstate = getattr(cause, "sqlstate", None) or getattr(error.orig, "sqlstate", None)
    known = explain(getattr(cause, "constraint_name", None), sqlstate)
    if known is not None:
        return known
    away = error.connection_invalidated or str(sqlstate or "").startswith(_AWAY)
    return _unavailable() if away or sqlstate == _TOO_SLOW else None


def _unavailable() -> DomainError:
    return DomainError(
        ErrorKind.UNAVAILABLE,
        "database_unavailable",
        "The database does not answer at the moment; try again soon, a write with the same"
        " Idempotency-Key, because this one may have been stored.",
    )
