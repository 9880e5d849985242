"""Infusions on the wire: the prescription, what was given, and the deviations that follow."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, WithJsonSchema, field_validator

from app.domain.deviations import Deviation
from app.domain.infusion_reactions import InfusionReaction
from app.domain.vocabulary import BagStatus, MedicationClass
from app.schemas.product_lots import Percentage
from app.schemas.signatures import Stamped
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Id,
    Instant,
    LongText,
    Name,
    NonNegativeNumber,
    Number,
    PositiveNumber,
    StudyDate,
    View,
    example,
    never_empty,
)

MedicationWord = Annotated[MedicationClass, LAX]
InfusionNumber = Annotated[int, Field(ge=1, le=100)]
Millilitres = Annotated[
    NonNegativeNumber,
    Field(le=10_000),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10_000}),
]


class InfusionCreate(Body):
    """A prescription; dose, volume and bags follow from the weight and the subject's level."""

    model_config = example(
        planned_date="2026-06-08",
        weight_kg=60.5,
    )

    planned_date: StudyDate
    weight_kg: PositiveNumber | None = Field(
        default=None, description="Actual weight; the subject's recorded one when left out."
    )
    number: InfusionNumber | None = Field(
        default=None, description="Refused unless it is the next one, which is the default."
    )


class Interruption(Body):
    """A pause of the infusion; `to` is null while it lasts."""

    from_: Instant = Field(alias="from")
    to: Instant | None = None
    reason: Name


class InfusionChange(Change):
    """What is to change; fields left out stay as they are, null empties a field."""

    model_config = example(
        premedication_drug="dexamethasone",
        premedication_dose_mg=5,
        premedication_at="2026-06-08T09:30:00+08:00",
        bag_ids=["01930000-0000-7000-8000-000000000001"],
        started_at="2026-06-08T10:00:00+08:00",
        stopped_at="2026-06-08T10:45:00+08:00",
        volume_ml=121,
        cells=121_000_000,
        reason="Recorded from the infusion sheet.",
    )

    planned_date: StudyDate | None = Field(
        default=None, description="Only before the start, by somebody who may prescribe."
    )
    weight_kg: PositiveNumber | None = Field(
        default=None, description="Calculates the dose anew; only before the start, as above."
    )
    premedication_drug: MedicationWord | None = None
    premedication_dose_mg: PositiveNumber | None = None
    premedication_at: Instant | None = None
    bag_ids: list[Id] | None = Field(
        default=None,
        max_length=20,
        description="All bags of the infusion; they are infused once it has started. A bag that "
        "is left out is available again; it is discarded if the infusion has `thawed_at`, or if it "
        "was recorded as infused by mistake.",
    )
    thawed_at: Instant | None = None
    started_at: Instant | None = Field(
        default=None, description="When it started; it can be corrected, but not emptied again."
    )
    stopped_at: Instant | None = None
    interruptions: list[Interruption] | None = Field(default=None, max_length=50)
    volume_ml: Millilitres | None = Field(default=None, description="What entered the subject.")
    cells: NonNegativeNumber | None = None
    viability_percent: Percentage | None = None
    cancelled: bool | None = Field(
        default=None,
        description="An infusion that will not be given; its bags become available, or discarded "
        "if they were thawed. Once started it can be cancelled only with a volume of 0; then "
        "another one makes up for it.",
    )
    note: LongText | None = None

    _kept = field_validator(
        "planned_date", "weight_kg", "bag_ids", "interruptions", "cancelled", mode="before"
    )(never_empty)


class InterruptionView(View):
    """A pause of the infusion."""

    from_: datetime = Field(alias="from")
    to: datetime | None = None
    reason: str


class InfusedBagView(View):
    """A bag of an infusion."""

    id: UUID
    lot_id: UUID
    lot_number: str
    bag_number: str
    status: BagStatus


class InfusionView(View):
    """An infusion as prescribed and as given."""

    id: UUID
    subject_id: UUID
    number: int
    dose_level: str
    planned_date: date
    weight_kg: Number
    planned_cells: Number
    planned_volume_ml: Number
    planned_bags: int
    new_dose_needed: bool = Field(
        description="The weight has changed so much that the dose must be calculated anew."
    )
    prescribed_by: UUID
    premedication_drug: MedicationClass | None
    premedication_dose_mg: Number | None
    premedication_at: datetime | None
    bags: list[InfusedBagView]
    thawed_at: datetime | None
    started_at: datetime | None
    stopped_at: datetime | None
    interruptions: list[InterruptionView]
    given: bool = Field(description="It has started with a volume above zero.")
    volume_ml: Number | None
    cells: Number | None = Field(description="As measured; null if only the volume is known.")
    nominal_cells: Number | None = Field(
        description="The volume at the nominal content of a bag; judges the dose without a count."
    )
    viability_percent: Number | None
    cancelled: bool
    note: str | None
    deviations: tuple[Deviation, ...]
    reactions: tuple[InfusionReaction, ...] | None = Field(
        description="Events of the class of infusion reactions that began within a day of the"
        " start; null to a role that reads no adverse events."
    )
    protocol_version: int
    protocol_digest: str
    as_of: datetime
    version: int
    recorded_at: datetime


class OrderedInfusionView(InfusionView, Stamped):
    """An infusion whose order the request made or changed, beside the signature on the order."""
