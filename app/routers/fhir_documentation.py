"""What OpenAPI says of the FHIR façade; what R4 itself says stands in HL7's own specification."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from app.interop.fhir.searching import COMMON
from app.routers.fhir_answers import FACADE, MEDIA_TYPE

Entry = dict[str, Any]
Responses = dict[int | str, Entry]

_R4 = "https://hl7.org/fhir/R4"
_TYPES = (
    "Observation", "DiagnosticReport", "Bundle", "Patient", "ResearchStudy", "ResearchSubject",
    "AdverseEvent", "CapabilityStatement",
)  # fmt: skip
# What each search parameter is for; the types of most are those of R4.
_SEARCH: dict[str, Entry] = {
    "study": {
        "description": "Key of the study; needed by who has roles in several.",
        "example": "NCT07212335",
    },
    "_id": {"description": "Ids, separated by commas."},
    "_lastUpdated": {
        "description": "When it was recorded or changed last.",
        "example": "ge2026-05",
    },
    "_count": {
        "description": "Items on a page, at most 200; 0 asks for the total only.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    },
    "_cursor": {"description": "Where a page begins; take it from the `next` link."},
    "identifier": {"description": "Identifiers, as `value` or `system|value`."},
    "subject": {"description": "The subject, by id or by number.", "example": "Patient/S-001"},
    "patient": {"description": "The same as `subject`.", "example": "S-001"},
    "individual": {"description": "The subject, by id or by number.", "example": "Patient/S-001"},
    "code": {
        "description": "A code, alone or as `system|code`.",
        "example": "http://loinc.org|751-8",
    },
    "event": {"description": "Key of the CTCAE term, alone or as `system|code`."},
    "status": {"description": "Statuses of R4, separated by commas."},
    "gender": {"description": "`female` or `male`.", "example": "female"},
    "date": {
        "description": "A date or an instant, with a prefix such as `ge`.",
        "example": "ge2026-05-01",
    },
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": (
        "`handling=strict` refuses what would wait in the inbox, `handling=lenient` passes over"
        " what cannot be taken; `return=minimal` and `return=OperationOutcome` choose the answer."
    ),
    "schema": {"type": "string", "examples": ["handling=strict"]},
}


def is_of_facade(path: str) -> bool:
    """Tell whether an operation's path is one of the façade's."""
    return path == FACADE or path.startswith(f"{FACADE}/")


def schemas() -> Entry:
    """Return the components of the façade: resources by their type, and what a refusal says."""
    found = {_name(kind): _resource(kind) for kind in (*_TYPES, "OperationOutcome")}
    found[_name("OperationOutcome")]["properties"]["issue"] = {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "required": ["severity", "code"],
            "properties": {
                "severity": {"enum": ["fatal", "error", "warning", "information"]},
                "code": {"type": "string", "examples": ["processing"]},
                "diagnostics": {"type": "string"},
                "expression": {"type": "array", "items": {"type": "string"}},
            },
        },
    }
    return found


def refusals(*statuses: int) -> Responses:
    """Return the entries of error statuses, each answered by an OperationOutcome."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": _content("OperationOutcome")}
        for status in statuses
    }


def answers(kind: str, description: str, *others: str) -> Entry:
    """Return the entry of an answer that is a resource of one of these types."""
    return {"description": description, "content": _content(kind, *others)}


def reading(kind: str) -> Entry:
    """Document reading one resource: arguments of the route."""
    known = [] if kind == "ResearchStudy" else [_parameter("study")]
    return {
        "responses": {200: answers(kind, f"The {kind}")},
        "openapi_extra": {"parameters": known},
    }


def searching_of(parameters: Collection[str]) -> Entry:
    """Document a search: arguments of the route."""
    known = [_parameter(name) for name in (*sorted(parameters), *sorted(COMMON))]
    return {
        "responses": {200: answers("Bundle", "A page of what was found: a searchset")},
        "openapi_extra": {"parameters": known},
    }


def taking(kind: str, examples: Entry, responses: Responses, *parameters: Entry) -> Entry:
    """Document a submission of a resource: arguments of the route."""
    shown = {name: {"value": example} for name, example in examples.items()}
    body = {"schema": _reference(kind), "examples": shown}
    return {
        "responses": responses,
        "openapi_extra": {
            "parameters": [_PREFER, *parameters],
            "requestBody": {
                "required": True,
                "content": {MEDIA_TYPE: body, "application/json": body},
            },
        },
    }


def header(name: str, description: str, example: str) -> Entry:
    """Describe a header that a route reads by itself."""
    schema = {"type": "string", "examples": [example]}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def query(name: str, description: str, example: str) -> Entry:
    """Describe a query parameter that a route reads by itself."""
    return header(name, description, example) | {"in": "query"}


def _parameter(name: str) -> Entry:
    """Describe a parameter of a search; an empty one is as if it were not given."""
    said = _SEARCH[name]
    schema = dict(said.get("schema", {"type": "string"}))
    if "example" in said:
        schema["examples"] = [said["example"]]
    return {
        "name": name,
        "in": "query",
        "description": said["description"],
        "allowEmptyValue": True,
        "schema": schema,
    }


def _name(kind: str) -> str:
    return f"Fhir{kind}"


def _reference(kind: str) -> Entry:
    return {"$ref": f"#/components/schemas/{_name(kind)}"}


def _content(*kinds: str) -> Entry:
    choices = [_reference(kind) for kind in kinds]
    return {MEDIA_TYPE: {"schema": choices[0] if len(choices) == 1 else {"anyOf": choices}}}


def _resource(kind: str) -> Entry:
    return {
        "type": "object",
        "title": kind,
        "description": f"A resource of FHIR R4: {_R4}/{kind.lower()}.html",
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": kind}},
    }
