"""Assessments on the wire: a kind, a moment, and content that fits the kind."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from app.domain.errors import DomainError, ErrorKind, Reason
from app.domain.vocabulary import AssessmentKind
from app.schemas import assessment_content as kinds
from app.schemas.signatures import Stamped
from app.schemas.types import LAX, Body, Change, Id, Instant, Number, View, example, json_number

KindWord = Annotated[AssessmentKind, LAX]


def parse_content(kind: AssessmentKind, content: Any) -> dict[str, Any]:
    """Validate content by its kind; raise invalid with one reason for each entry that misfits."""
    try:
        parsed = kinds.CONTENTS[kind].model_validate(content)
    except ValidationError as error:
        reasons = tuple(
            Reason(
                code=item["type"],
                message=item["msg"].removeprefix("Value error, "),
                pointer="/body/content" + "".join(f"/{part}" for part in item["loc"]),
            )
            for item in error.errors(include_input=False, include_url=False)
        )
        raise DomainError(
            ErrorKind.INVALID,
            "invalid_content",
            f"The content does not fit the kind {kind.value}; see errors for each entry.",
            reasons,
        ) from error
    return parsed.model_dump(exclude_none=True)


def _as_sent(value: Any, _: ValidatorFunctionWrapHandler) -> Any:
    """Leave the content to `parse_content`, which knows the kind also when a record changes."""
    return value


def _as_read(value: Any) -> Any:
    return value


def _numbers(value: Any) -> Any:
    """Write the exact numbers inside of content as JSON numbers."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    return json_number(value) if isinstance(value, Decimal) else value


ContentBody = Annotated[
    kinds.VitalSigns
    | kinds.PhysicalExamination
    | kinds.Ecog
    | kinds.Ecg
    | kinds.BoneMarrow
    | kinds.Chimerism
    | kinds.PregnancyTest
    | kinds.InfectionScreen
    | kinds.ResponseOpinion,
    WrapValidator(_as_sent),
    PlainSerializer(_as_read),
]
ContentView = Annotated[
    dict[str, Any],
    PlainSerializer(_numbers, when_used="json"),
    WithJsonSchema({"type": "object", "description": "As sent; its names follow from the kind."}),
]


class AssessmentCreate(Body):
    """One assessment of a subject."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        kind="ecog",
        performed_at="2026-06-02T09:00:00+08:00",
        content={"score": 1},
    )

    subject_id: Id
    kind: KindWord
    performed_at: Instant
    content: ContentBody


class AssessmentChange(Change):
    """What is to change; content is replaced as a whole, and a kind never changes."""

    model_config = example(
        content={"score": 2},
        reason="Corrected from the source document.",
    )

    performed_at: Instant | None = None
    content: ContentBody | None = None
    retracted: bool | None = None


class AssessmentDoubtView(View):
    """What an assessment leaves open, or contradicts; it is kept all the same."""

    code: str = Field(examples=["flow_mrd_missing"])
    message: str


class AssessmentView(View):
    """An assessment; a retracted one counts for nothing."""

    id: UUID
    subject_id: UUID
    kind: AssessmentKind
    performed_at: datetime
    day: date
    content: ContentView
    computed_qtcf_ms: Number | None = Field(
        description="Fridericia's formula on qt_ms and rr_ms; null where they were not measured."
    )
    doubts: list[AssessmentDoubtView]
    retracted: bool
    version: int
    recorded_at: datetime


class SignedAssessmentView(AssessmentView, Stamped):
    """An investigator's opinion beside the signature on it."""
