"""The safety committee's dossier on the wire: one page of everything that a decision rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.domain.dlt import DltWindow
from app.domain.dlt_standing import DltStanding
from app.domain.errors import Reason
from app.domain.escalation_rules import DecisionAction
from app.domain.evaluability import EvaluabilityState
from app.domain.event_candidates import EventCandidate
from app.domain.evidence_moved import MovedStatus, MovedType, ReviewConclusion
from app.domain.facts import Disposition
from app.domain.queries import QueryOrigin, QueryStatus
from app.domain.safety_reporting import ReportClass, ReportKind, ReportRecipient
from app.domain.vocabulary import Causality, CohortPhase, SeriousnessCriterion
from app.domain.what_if import WhatIf
from app.schemas.decisions import DecisionStatus
from app.schemas.deviations import DeviationView
from app.schemas.escalation import EscalationView
from app.schemas.evidence_moved import DifferenceView, Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierSubject:
    """An enrolled subject: how it counts and why, with its window of observation.

    `window` is null before the first infusion; its end is null while infusions are to come.
    """

    subject_id: UUID
    subject_number: str
    slot: int
    enrolled_on: date
    state: EvaluabilityState
    has_dlt: bool
    open_items: int
    reasons: tuple[Reason, ...]
    window: DltWindow | None
    first_infusion_day: date | None
    infusions_given: int
    infusions_planned: int
    exits: tuple[Disposition, ...]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierLevel:
    """Who was enrolled on a level in a phase."""

    level: str
    phase: CohortPhase
    subjects: tuple[DossierSubject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierDecision:
    """A decision about the ladder and the verdict on it, if any was given."""

    decision_id: UUID
    round: int
    action: DecisionAction
    dose_level: str | None
    status: DecisionStatus
    rationale: str
    recorded_at: datetime
    verdict: str | None
    verdict_rationale: str | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierEvent:
    """An adverse event by its worst grade, and how it stands as a dose-limiting toxicity.

    What was written beside an "Other, specify" term is not shown: it is free text, which may name
    somebody; the event has it.
    """

    adverse_event_id: UUID
    version: int
    subject_id: UUID
    subject_number: str
    dose_level: str | None
    term: str
    soc: str
    worst_grade: int
    baseline_grade: int | None
    onset_day: date
    end_day: date | None
    causality: Causality | None
    causality_disease: Causality | None
    seriousness: tuple[SeriousnessCriterion, ...]
    dlt: DltStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierCandidate(EventCandidate):
    """A laboratory abnormality that may have to be recorded as an event."""

    subject_id: UUID
    subject_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierReport:
    """A safety report that is overdue."""

    adverse_event_id: UUID
    subject_id: UUID
    subject_number: str
    term: str
    worst_grade: int
    kind: ReportKind
    concerns: ReportClass
    jurisdiction: str
    recipient: ReportRecipient
    due_at: datetime | None
    due_day: date | None
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierQuery:
    """A question that waits for somebody; `text` is null where people put it in their own words."""

    query_id: UUID
    subject_id: UUID
    subject_number: str
    record_type: str
    record_id: UUID | None
    field: str | None
    day: date | None
    origin: QueryOrigin
    rule_key: str | None
    status: QueryStatus
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingItem:
    """Something that should be on record and is not.

    `day` is the last on which it was in time, or the day of what is incomplete.
    """

    subject_id: UUID
    subject_number: str
    code: str
    message: str
    day: date | None
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierMove:
    """A record that reads differently now: which fields of it, and in which roles it was written.

    What stood in the fields, and why somebody changed them, is in the list of what moved.
    """

    record_type: str
    record_id: UUID
    subject_number: str | None
    movement: Movement
    fields: tuple[str, ...]
    written_as: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierMovement:
    """A decision or signature whose basis reads differently now; `reviews` are of this movement."""

    type: MovedType
    id: UUID
    title: str
    subject_id: UUID | None
    subject_number: str | None
    made_at: datetime
    conclusion_changed: bool
    conclusion: tuple[DifferenceView, ...]
    moved: tuple[DossierMove, ...]
    moved_digest: str
    status: MovedStatus
    reviews: tuple[ReviewConclusion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierContent:
    """All that the committee decides on, as it stood at `as_of`.

    `events` are of grade 3 and above, serious, or proposed or judged as dose-limiting;
    `pending_adjudications` are those among them that wait for a signature. `what_if` draws the
    ladder again for each outcome that is still out.
    """

    study: str
    title: str
    study_day: date
    ladder: EscalationView
    decisions: tuple[DossierDecision, ...]
    levels: tuple[DossierLevel, ...]
    events: tuple[DossierEvent, ...]
    pending_adjudications: tuple[DossierEvent, ...]
    candidates: tuple[DossierCandidate, ...]
    overdue_reports: tuple[DossierReport, ...]
    deviations: tuple[DeviationView, ...]
    open_queries: tuple[DossierQuery, ...]
    missing_data: tuple[MissingItem, ...]
    evidence_moved: tuple[DossierMovement, ...]
    what_if: tuple[WhatIf, ...]
    protocol_version: int
    protocol_digest: str
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierView(DossierContent):
    """The dossier; `digest` is the SHA-256 of all the rest as canonical JSON (RFC 8785)."""

    digest: str
