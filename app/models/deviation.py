"""Deviations that no rule sees, and what people note on any deviation."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.deviation_notes import DeviationAssessment, DeviationCategory
from app.domain.deviations import DeviationSeverity
from app.models.base import Fact, Record, choice, scoped

# What is of a subject is at the subject's site, and names none beside.
_OF_ONE_PLACE = "subject_id IS NULL OR site_id IS NULL"


class ReportedDeviation(Record):
    """A departure that a person saw and no rule can see: of a subject, a site or the study."""

    __tablename__ = "reported_deviation"
    __table_args__ = (
        *scoped(subject_id="subject", site_id="site"),
        Index(None, "study_id", "subject_id"),
        CheckConstraint("btrim(description) <> ''", name="description"),
        CheckConstraint(_OF_ONE_PLACE, name="of_one_place"),
    )

    subject_id: Mapped[UUID | None]
    site_id: Mapped[UUID | None]
    category: Mapped[DeviationCategory] = mapped_column(choice(DeviationCategory, "category"))
    day: Mapped[date]
    severity: Mapped[DeviationSeverity] = mapped_column(choice(DeviationSeverity, "severity"))
    description: Mapped[str]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))


class DeviationNote(Fact):
    """What somebody wrote about a deviation: a derived one by `key`, or a reported one.

    `seen` is how the deviation read when the note was written, so that a later reader knows what
    the note is about, also when the cause is gone.
    """

    __tablename__ = "deviation_note"
    __table_args__ = (
        *scoped(subject_id="subject", site_id="site", deviation_id="reported_deviation"),
        Index(None, "study_id", "subject_id"),
        CheckConstraint("(key IS NULL) <> (deviation_id IS NULL)", name="of_one"),
        CheckConstraint("key IS NULL OR subject_id IS NOT NULL", name="of_a_subject"),
        CheckConstraint("btrim(text) <> ''", name="text"),
        CheckConstraint(_OF_ONE_PLACE, name="of_one_place"),
    )

    subject_id: Mapped[UUID | None]
    site_id: Mapped[UUID | None]
    key: Mapped[str | None]
    deviation_id: Mapped[UUID | None]
    seen: Mapped[dict[str, Any]]
    text: Mapped[str]
    assessment: Mapped[DeviationAssessment | None] = mapped_column(
        choice(DeviationAssessment, "assessment")
    )
    root_cause: Mapped[str | None]
    corrective_action: Mapped[str | None]
    preventive_action: Mapped[str | None]
