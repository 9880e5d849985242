"""Concomitant medications on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import MedicationClass
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Code,
    Id,
    Instant,
    LongText,
    Name,
    Number,
    PositiveNumber,
    View,
    example,
)

ClassWord = Annotated[MedicationClass, LAX]


class MedicationCreate(Body):
    """A medication beside the study treatment; without end and not ongoing it is a single dose."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        name="Filgrastim",
        medication_class="g_csf",
        started_at="2026-06-10T08:00:00+08:00",
        ended_at="2026-06-12T08:00:00+08:00",
        dose=300,
        dose_unit="ug",
        indication="Neutropenia.",
    )

    subject_id: Id
    name: Name
    medication_class: ClassWord = Field(description="The class that the rules look at.")
    started_at: Instant
    ended_at: Instant | None = None
    ongoing: bool = False
    dose: PositiveNumber | None = None
    dose_unit: Code | None = None
    half_life_days: PositiveNumber | None = Field(
        default=None, description="Decides E17 for an investigational drug."
    )
    indication: LongText | None = None


class MedicationChange(Change):
    """What is to change; fields left out stay as they are."""

    model_config = example(
        ended_at="2026-06-13T08:00:00+08:00",
        reason="Corrected from the source document.",
    )

    name: Name | None = None
    medication_class: ClassWord | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    ongoing: bool | None = None
    dose: PositiveNumber | None = None
    dose_unit: Code | None = None
    half_life_days: PositiveNumber | None = None
    indication: LongText | None = None
    retracted: bool | None = None


class MedicationView(View):
    """A medication; a retracted one counts for nothing."""

    id: UUID
    subject_id: UUID
    name: str
    medication_class: MedicationClass
    started_at: datetime
    day: date = Field(description="Day of the start in the study's zone.")
    ended_at: datetime | None
    ongoing: bool
    dose: Number | None
    dose_unit: str | None
    half_life_days: Number | None
    indication: str | None
    retracted: bool
    version: int
    recorded_at: datetime
