"""Adverse events on the wire: CTCAE v5.0 terms, and what follows from each event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, field_validator

from app.domain.dlt_standing import DltStanding
from app.domain.event_candidates import EventCandidate
from app.domain.expectedness import Expectedness
from app.domain.safety_reporting import DueReport
from app.domain.vocabulary import (
    ActionTaken,
    AdverseEventOutcome,
    Causality,
    SeriousnessCriterion,
    SpecialInterest,
)
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Id,
    Instant,
    LongText,
    Name,
    View,
    example,
    never_empty,
)

TermName = Annotated[
    Name,
    Field(
        description="A CTCAE v5.0 term in any case; stored in the dictionary's spelling.",
        examples=["Infusion related reaction"],
    ),
]
Grade = Annotated[int, Field(ge=1, le=5, description="The grade; the worst one is kept as well.")]
BaselineGrade = Annotated[
    int, Field(ge=0, le=4, description="Grade before the first infusion; 0 if it was not there.")
]
CausalityWord = Annotated[Causality, LAX]
Seriousness = Annotated[
    list[Annotated[SeriousnessCriterion, LAX]],
    Field(max_length=len(SeriousnessCriterion), description="Empty if the event is not serious."),
]
Awareness = Annotated[
    Instant,
    Field(
        description="When the site learned of the event as serious as it is: reporting clocks"
        " start here. State it anew with what made the event more serious, or the clocks of that"
        " start when it is recorded."
    ),
]
Expected = Annotated[
    bool,
    Field(
        description="Whether the reference safety information lists it; null if undecided. True"
        " holds for the term and the worst grade that it was said of: another term or a worse"
        " grade takes it back unless it is said again."
    ),
]


class AdverseEventCreate(Body):
    """An adverse event; relations left out count as possible until somebody decides them."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        term="Infusion related reaction",
        grade=3,
        baseline_grade=0,
        onset_at="2026-06-08T10:20:00+08:00",
        ended_at="2026-06-08T16:00:00+08:00",
        aware_at="2026-06-08T10:20:00+08:00",
        seriousness=["medically_important"],
        expected=True,
        causality="probable",
        action_taken="interrupted",
        outcome="recovered",
        narrative="Fever and dyspnoea twenty minutes after the start; resolved within six hours.",
    )

    subject_id: Id
    term: TermName
    other_specification: Name | None = Field(
        default=None, description="What the event is; needed for 'Other, specify' and only there."
    )
    grade: Grade
    baseline_grade: BaselineGrade | None = None
    onset_at: Instant
    ended_at: Instant | None = None
    aware_at: Awareness | None = None
    seriousness: Seriousness = Field(default_factory=list)
    expected: Expected | None = None
    causality: CausalityWord | None = Field(default=None, description="Relation to the cells.")
    causality_premedication: CausalityWord | None = Field(
        default=None, description="Relation to the dexamethasone given before infusions."
    )
    causality_car_t: CausalityWord | None = Field(
        default=None, description="Relation to the earlier CAR-T treatment."
    )
    causality_disease: CausalityWord | None = Field(
        default=None, description="Relation to the underlying disease."
    )
    action_taken: Annotated[ActionTaken, LAX] = ActionTaken.UNKNOWN
    outcome: Annotated[AdverseEventOutcome, LAX] = AdverseEventOutcome.UNKNOWN
    investigator_declared_dlt: bool = Field(
        default=False, description="Proposes the event as dose-limiting, whatever its grade."
    )
    narrative: LongText | None = None


_NEVER_EMPTY = (
    "term", "grade", "onset_at", "aware_at", "seriousness", "action_taken", "outcome",
    "investigator_declared_dlt", "retracted",
)  # fmt: skip


class AdverseEventChange(Change):
    """What is to change; fields left out stay as they are, earlier values stay in the trail."""

    model_config = example(
        grade=2,
        reason="Corrected from the source document.",
    )

    term: TermName | None = None
    other_specification: Name | None = None
    grade: Grade | None = None
    baseline_grade: BaselineGrade | None = None
    onset_at: Instant | None = None
    ended_at: Instant | None = None
    aware_at: Awareness | None = None
    seriousness: Seriousness | None = None
    expected: Expected | None = None
    causality: CausalityWord | None = None
    causality_premedication: CausalityWord | None = None
    causality_car_t: CausalityWord | None = None
    causality_disease: CausalityWord | None = None
    action_taken: Annotated[ActionTaken, LAX] | None = None
    outcome: Annotated[AdverseEventOutcome, LAX] | None = None
    investigator_declared_dlt: bool | None = None
    narrative: LongText | None = None
    retracted: bool | None = Field(
        default=None, description="True takes a mistaken event out of all conclusions."
    )

    corrects_grade: bool = Field(
        default=False,
        description="True says that the grade on record was never right. Without it a lower grade"
        " says that the event got better, and the worst grade still counts.",
    )
    corrects_assessment: bool = Field(
        default=False,
        description="True says that the event never was what it was taken for, or that the site"
        " learned of it later. Without it every reporting clock that began runs on; a clock that"
        " is late by now stays late.",
    )

    _kept = field_validator(*_NEVER_EMPTY, mode="before")(never_empty)


class RecordedGrade(View):
    """A grade and since when it has been on record."""

    grade: int
    since: datetime


class GradeOnRecordView(View):
    """A grade, from when until when it was on record, and who recorded it why."""

    grade: int
    version: int
    since: datetime
    until: datetime | None
    mistaken: bool = Field(description="Corrected later: the event never had this grade.")
    recorded_by: str
    role: str
    reason: str | None


class GradeCourseView(View):
    """Every grade that an event had on record, the first first, and the worst of them."""

    adverse_event_id: UUID
    grade: int
    worst_grade: int
    items: list[GradeOnRecordView]


class AdverseEventView(View):
    """An adverse event beside what follows from the records at `as_of`."""

    id: UUID
    subject_id: UUID
    term: str
    soc: str = Field(description="The organ class that the dictionary puts the term in.")
    other_specification: str | None
    ctcae_version: str
    grade: int
    grade_history: list[RecordedGrade]
    worst_grade: int = Field(description="What conclusions and summaries are drawn from.")
    baseline_grade: int | None
    onset_at: datetime
    ended_at: datetime | None
    aware_at: datetime
    seriousness: list[SeriousnessCriterion]
    serious: bool
    expected: bool | None
    expectedness: Expectedness
    causality: Causality | None
    causality_premedication: Causality | None
    causality_car_t: Causality | None
    causality_disease: Causality | None
    action_taken: ActionTaken
    outcome: AdverseEventOutcome
    investigator_declared_dlt: bool
    narrative: str | None
    retracted: bool
    treatment_emergent: bool = Field(
        description="Worse than at baseline, and began on or after the day of the first infusion "
        "or went on and got worse since."
    )
    special_interest: list[SpecialInterest]
    dlt: DltStanding
    due_reports: list[DueReport]
    protocol_version: int
    protocol_digest: str
    as_of: datetime
    version: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCandidateView(EventCandidate):
    """One subject's abnormality that may have to be recorded as an event."""

    subject_id: UUID
    subject_number: str
    protocol_version: int
    protocol_digest: str
    as_of: datetime
