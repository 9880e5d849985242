"""Lots of the product on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, WithJsonSchema, field_validator

from app.schemas.types import (
    Body,
    Change,
    Code,
    Name,
    Number,
    PositiveNumber,
    StudyDate,
    View,
    example,
    never_empty,
)

Percentage = Annotated[
    Number,
    Field(ge=0, le=100),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
ReleaseTests = Annotated[
    dict[Code, bool | Number | Name],
    Field(
        max_length=100,
        description="Result of each release test by its name: text, a number, or true or false.",
        examples=[{"sterility": "no growth", "endotoxin_eu_per_ml": 0.1}],
    ),
]


class LotCreate(Body):
    """A manufactured lot; it is released once its viability and content meet the protocol."""

    model_config = example(
        lot_number="MSC-26-014",
        manufactured_on="2026-04-20",
        expires_on="2027-04-19",
        viability_percent=92.5,
        cells_per_bag=100_000_000,
        bag_volume_ml=100,
        released=True,
        release_tests={"sterility": "no growth", "endotoxin_eu_per_ml": 0.1},
    )

    lot_number: Code
    manufactured_on: StudyDate
    expires_on: StudyDate = Field(description="The last day on which a bag may be infused.")
    viability_percent: Percentage
    cells_per_bag: PositiveNumber
    bag_volume_ml: PositiveNumber
    released: bool = False
    release_tests: ReleaseTests = Field(default_factory=dict)


class LotChange(Change):
    """What is to change; fields left out stay as they are."""

    model_config = example(
        viability_percent=91.8,
        reason="Corrected from the source document.",
    )

    lot_number: Code | None = None
    manufactured_on: StudyDate | None = None
    expires_on: StudyDate | None = None
    viability_percent: Percentage | None = None
    cells_per_bag: PositiveNumber | None = None
    bag_volume_ml: PositiveNumber | None = None
    released: bool | None = None
    release_tests: ReleaseTests | None = None

    _kept = field_validator("*", mode="before")(never_empty)


class LotView(View):
    """A lot of the product."""

    id: UUID
    lot_number: str
    manufactured_on: date
    expires_on: date
    viability_percent: Number
    cells_per_bag: Number
    bag_volume_ml: Number
    released: bool
    release_tests: dict[str, bool | Number | str]
    version: int
    recorded_at: datetime
