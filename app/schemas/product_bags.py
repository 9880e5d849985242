"""Bags of the product on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import BagStatus
from app.schemas.types import LAX, Body, Change, Code, Id, View

BagWord = Annotated[BagStatus, LAX]


class BagCreate(Body):
    """A bag of a registered lot."""

    lot_id: Id
    bag_number: Code


class BagChange(Change):
    """A step in the bag's life, or a corrected number; a bag is infused by its infusion only."""

    bag_number: Code | None = None
    status: BagWord | None = None
    infusion_id: Id | None = Field(
        default=None, description="The infusion to allocate to; goes with the status allocated."
    )


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
