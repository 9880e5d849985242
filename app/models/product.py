"""The product: lots with their release, bags that are used once, and each step of each bag."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import BagCheckMethod, BagStatus, BagStep
from app.models.base import Fact, Record, choice, scoped


class ProductLot(Record):
    """A manufactured lot with its release tests."""

    __tablename__ = "product_lot"
    __table_args__ = (*scoped(), UniqueConstraint("study_id", "lot_number"))

    lot_number: Mapped[str]
    manufactured_on: Mapped[date]
    expires_on: Mapped[date]
    viability_percent: Mapped[Decimal]
    cells_per_bag: Mapped[Decimal]
    bag_volume_ml: Mapped[Decimal]
    released: Mapped[bool] = mapped_column(server_default=text("false"))
    release_tests: Mapped[dict[str, Any]]


class ProductBag(Record):
    """One bag; it belongs to at most one infusion, ever."""

    __tablename__ = "product_bag"
    __table_args__ = (
        *scoped(lot_id="product_lot", infusion_id="infusion"),
        UniqueConstraint("study_id", "lot_id", "bag_number"),
        CheckConstraint(
            "(status = 'available') <= (infusion_id IS NULL)"
            " AND (status IN ('allocated', 'infused')) <= (infusion_id IS NOT NULL)",
            name="infusion_by_status",
        ),
    )

    lot_id: Mapped[UUID]
    bag_number: Mapped[str]
    status: Mapped[BagStatus] = mapped_column(
        choice(BagStatus, "status"), server_default=text("'available'")
    )
    infusion_id: Mapped[UUID | None]
    discarded_at: Mapped[datetime | None]


class BagMovement(Fact):
    """One step of a bag and how it stood after it; `volume_ml` is what the bag gained by it.

    The volumes of a bag add up to what is in it. `infusion_id` is the infusion concerned, which a
    returned bag has left.
    """

    __tablename__ = "bag_movement"
    __table_args__ = (
        *scoped(bag_id="product_bag", infusion_id="infusion"),
        Index(None, "study_id", "bag_id"),
        Index(None, "study_id", "infusion_id"),
        CheckConstraint(
            "(step = 'checked') = (method IS NOT NULL)"
            " AND (step = 'checked') = (checked_at IS NOT NULL)",
            name="of_a_check",
        ),
        CheckConstraint(
            "(step IN ('allocated', 'returned', 'checked', 'infused', 'infusion_retracted'))"
            " <= (infusion_id IS NOT NULL)",
            name="infusion_by_step",
        ),
    )

    bag_id: Mapped[UUID]
    step: Mapped[BagStep] = mapped_column(choice(BagStep, "step"))
    status_after: Mapped[BagStatus] = mapped_column(choice(BagStatus, "status_after"))
    infusion_id: Mapped[UUID | None]
    volume_ml: Mapped[Decimal]
    method: Mapped[BagCheckMethod | None] = mapped_column(choice(BagCheckMethod, "method"))
    checked_at: Mapped[datetime | None]
