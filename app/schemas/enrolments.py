"""Enrolment on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.domain.eligibility import EligibilityFlag
from app.domain.errors import Reason
from app.domain.vocabulary import CohortPhase
from app.schemas.types import Body, Name, Rationale, example


class EnrolmentCreate(Body):
    """Takes the next free place of the open cohort."""

    model_config = example(
        dose_level="A",
    )

    dose_level: Name | None = Field(
        default=None, description="The level you expect to be open; refused if it is another."
    )
    reason: Rationale | None = Field(
        default=None,
        description="Needed when a replacement goes beyond the planned total, and when the"
        " planned first infusion day has passed because the enrolment is recorded late.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentView:
    """The place a subject took, and the digest of the eligibility it was taken on.

    `warnings` are the ladder's; `flags` are remarks on the eligibility that did not stand in the
    way.
    """

    id: UUID
    subject_id: UUID
    number: str
    cohort_id: UUID
    dose_level: str
    phase: CohortPhase
    slot: int
    replaces_id: UUID | None
    warnings: tuple[Reason, ...]
    flags: tuple[EligibilityFlag, ...]
    protocol_version: int
    evidence_digest: str
    recorded_at: datetime
