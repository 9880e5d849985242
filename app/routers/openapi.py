"""The OpenAPI document: every error of an operation, what an id names, decimals as JSON numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import GenerateJsonSchema

from app.routers import fhir_documentation
from app.routers.problems import Problem, documented

DESCRIPTION = """\
Runs the cell-therapy trial NCT07212335: facts are recorded once, every conclusion is derived from
facts, protocol version and moment, and says what it rests on.

Errors are RFC 9457 problem documents. Every single resource has an `ETag`; changes need it as
`If-Match` and a `reason`. Every POST honours `Idempotency-Key`. Every response has `X-Request-ID`.

People show an access token (Bearer). Laboratory systems send to `/lis/hl7v2`, `/lis/csv` and
`/fhir` with an access token or an API key (Bearer, or the password of Basic); `/lis/token` gives
them access tokens for assertions that they sign. A machine's token needs the scope of what it asks.
Whoever sends more messages a minute than agreed is answered 429 and comes again after `Retry-After`
seconds. Below `/fhir` every answer is a resource of FHIR R4, and every refusal an OperationOutcome.
"""

_BODY_ERRORS = (400, 413, 415, 422)
# What is tagged so writes records of a subject, which a closed casebook refuses.
_OF_SUBJECTS = {
    "subjects", "eligibility", "cohorts", "dosing", "product", "safety", "labs", "transfusions",
    "concomitant medications", "assessments", "inbox",
}  # fmt: skip
_WRITING = ("post", "put", "patch", "delete")
_NULL = {"type": "null"}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which the same request can succeed.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "The credentials that are taken.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_HEADERS = {"401": _CHALLENGE, "429": _RETRY_AFTER, "503": _RETRY_AFTER}


def install(app: FastAPI) -> None:
    """Make `app.openapi()` return this service's document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def build(app: FastAPI) -> dict[str, Any]:
    """Build the document from the routes."""
    with _decimals_as_numbers():
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
        )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    schemas.update(fhir_documentation.schemas())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _document_errors(path, method, operation)
            _describe_parameters(operation)
    return document


@contextmanager
def _decimals_as_numbers() -> Iterator[None]:
    """Describe every decimal as a number: conclusions are plain dataclasses and cannot say so."""
    usual = GenerateJsonSchema.decimal_schema
    GenerateJsonSchema.decimal_schema = lambda *_: {"type": "number"}  # type: ignore[method-assign]
    try:
        yield
    finally:
        GenerateJsonSchema.decimal_schema = usual  # type: ignore[method-assign]


def _describe_parameters(operation: dict[str, Any]) -> None:
    """Say of the ids in a path what they name, and that no parameter outside a body can be null."""
    for parameter in operation.get("parameters", []):
        noun, _, id_ = parameter["name"].rpartition("_")
        if parameter["in"] == "path" and id_ == "id":
            parameter.setdefault("description", f"Id of the {noun}, as lists of them show it.")
        schema = parameter["schema"]
        kinds = [kind for kind in schema.pop("anyOf", ()) if kind != _NULL]
        if len(kinds) == 1:
            schema |= kinds[0]
        elif kinds:
            schema["anyOf"] = kinds


def _document_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add the errors that follow from what an operation is, beside those it names itself."""
    responses = operation["responses"]
    if responses.get("422", {}).get("description") == "Validation Error":
        del responses["422"]
    security = [scheme for choice in operation.get("security", ()) for scheme in choice]
    if method == "get" and security:
        responses.setdefault("304", {"description": "Not Modified"})
    facade = fhir_documentation.is_of_facade(path)
    entries = fhir_documentation.refusals if facade else documented
    for status, entry in entries(*_statuses(method, operation, security, facade)).items():
        responses.setdefault(str(status), entry)
    for status, headers in _HEADERS.items():
        if status in responses and security:
            responses[status].setdefault("headers", headers)


def _statuses(
    method: str, operation: dict[str, Any], security: list[str], facade: bool
) -> list[int]:
    """List the error statuses that follow from what an operation is and takes."""
    names = {parameter["name"].lower() for parameter in operation.get("parameters", [])}
    causes = (
        (True, (500, 503)),
        (bool(security), (400, 401, 403, 422)),
        ("study" in names, (403, 404, 409)),
        ("HTTPBasic" in security, (400, 403, 413, 415, 429)),
        (facade and bool(security), (400, 403, 406)),
        (facade and bool(security) and method == "get", (404,)),
        (method in _WRITING, (409,)),
        (method in _WRITING and not _OF_SUBJECTS.isdisjoint(operation.get("tags", ())), (423,)),
        ("requestBody" in operation, _BODY_ERRORS),
        (not names.isdisjoint({"if-match", "if-none-exist"}), (412,)),
        ("if-match" in names and not facade, (428,)),
    )
    return sorted({status for applies, group in causes if applies for status in group})
