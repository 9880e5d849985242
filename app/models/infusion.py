"""Infusions: prescribed, then recorded as given."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Record, scoped


class Infusion(Record):
    """One planned infusion of one subject with what was really given."""

    __tablename__ = "infusion"
    __table_args__ = (
        *scoped(subject_id="subject", prescribed_by="principal"),
        UniqueConstraint("study_id", "subject_id", "number"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("volume_ml IS NULL OR volume_ml >= 0", name="volume_ml"),
        CheckConstraint("stopped_at IS NULL OR stopped_at >= started_at", name="stopped_at"),
    )

    subject_id: Mapped[UUID]
    number: Mapped[int]
    dose_level: Mapped[str]
    planned_date: Mapped[date]
    weight_kg: Mapped[Decimal]
    planned_cells: Mapped[Decimal]
    planned_volume_ml: Mapped[Decimal]
    planned_bags: Mapped[int]
    prescribed_by: Mapped[UUID]
    premedication_drug: Mapped[str | None]
    premedication_dose_mg: Mapped[Decimal | None]
    premedication_at: Mapped[datetime | None]
    thawed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    volume_ml: Mapped[Decimal | None]
    cells: Mapped[Decimal | None]
    viability_percent: Mapped[Decimal | None]
    interruptions: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    cancelled: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[str | None]
