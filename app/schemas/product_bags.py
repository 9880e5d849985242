"""Bags of the product on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, field_validator

from app.domain.vocabulary import BagStatus
from app.schemas.types import LAX, Body, Change, Code, Id, View, example, never_empty

BagWord = Annotated[BagStatus, LAX]


class BagCreate(Body):
    """A bag of a registered lot."""

    model_config = example(
        lot_id="01930000-0000-7000-8000-000000000001",
        bag_number="MSC-26-014-03",
    )

    lot_id: Id
    bag_number: Code


class BagChange(Change):
    """A step in the bag's life, or a corrected number; a bag is infused by its infusion only."""

    model_config = example(
        status="discarded",
        reason="The bag leaked when it was thawed.",
    )

    bag_number: Code | None = None
    status: BagWord | None = None
    infusion_id: Id | None = Field(
        default=None, description="The infusion to allocate to; goes with the status allocated."
    )

    _kept = field_validator("bag_number", "status", mode="before")(never_empty)


class BagView(View):
    """One bag."""

    id: UUID
    lot_id: UUID
    bag_number: str
    status: BagStatus
    infusion_id: UUID | None
    discarded_at: datetime | None
    version: int
    recorded_at: datetime
