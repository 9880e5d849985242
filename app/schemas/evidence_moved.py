"""Evidence that moved under decisions and signatures, and its reviews, on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.domain.evidence_moved import MovedStatus, MovedType, ReviewConclusion
from app.domain.hindsight import FieldMove
from app.schemas.types import LAX, Body, Code, Id, LongText, View, example

MovedWord = Annotated[MovedType, LAX]
ConclusionWord = Annotated[ReviewConclusion, LAX]


class Movement(StrEnum):
    """What became of a record."""

    RECORDED = "recorded"
    CHANGED = "changed"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteView:
    """Who wrote a version of a record, when and why."""

    version: int | None
    recorded_at: datetime
    operation_id: UUID
    command: str
    actor_id: UUID | None
    actor_name: str
    role: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRecordView:
    """A record that reads differently now for the moment of the decision, and who wrote it since.

    `changes` are the fields that a rule reads; `version_before` is None for what was not on record.
    """

    record_type: str
    record_id: UUID
    subject_id: UUID | None
    movement: Movement
    version_before: int | None
    version_now: int | None
    changes: tuple[FieldMove, ...]
    writes: tuple[WriteView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceView:
    """A part of the conclusion: as it was drawn, and as it is drawn now for the same moment."""

    name: str
    subject_id: UUID | None
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """What a person concluded about a movement; `current` if nothing moved since."""

    id: UUID
    moved_digest: str
    conclusion: ReviewConclusion
    text: str
    reviewed_by: UUID
    reviewed_by_name: str
    role: str
    recorded_at: datetime
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceMovedView:
    """A decision or signature whose basis reads differently now than when it was made.

    `basis_digest` is the digest of the evidence or document it names; `conclusion_changed` tells
    whether another conclusion follows, or only other facts under the same one. `moved_digest` names
    this very movement. `moved_elsewhere` counts records of sites that the reader does not see.
    """

    type: MovedType
    id: UUID
    title: str
    subject_id: UUID | None
    subject_number: str | None
    record_type: str
    record_id: UUID
    made_at: datetime
    made_by: UUID | None
    made_by_name: str | None
    basis_digest: str | None
    signatures: tuple[UUID, ...]
    conclusion_changed: bool
    conclusion: tuple[DifferenceView, ...]
    moved: tuple[MovedRecordView, ...]
    moved_elsewhere: int
    moved_digest: str
    status: MovedStatus
    renewed_by: UUID | None
    reviews: tuple[ReviewView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceMovedListing:
    """All that moved, the oldest first; `open` counts what nobody has looked at."""

    items: list[EvidenceMovedView]
    open: int
    as_of: datetime
    next: str | None


class ReviewCreate(Body):
    """What a person concluded about a movement as it was shown."""

    model_config = example(
        type="escalation_decision",
        id="01930000-0000-7000-8000-000000000001",
        moved_digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        conclusion="stands",
        text="The corrected grade does not change the recommendation.",
    )

    type: MovedWord
    id: Id
    moved_digest: Annotated[
        Code, Field(description="The `moved_digest` that was read; refused if more moved since.")
    ]
    conclusion: ConclusionWord
    text: LongText


class EvidenceReviewView(View):
    """A review as it was recorded."""

    id: UUID
    record_type: MovedType
    record_id: UUID
    moved_digest: str
    conclusion: ReviewConclusion
    text: str
    reviewed_by: UUID
    recorded_at: datetime
