"""Transfusions on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import TransfusionProduct
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Id,
    Instant,
    LongText,
    Number,
    PositiveNumber,
    View,
    example,
)

ProductWord = Annotated[TransfusionProduct, LAX]


class TransfusionCreate(Body):
    """One transfusion of a blood product; red cells and platelets bear on the response."""

    model_config = example(
        subject_id="01930000-0000-7000-8000-000000000001",
        product="platelets",
        given_at="2026-06-20T14:00:00+08:00",
        units=1,
    )

    subject_id: Id
    product: ProductWord
    given_at: Instant
    units: PositiveNumber | None = Field(default=None, description="Units as the bank counts them.")
    note: LongText | None = None


class TransfusionChange(Change):
    """What is to change; fields left out stay as they are."""

    model_config = example(
        units=2,
        reason="Corrected from the source document.",
    )

    product: ProductWord | None = None
    given_at: Instant | None = None
    units: PositiveNumber | None = None
    note: LongText | None = None
    retracted: bool | None = None


class TransfusionView(View):
    """A transfusion; a retracted one counts for nothing."""

    id: UUID
    subject_id: UUID
    product: TransfusionProduct
    given_at: datetime
    day: date
    units: Number | None
    note: str | None
    retracted: bool
    version: int
    recorded_at: datetime
