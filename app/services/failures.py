"""What a failing database means to the person who asked: one sentence, never a driver's words."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import DomainError, ErrorKind
from app.models.constraints import explain

# Connection lost, server shutting down or starting, too many connections, read-only standby.
_AWAY = ("08", "57P", "53", "25006")
_TOO_SLOW = "57014"
# How the driver says that the server ended the connection before a transaction could be finished.
_CLOSED = "connection is closed"


def translate(error: Exception, *, is_writing: bool = True) -> DomainError | None:
    """Return the domain error behind a failure of the database, None if it is something else.

    Only to a request that writes it is said that it may have been stored.
    """
    if isinstance(error, PoolTimeoutError):
        return _overloaded()
    if isinstance(error, (OSError, TimeoutError)):
        return _unavailable(is_writing)
    if not isinstance(error, DBAPIError):
        return None
    cause = getattr(error.orig, "__cause__", None)
    sqlstate = getattr(cause, "sqlstate", None) or getattr(error.orig, "sqlstate", None)
    known = explain(getattr(cause, "constraint_name", None), sqlstate)
    if known is not None:
        return known
    away = (
        error.connection_invalidated
        or str(sqlstate or "").startswith(_AWAY)
        or (isinstance(error, InterfaceError) and _CLOSED in str(error.orig))
    )
    return _unavailable(is_writing) if away or sqlstate == _TOO_SLOW else None


def _overloaded() -> DomainError:
    return DomainError(
        ErrorKind.UNAVAILABLE,
        "overloaded",
        "Too many requests are being answered at the moment; nothing was stored; try again soon.",
    )


def _unavailable(is_writing: bool) -> DomainError:
    advice = (
        ", a write with the same Idempotency-Key, because this one may have been stored"
        if is_writing
        else ""
    )
    return DomainError(
        ErrorKind.UNAVAILABLE,
        "database_unavailable",
        f"The database does not answer at the moment; try again soon{advice}.",
    )
