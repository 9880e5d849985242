"""Protocol deviations on the wire: derived or reported, with what people noted on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from app.domain.deviation_notes import DeviationAssessment, DeviationCategory, DeviationStatus
from app.domain.deviations import DeviationSeverity
from app.domain.vocabulary import Role
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Code,
    Id,
    LongText,
    StudyDate,
    View,
    example,
    never_empty,
)

CategoryWord = Annotated[DeviationCategory, LAX]
SeverityWord = Annotated[DeviationSeverity, LAX]
AssessmentWord = Annotated[DeviationAssessment, LAX]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationNoteView:
    """What somebody wrote about a deviation; `seen` is how it read at that time."""

    id: UUID
    text: str
    assessment: DeviationAssessment | None
    root_cause: str | None
    corrective_action: str | None
    preventive_action: str | None
    seen: Mapping[str, Any]
    written_by: str
    role: Role
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationView:
    """One departure from the protocol with its notes; (subject_id, key) stays while its cause does.

    `code` is what a rule looks for, or the category of what a person reported; then `deviation_id`
    names the record. `assessment` is the last one given, whatever the status. `site_id` is for a
    reported one of no subject; without either it is the whole study's.
    """

    key: str
    code: str
    severity: DeviationSeverity
    day: date
    sentence: str
    evidence: tuple[str, ...]
    rule: str
    origin: Literal["derived", "reported"]
    deviation_id: UUID | None
    status: DeviationStatus
    assessment: DeviationAssessment | None
    notes: tuple[DeviationNoteView, ...]
    subject_id: UUID | None
    subject_number: str | None
    site_id: UUID | None
    protocol_version: int
    protocol_digest: str
    as_of: datetime


class DeviationCreate(Body):
    """A departure that no rule sees: of a subject, else of a site or of the whole study."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        category="consent",
        day="2026-05-20",
        severity="minor",
        description="The second page of the consent form was initialled a day late.",
    )

    subject_id: Id | None = None
    site: Code | None = Field(
        default=None,
        description="Code of the hospital, where it is of no subject. Left out, it is of the one"
        " where you work, or of the whole study if your role is for that.",
    )
    category: CategoryWord
    day: StudyDate
    severity: SeverityWord
    description: LongText

    @model_validator(mode="after")
    def _at_one_place(self) -> DeviationCreate:
        if self.subject_id is not None and self.site is not None:
            raise ValueError("A subject is at a site already; name the subject or the site.")
        return self


class DeviationChange(Change):
    """What is to change in a reported deviation; fields left out stay as they are."""

    model_config = example(
        severity="major",
        reason="The committee weighs it as major.",
    )

    category: CategoryWord | None = None
    day: StudyDate | None = None
    severity: SeverityWord | None = None
    description: LongText | None = None
    retracted: bool | None = Field(
        default=None, description="A retracted one is shown as such, and stays."
    )

    _kept = field_validator(
        "category", "day", "severity", "description", "retracted", mode="before"
    )(never_empty)


class ReportedDeviationView(View):
    """A deviation as a person reported it."""

    id: UUID
    subject_id: UUID | None
    site_id: UUID | None = Field(description="Null for one of a subject, or of the whole study.")
    category: DeviationCategory
    day: date
    severity: DeviationSeverity
    description: str
    retracted: bool
    version: int
    recorded_at: datetime


class DeviationNoteCreate(Body):
    """A note on a derived deviation, by subject and key, or on a reported one, by its id."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        key="premedication_late:1",
        text="The infusion was brought forward because the bag was thawed early.",
        assessment="not_important",
        root_cause="The ward was told another time than the cell laboratory.",
        corrective_action="The subject was watched for two hours longer.",
        preventive_action="The cell laboratory telephones before it thaws.",
    )

    subject_id: Id | None = None
    key: LongText | None = Field(default=None, description="As the list of deviations shows it.")
    deviation_id: Id | None = None
    text: LongText
    assessment: AssessmentWord | None = Field(
        default=None, description="An investigator's only; the deviation counts as assessed."
    )
    root_cause: LongText | None = None
    corrective_action: LongText | None = None
    preventive_action: LongText | None = None

    @model_validator(mode="after")
    def _of_one_deviation(self) -> DeviationNoteCreate:
        derived = self.subject_id is not None and self.key is not None
        by_key = self.subject_id is not None or self.key is not None
        if by_key == (self.deviation_id is not None) or by_key != derived:
            raise ValueError("Name one deviation: subject_id and key together, or deviation_id.")
        return self
