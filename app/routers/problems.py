"""Errors on the wire: one table from kind to status, every answer an RFC 9457 problem document.

No answer and no log line ever repeats a value that was sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from app.core.logging import log
from app.domain.errors import BatchError, DomainError, ErrorKind, Reason, not_found
from app.domain.signing import MAX_AGE
from app.routers import fhir_answers
from app.routers.fhir_answers import FhirJSON, Refused, refused
from app.routers.strict_json import MalformedBody, UnsupportedBody
from app.services.failures import translate

MEDIA_TYPE = "application/problem+json"
_WRITING = ("POST", "PUT", "PATCH", "DELETE")
MAX_REASONS = 50
MAX_NAME = 64

STATUS: dict[ErrorKind, HTTPStatus] = {
    ErrorKind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.LOCKED: HTTPStatus.LOCKED,
    ErrorKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.VERSION_REQUIRED: HTTPStatus.PRECONDITION_REQUIRED,
    ErrorKind.VERSION_STALE: HTTPStatus.PRECONDITION_FAILED,
    ErrorKind.BUSY: HTTPStatus.CONFLICT,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorKind.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
}
_BEARER = 'Bearer realm="msc-icaht"'
STEP_UP_NEEDED = "insufficient_user_authentication"
# By code; a machine client may wait for the challenge before it shows its Basic credentials.
_CHALLENGES = {
    "invalid_credentials": f'{_BEARER}, Basic realm="msc-icaht"',
    "insufficient_scope": f'{_BEARER}, error="insufficient_scope"',
}


class ProblemError(BaseModel):
    """One thing that is wrong: where in the request, a stable code, and a sentence."""

    pointer: str = Field(examples=["/body/value"])
    code: str = Field(examples=["missing"])
    message: str = Field(examples=["This field is required."])


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(examples=["urn:msc-icaht:problem:not_eligible"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(
        examples=["The subject is not eligible; see the criteria that are not met."]
    )
    code: str = Field(examples=["not_eligible"])
    instance: str = Field(examples=["urn:uuid:01930000-0000-7000-8000-000000000000"])
    errors: list[ProblemError]


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the given error statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    reasons: Sequence[Reason] = (),
    **members: Any,
) -> Response:
    """Build the answer for one refusal; `members` are further members of the document.

    Below the FHIR façade every refusal is an OperationOutcome instead.
    """
    if fhir_answers.is_below(request):
        outcome = fhir_answers.problem_outcome(status, detail, reasons)
        return FhirJSON(outcome, status, _headers(request, status, code))
    body = Problem(
        type=f"urn:msc-icaht:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        instance=f"urn:uuid:{request.scope.get('request_id', '')}",
        errors=[ProblemError(pointer=r.pointer, code=r.code, message=r.message) for r in reasons],
    )
    content = body.model_dump() | members
    return JSONResponse(content, status, _headers(request, status, code), media_type=MEDIA_TYPE)


def _headers(request: Request, status: int, code: str) -> dict[str, str]:
    """Say how to authenticate, or when to come again."""
    if code == STEP_UP_NEEDED:
        return {"WWW-Authenticate": _step_up(request.app.state.settings.signing_acr)}
    if status == HTTPStatus.UNAUTHORIZED or code in _CHALLENGES:
        return {"WWW-Authenticate": _CHALLENGES.get(code, _BEARER)}
    return {"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def _step_up(acr: str) -> str:
    """Challenge for a fresh login of a class (RFC 9470)."""
    return (
        f'{_BEARER}, error="{STEP_UP_NEEDED}", acr_values="{acr}",'
        f' max_age="{int(MAX_AGE.total_seconds())}"'
    )


def install(app: FastAPI) -> None:
    """Answer every failure of the application as a problem document."""
    app.add_exception_handler(DomainError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(MalformedBody, _malformed)
    app.add_exception_handler(UnsupportedBody, _unsupported)
    app.add_exception_handler(Exception, unexpected)


async def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    members = {"report": error.report} if isinstance(error, BatchError) else {}
    status = STATUS[error.kind]
    response = problem(request, status, error.code, error.message, error.reasons, **members)
    if error.retry_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_seconds)
    return response


async def _malformed(request: Request, error: Exception) -> Response:
    return problem(request, 400, "malformed_body", str(error))


async def _unsupported(request: Request, error: Exception) -> Response:
    return problem(request, 415, "unsupported_media_type", str(error))


_HTTP = {
    404: ("not_found", "There is nothing at this address; check the path."),
    405: ("method_not_allowed", "This method is not offered here; see the Allow header."),
    413: ("body_too_large", "The body is larger than this operation accepts; send less at once."),
    415: ("unsupported_media_type", "Send the body as application/json."),
}


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, detail = _HTTP.get(error.status_code, ("bad_request", "The request cannot be read."))
    response = problem(request, error.status_code, code, detail)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = _offered(request)
    return response


def _offered(request: Request) -> str:
    """List every method of an address; the framework names those of one route only."""
    scope = request.scope
    return ", ".join(
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(r.matches({**scope, "method": method})[0] is Match.FULL for r in request.app.routes)
    )


def body_too_large(request: Request) -> Response:
    """Answer a body beyond the limit, which is refused before any endpoint is reached."""
    return problem(request, 413, *_HTTP[413])


def disconnected(request: Request) -> Response:
    """Answer, for the log, a client that went away before its request was complete."""
    return problem(request, 400, "request_incomplete", "The request ended before it was complete.")


def two_credentials(request: Request) -> Response:
    """Answer a request with two sets of credentials: a proxy may have judged the other one."""
    detail = "There is more than one Authorization header; send one."
    return problem(request, 400, "repeated_header", detail)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["loc"][:1] == ("path",) for item in found):
        return await _domain(request, not_found("record"))
    reasons = [_reason(item) for item in found[:MAX_REASONS]]
    detail = "The request does not fit; see errors for each field and what it takes."
    if len(found) > MAX_REASONS:
        detail = f"{detail} These are the first {MAX_REASONS} of {len(found)}."
    return problem(request, 422, "validation_failed", detail, reasons)


# Pydantic's own sentences speak to programmers, and one quotes a character of the value.
_SENTENCES = {
    "missing": "This is needed; give it.",
    "extra_forbidden": "There is no such field here; check its name.",
    "uuid_parsing": "This must be an id as the service gave it.",
    "uuid_type": "This must be an id as the service gave it.",
    "bool_type": "This must be true or false.",
    "string_type": "This must be text.",
    "int_type": "This must be a whole number.",
    "model_attributes_type": "This must be a JSON object.",
    "dict_type": "This must be a JSON object.",
    "list_type": "This must be a JSON array.",
}


# How Python shows a member of an enumeration; its value is the word on the wire.
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*'|\d+)>")


def _reason(item: dict[str, Any]) -> Reason:
    """Describe one misfit by its place and kind, never by its value."""
    parts = (str(part)[:MAX_NAME] for part in item["loc"])
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
    said = _MEMBER.sub(r"\1", str(item["msg"])).removeprefix("Value error, ")
    message = _SENTENCES.get(item["type"], said)
    return Reason(code=str(item["type"]), message=message, pointer=pointer)


async def unexpected(request: Request, error: Exception) -> Response:
    """Translate what the database says; anything else is our fault, logged without values."""
    known = translate(error, is_writing=request.method in _WRITING)
    if known is not None:
        return await _domain(request, known)
    log.error(
        "unexpected_error",
        error=type(error).__name__,
        request_id=request.scope.get("request_id"),
        where=_where(error),
    )
    detail = "Something went wrong here; nothing was stored. Try again and report the instance id."
    return problem(request, 500, "internal_error", detail)


def _where(error: BaseException) -> list[str]:
    """List the frames of our own code that the error passed, without arguments."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "site-packages" not in code.co_filename:
            frames.append(f"{code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames[-6:]
