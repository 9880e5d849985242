"""The product: lots with their release, and bags that are used once."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import BagStatus
from app.models.base import Record, choice, scoped


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
