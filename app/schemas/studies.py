"""Studies on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from app.domain.escalation_steps import LadderAction
from app.domain.vocabulary import CohortPhase, SubjectStatus
from app.schemas.types import View


class StudyView(View):
    """A study as the list shows it."""

    study_id: UUID
    key: str = Field(examples=["NCT07212335"])
    title: str
    time_zone: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCohort:
    """Where subjects are enrolled; no place is open while the recommendation is not `enrol`."""

    dose_level: str
    phase: CohortPhase
    slots_open_now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionState:
    """What the decisions in force say; `proposal_open` tells that one waits for its verdict."""

    on_hold: bool
    stopped: bool
    closed_levels: tuple[str, ...]
    declared_mtd: str | None
    expansion_level: str | None
    proposal_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """Where a study stands: subjects by status, the open cohort, and what should happen next.

    Everybody in the study may read it, so it names no subject and no event.
    """

    study_id: UUID
    key: str
    title: str
    time_zone: str
    registered_enrolment: int
    subjects: dict[SubjectStatus, int]
    open_cohort: OpenCohort | None
    recommendation: LadderAction
    level: str | None
    target_level: str | None
    permitted: bool
    decisions: DecisionState
    study_day: date
    protocol_version: int
    protocol_digest: str
    as_of: datetime
