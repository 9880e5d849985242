"""Protocol definitions on the wire: the domain's own rule sets, validated and described."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError

from app.domain.errors import DomainError, ErrorKind, Reason
from app.domain.protocol import ProtocolDefinition
from app.schemas.signatures import Stamped
from app.schemas.types import Body, Change, LongText, StudyDate, View, example

_ADAPTER = TypeAdapter(ProtocolDefinition)
_PARSED: dict[str, ProtocolDefinition] = {}


def parse_definition(document: dict[str, Any]) -> ProtocolDefinition:
    """Validate a definition; raise invalid with one reason for each place that does not fit."""
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        reasons = tuple(
            Reason(
                code=item["type"],
                message=item["msg"].removeprefix("Value error, "),
                pointer="/body/definition/" + "/".join(str(part) for part in item["loc"]),
            )
            for item in error.errors(include_input=False, include_url=False)
        )
        raise DomainError(
            ErrorKind.INVALID,
            "invalid_definition",
            "The protocol definition does not fit its schema; see errors for each place.",
            reasons,
        ) from error


def stored_definition(digest: str, document: dict[str, Any]) -> ProtocolDefinition:
    """Return a stored definition as rules, parsed once for each digest of its content."""
    if digest not in _PARSED:
        _PARSED[digest] = parse_definition(document)
    return _PARSED[digest]


def definition_schema() -> dict[str, Any]:
    """Return the JSON Schema of a protocol definition."""
    return _ADAPTER.json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


Document = Annotated[
    dict[str, Any],
    Field(description="A protocol definition; its JSON Schema is at `protocol/schema`."),
]


class StudyCreate(Body):
    """A new study is its first protocol definition, in force from a study day on."""

    model_config = example(
        definition={"study": {"key": "NCT07212335"}, "dosing": {}},
        effective_from="2026-05-01",
    )

    definition: Document
    effective_from: StudyDate


class ProtocolVersionCreate(Body):
    """An amendment: a whole definition and what it changes."""

    model_config = example(
        definition={"study": {"key": "NCT07212335"}, "dosing": {}},
        summary="Amendment 1: the pause after the first subject of a level.",
    )

    definition: Document
    summary: LongText


class ActivationCreate(Change):
    """The signature that puts a version into force from a study day on."""

    model_config = example(
        effective_from="2026-06-15",
        reason="Approved by the ethics committee.",
    )

    effective_from: StudyDate


class ProtocolVersionView(View):
    """One version with what became of it."""

    id: UUID
    number: int
    digest: str
    summary: str
    recorded_at: datetime
    effective_from: date | None = None
    activated_by: UUID | None = None


class SignedProtocolVersionView(ProtocolVersionView, Stamped):
    """A version that was put into force, beside the signature that did so."""


class ProtocolView(View):
    """The definition in force, its number and digest, and the assumptions it names."""

    number: int
    digest: str
    effective_from: date
    definition: dict[str, Any]
