"""Adverse events and the signed decisions on whether they are dose-limiting."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import ActionTaken, AdverseEventOutcome, Causality
from app.models.base import Fact, Record, choice, scoped


class AdverseEvent(Record):
    """One adverse event; `grade` is the worst so far, earlier grades are in the trail."""

    __tablename__ = "adverse_event"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(None, "study_id", "subject_id", "onset_at"),
        CheckConstraint("grade BETWEEN 1 AND 5", name="grade"),
        CheckConstraint("baseline_grade BETWEEN 0 AND 5", name="baseline_grade"),
        CheckConstraint("ended_at IS NULL OR ended_at >= onset_at", name="ended_at"),
        CheckConstraint(
            "(grade = 5) = (outcome = 'fatal') AND (grade = 5) = ('death' = ANY (seriousness))",
            name="fatal",
        ),
    )

    subject_id: Mapped[UUID]
    term: Mapped[str]
    soc: Mapped[str]
    other_specification: Mapped[str | None]
    ctcae_version: Mapped[str]
    grade: Mapped[int]
    baseline_grade: Mapped[int | None]
    onset_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    aware_at: Mapped[datetime]
    seriousness: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    expected: Mapped[bool | None]
    causality: Mapped[Causality | None] = mapped_column(choice(Causality, "causality"))
    causality_premedication: Mapped[Causality | None] = mapped_column(
        choice(Causality, "causality_premedication")
    )
    causality_car_t: Mapped[Causality | None] = mapped_column(choice(Causality, "causality_car_t"))
    causality_disease: Mapped[Causality | None] = mapped_column(
        choice(Causality, "causality_disease")
    )
    action_taken: Mapped[ActionTaken] = mapped_column(choice(ActionTaken, "action_taken"))
    outcome: Mapped[AdverseEventOutcome] = mapped_column(choice(AdverseEventOutcome, "outcome"))
    investigator_declared_dlt: Mapped[bool] = mapped_column(server_default=text("false"))
    narrative: Mapped[str | None]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))


class DltAdjudication(Fact):
    """A signed decision on one version of an event; the latest on the current version counts."""

    __tablename__ = "dlt_adjudication"
    __table_args__ = (
        *scoped(adverse_event_id="adverse_event", adjudicated_by="principal"),
        Index(None, "study_id", "adverse_event_id", "id"),
    )

    adverse_event_id: Mapped[UUID]
    adverse_event_version: Mapped[int]
    is_dlt: Mapped[bool]
    rationale: Mapped[str]
    adjudicated_by: Mapped[UUID]
