"""Reference ranges of the laboratories, version by version, and when one counts no more."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import Sex
from app.models.base import Fact, choice, scoped


class ReferenceRange(Fact):
    """One version of a range; `laboratory` is what results carry as their source.

    `low` and `high` are as the laboratory prints them, `lln` and `uln` the same in the analyte's
    canonical unit. Until when it counts follows from the later versions.
    """

    __tablename__ = "reference_range"
    __table_args__ = (
        *scoped(),
        UniqueConstraint("study_id", "laboratory", "analyte", "number"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("num_nonnulls(low, high) > 0", name="has_limit"),
        CheckConstraint("(low IS NULL) = (lln IS NULL)", name="lln"),
        CheckConstraint("(high IS NULL) = (uln IS NULL)", name="uln"),
        CheckConstraint("age_from >= 0 AND age_to >= coalesce(age_from, 0)", name="ages"),
    )

    laboratory: Mapped[str]
    analyte: Mapped[str]
    number: Mapped[int]
    sex: Mapped[Sex | None] = mapped_column(choice(Sex, "sex"))
    age_from: Mapped[int | None]
    age_to: Mapped[int | None]
    unit: Mapped[str | None]
    low: Mapped[Decimal | None]
    high: Mapped[Decimal | None]
    lln: Mapped[Decimal | None]
    uln: Mapped[Decimal | None]
    effective_from: Mapped[date]


class RangeRetraction(Fact):
    """Ends a range from a day on, or, without one, takes it back as a mistake."""

    __tablename__ = "range_retraction"
    __table_args__ = (
        *scoped(reference_range_id="reference_range"),
        Index(None, "study_id", "reference_range_id"),
        CheckConstraint("btrim(reason) <> ''", name="reason"),
    )

    reference_range_id: Mapped[UUID]
    from_day: Mapped[date | None]
    reason: Mapped[str]
