"""Care beside the study treatment: transfusions, medication and assessments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import AssessmentKind, MedicationClass, TransfusionProduct
from app.models.base import Record, choice, scoped


class Transfusion(Record):
    """One transfusion of a blood product."""

    __tablename__ = "transfusion"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(None, "study_id", "subject_id", "given_at"),
        CheckConstraint("units IS NULL OR units > 0", name="units"),
    )

    subject_id: Mapped[UUID]
    product: Mapped[TransfusionProduct] = mapped_column(choice(TransfusionProduct, "product"))
    given_at: Mapped[datetime]
    units: Mapped[Decimal | None]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[str | None]


class ConcomitantMedication(Record):
    """One medication beside the study treatment, with the class that the rules look at."""

    __tablename__ = "concomitant_medication"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(None, "study_id", "subject_id", "started_at"),
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="ended_at"),
    )

    subject_id: Mapped[UUID]
    name: Mapped[str]
    medication_class: Mapped[MedicationClass] = mapped_column(
        choice(MedicationClass, "medication_class")
    )
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ongoing: Mapped[bool] = mapped_column(server_default=text("false"))
    dose: Mapped[Decimal | None]
    dose_unit: Mapped[str | None]
    half_life_days: Mapped[Decimal | None]
    indication: Mapped[str | None]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))


class Assessment(Record):
    """One assessment; its content is validated by kind."""

    __tablename__ = "assessment"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(None, "study_id", "subject_id", "kind", "performed_at"),
    )

    subject_id: Mapped[UUID]
    kind: Mapped[AssessmentKind] = mapped_column(choice(AssessmentKind, "kind"))
    performed_at: Mapped[datetime]
    content: Mapped[dict[str, Any]]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))
