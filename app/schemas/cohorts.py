"""Cohorts on the wire: places, who holds them, and how each counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.domain.errors import Reason
from app.domain.evaluability import EvaluabilityState
from app.domain.vocabulary import CohortPhase


class CohortStatus(StrEnum):
    """Where a cohort stands; `complete` is said of the expansion, when all its results are in."""

    ENROLLING = "enrolling"
    WAITING = "waiting"
    NEEDS_SIX = "needs_six"
    TOLERATED = "tolerated"
    TOXIC = "toxic"
    CLOSED = "closed"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSubject:
    """An enrolled subject: the place, and how the subject counts for the level.

    `window_end` is the last day of the DLT window, a projection while infusions are to come.
    """

    subject_id: UUID
    number: str
    enrolment_id: UUID
    slot: int
    replaces_id: UUID | None
    state: EvaluabilityState
    has_dlt: bool
    open_items: int
    window_start: date | None
    window_end: date | None
    window_end_projected: bool
    reasons: tuple[Reason, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortView:
    """A dose level in a phase; `pending` counts open adjudications and unexplained deaths.

    `enrolled` counts replaced subjects too, `slots` the places that decisions have opened.
    """

    id: UUID
    dose_level: str
    phase: CohortPhase
    status: CohortStatus
    is_open: bool
    dosing_blocked: bool
    slots: int
    free_slots: int
    enrolled: int
    dosed: int
    in_window: int
    unresolved: int
    evaluable: int
    not_evaluable: int
    dlts: int
    pending: int
    subjects: tuple[CohortSubject, ...]
    decision_id: UUID | None
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortListing:
    """One page of cohorts, in the order in which they were opened."""

    items: list[CohortView]
    next: str | None
    protocol_version: int
    protocol_digest: str
    as_of: datetime
