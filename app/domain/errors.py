"""Domain errors: a kind, a stable code and one sentence for a person, never a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class ErrorKind(StrEnum):
    """What went wrong, in terms that do not depend on a transport."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    LOCKED = "locked"
    FORBIDDEN = "forbidden"
    UNAUTHENTICATED = "unauthenticated"
    VERSION_REQUIRED = "version_required"
    VERSION_STALE = "version_stale"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a refusal: where (a JSON pointer, may be empty), a code and one sentence."""

    code: str
    message: str
    pointer: str = ""


class DomainError(Exception):
    """A refusal: `message` says what is wrong and what to do, without any patient value.

    `retry_seconds` is when the same request can succeed, None where waiting is not the answer.
    """

    def __init__(
        self,
        kind: ErrorKind,
        code: str,
        message: str,
        reasons: tuple[Reason, ...] = (),
        retry_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.reasons = reasons
        self.retry_seconds = retry_seconds

    def below(self, part: str) -> DomainError:
        """Return this refusal with its pointers below a part of the request, such as /body."""
        moved = (replace(reason, pointer=part + reason.pointer) for reason in self.reasons)
        return DomainError(self.kind, self.code, self.message, tuple(moved), self.retry_seconds)


class BatchError(DomainError):
    """A refusal of many parts together; `report` is JSON that says of each what became of it."""

    def __init__(
        self, kind: ErrorKind, code: str, message: str, reasons: tuple[Reason, ...],
        report: Mapping[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(kind, code, message, reasons)
        self.report = report


def invalid(code: str, message: str, pointer: str = "") -> DomainError:
    """Refuse a value; `pointer` is the JSON pointer of the field at fault."""
    reasons = (Reason(code, message, pointer),) if pointer else ()
    return DomainError(ErrorKind.INVALID, code, message, reasons)


def not_found(noun: str) -> DomainError:
    """Say that a record does not exist in this study, the same for foreign and absent ones."""
    return DomainError(
        ErrorKind.NOT_FOUND, "not_found", f"There is no such {noun} here; check the identifier."
    )


def conflict(code: str, message: str, reasons: tuple[Reason, ...] = ()) -> DomainError:
    """Refuse a step that the present state does not allow."""
    return DomainError(ErrorKind.CONFLICT, code, message, reasons)


def forbidden(code: str, message: str) -> DomainError:
    """Refuse an act that the person's role does not allow."""
    return DomainError(ErrorKind.FORBIDDEN, code, message)


def too_many(code: str, message: str, retry_seconds: int) -> DomainError:
    """Refuse what comes too fast; `retry_seconds` from now it can come again."""
    return DomainError(ErrorKind.TOO_MANY, code, message, retry_seconds=retry_seconds)
