"""Answers of the FHIR façade: resources as FHIR JSON, and every refusal as an OperationOutcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.core.serialization import to_readable_json
from app.domain.errors import Reason
from app.interop.fhir.outcomes import operation_outcome
from app.interop.fhir.primitives import Resource
from app.interop.fhir.refusals import Issue, Refusal

FACADE = "/api/v1/fhir"
MEDIA_TYPE = "application/fhir+json"

# The status of a refusal by the code of its first issue.
_STATUS = {
    "structure": HTTPStatus.BAD_REQUEST,
    "invalid": HTTPStatus.BAD_REQUEST,
    "value": HTTPStatus.BAD_REQUEST,
    "not-supported": HTTPStatus.UNPROCESSABLE_ENTITY,
    "processing": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too-costly": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "conflict": HTTPStatus.PRECONDITION_FAILED,
    "multiple-matches": HTTPStatus.PRECONDITION_FAILED,
    "business-rule": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not-found": HTTPStatus.NOT_FOUND,
}
# The code of an issue by the status of a refusal that is not the façade's own.
_CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    409: "conflict",
    412: "conflict",
    413: "too-costly",
    415: "not-supported",
    422: "processing",
    423: "lock-error",
    428: "business-rule",
    429: "throttled",
    503: "transient",
}


class FhirJSON(Response):
    """A resource written digit for digit."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Write the resource."""
        return to_readable_json(content).encode()


class Refused(HTTPException):
    """A refusal on its way out; nothing of the request is stored."""

    def __init__(self, status: int, issues: Sequence[Issue]) -> None:
        super().__init__(status)
        self.issues = issues


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a refusal of the translation into an answer."""
    try:
        yield
    except Refusal as refusal:
        raise Refused(status_of(refusal.issues[0]), refusal.issues) from None


def status_of(issue: Issue) -> HTTPStatus:
    """Return the status that an issue means."""
    return _STATUS[issue.code]


async def refused(_request: Request, error: Exception) -> Response:
    """Answer a refusal."""
    assert isinstance(error, Refused)
    return FhirJSON(operation_outcome(error.issues), error.status_code)


def is_below(request: Request) -> bool:
    """Tell whether a request is to the façade."""
    path = request.url.path
    return path == FACADE or path.startswith(f"{FACADE}/")


def problem_outcome(status: int, detail: str, reasons: Sequence[Reason]) -> Resource:
    """Say as an OperationOutcome what elsewhere is a problem document."""
    code = _CODES.get(status, "exception")
    issues = [Issue(code, reason.message, _expression(reason.pointer)) for reason in reasons]
    return operation_outcome(issues or [Issue(code, detail)])


def _expression(pointer: str) -> str:
    """Name a parameter that is at fault; bodies of the façade have no pointers."""
    return pointer.removeprefix("/query/") if pointer.startswith("/query/") else ""
