"""Subjects on the wire; never a name, a birth date or a hospital number."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, field_validator

from app.domain.vocabulary import Disease, DispositionEvent, Sex, SubjectStatus
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Code,
    Name,
    Number,
    PositiveNumber,
    Rationale,
    StudyDate,
    View,
    example,
    never_empty,
)

SexWord = Annotated[Sex, LAX]
DiseaseWord = Annotated[Disease, LAX]
EventWord = Annotated[DispositionEvent, LAX]
BirthYear = Annotated[int, Field(ge=1900, le=2100)]
AgeYears = Annotated[int, Field(ge=0, le=130)]


class SubjectCreate(Body):
    """A person who signed consent or is about to; the number is given by the service."""

    model_config = example(
        sex="female",
        birth_year=1980,
        age_at_consent=46,
        childbearing_potential=False,
        consent_date="2026-05-25",
        consent_version="1.0",
        screening_date="2026-05-25",
        disease="lymphoma",
        car_t_product="CD19 CAR-T",
        car_t_date="2026-03-26",
        car_t_was_investigational=False,
        had_allogeneic_transplant=False,
        has_copd=False,
        weight_kg=60.5,
        planned_first_infusion_date="2026-06-08",
    )

    site: Code | None = Field(
        default=None, description="Code of the hospital, where one works at several."
    )
    sex: SexWord
    birth_year: BirthYear
    age_at_consent: AgeYears | None = Field(
        default=None, description="In full years; decides I2 where the birth year leaves it open."
    )
    childbearing_potential: bool | None = None
    consent_date: StudyDate | None = None
    consent_version: Name | None = None
    screening_date: StudyDate
    disease: DiseaseWord
    car_t_product: Name | None = None
    car_t_date: StudyDate | None = None
    car_t_was_investigational: bool | None = None
    had_allogeneic_transplant: bool | None = None
    allogeneic_transplant_date: StudyDate | None = None
    has_copd: bool | None = None
    weight_kg: PositiveNumber | None = None
    planned_first_infusion_date: StudyDate | None = None


class SubjectChange(Change):
    """What is to change; fields left out stay as they are."""

    model_config = example(
        weight_kg=61.5,
        reason="Weighed again before the prescription.",
    )

    sex: SexWord | None = None
    birth_year: BirthYear | None = None
    age_at_consent: AgeYears | None = None
    childbearing_potential: bool | None = None
    consent_date: StudyDate | None = None
    consent_version: Name | None = None
    screening_date: StudyDate | None = None
    disease: DiseaseWord | None = None
    car_t_product: Name | None = None
    car_t_date: StudyDate | None = None
    car_t_was_investigational: bool | None = None
    had_allogeneic_transplant: bool | None = None
    allogeneic_transplant_date: StudyDate | None = None
    has_copd: bool | None = None
    weight_kg: PositiveNumber | None = None
    planned_first_infusion_date: StudyDate | None = None

    _keep = field_validator("sex", "birth_year", "screening_date", "disease", mode="before")(
        never_empty
    )


class SubjectView(View):
    """A subject with the status derived from what happened."""

    id: UUID
    number: str = Field(examples=["S-001"])
    site_id: UUID
    status: SubjectStatus
    dose_level: str | None = Field(description="Level the subject is enrolled at.")
    sex: Sex
    birth_year: int
    age_at_consent: int | None
    childbearing_potential: bool | None
    consent_date: date | None
    consent_version: str | None
    screening_date: date
    disease: Disease
    car_t_product: str | None
    car_t_date: date | None
    car_t_was_investigational: bool | None
    had_allogeneic_transplant: bool | None
    allogeneic_transplant_date: date | None
    has_copd: bool | None
    weight_kg: Number | None
    planned_first_infusion_date: date | None
    version: int
    recorded_at: datetime


class DispositionCreate(Body):
    """How and when a subject leaves the treatment or the trial."""

    model_config = example(
        event="screen_failed",
        event_date="2026-05-28",
        reason="Hepatitis B surface antigen was positive.",
    )

    event: EventWord
    event_date: StudyDate
    contact_attempts: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="Documented attempts, needed for lost_to_follow_up."
    )
    reason: Rationale


class DispositionChange(Change):
    """What is to be corrected; fields left out stay as they are.

    A retracted exit stays retracted; one that happened after all is recorded again.
    """

    model_config = example(
        event_date="2026-05-27",
        reason="The source document gives the day before.",
    )

    event: EventWord | None = None
    event_date: StudyDate | None = None
    contact_attempts: Annotated[int, Field(ge=0, le=100)] | None = None
    exit_reason: Rationale | None = Field(
        default=None, description="Why the subject left; `reason` says why the record changes."
    )
    retracted: Literal[True] | None = None

    _keep = field_validator("event", "event_date", "exit_reason", "retracted", mode="before")(
        never_empty
    )

    def values(self) -> dict[str, Any]:
        """Return what is to change, by the names of the record."""
        given = self.model_dump(exclude_unset=True, exclude={"reason", "exit_reason"})
        return given | ({"reason": self.exit_reason} if self.exit_reason else {})


class DispositionView(View):
    """A recorded disposition; a retracted one never happened."""

    id: UUID
    subject_id: UUID
    event: DispositionEvent
    event_date: date
    contact_attempts: int | None
    reason: str = Field(description="Why the subject left.")
    retracted: bool
    version: int
    recorded_at: datetime
