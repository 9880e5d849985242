"""What was told about adverse events to whom, what was learned later, and what was expected."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.safety_reporting import ReportKind
from app.models.base import Fact, choice, scoped


class ReferenceSafetyInformation(Fact):
    """One version of the list of events that are expected; it counts once it is signed.

    `entries` holds objects with a CTCAE `term` and a `max_expected_grade`, which may be null.
    """

    __tablename__ = "reference_safety_information"
    __table_args__ = (
        *scoped(),
        UniqueConstraint("study_id", "number"),
        CheckConstraint("number > 0", name="number"),
    )

    number: Mapped[int]
    effective_on: Mapped[date]
    title: Mapped[str]
    entries: Mapped[list[Any]]


class FollowUp(Fact):
    """Information on an event that came after the site knew of it; it starts clocks anew."""

    __tablename__ = "follow_up"
    __table_args__ = (
        *scoped(adverse_event_id="adverse_event"),
        Index(None, "study_id", "adverse_event_id", "id"),
        CheckConstraint("btrim(summary) <> ''", name="summary"),
    )

    adverse_event_id: Mapped[UUID]
    received_at: Mapped[datetime]
    summary: Mapped[str]


class SafetyReport(Fact):
    """A report that was sent: which clock it answers, and the version of the event it told of."""

    __tablename__ = "safety_report"
    __table_args__ = (
        *scoped(adverse_event_id="adverse_event"),
        Index(None, "study_id", "adverse_event_id", "id"),
        CheckConstraint("sent_at >= counted_from", name="sent_at"),
        CheckConstraint("event_version > 0", name="event_version"),
    )

    adverse_event_id: Mapped[UUID]
    event_version: Mapped[int]
    jurisdiction: Mapped[str]
    kind: Mapped[ReportKind] = mapped_column(choice(ReportKind, "kind"))
    counted_from: Mapped[datetime]
    sent_at: Mapped[datetime]
    reference: Mapped[str | None]
    late_reason: Mapped[str | None]


class SafetyRetraction(Fact):
    """Takes back a report or a piece of follow-up information that was recorded by mistake."""

    __tablename__ = "safety_retraction"
    __table_args__ = (
        *scoped(
            adverse_event_id="adverse_event",
            safety_report_id="safety_report",
            follow_up_id="follow_up",
        ),
        UniqueConstraint("study_id", "safety_report_id"),
        UniqueConstraint("study_id", "follow_up_id"),
        Index(None, "study_id", "adverse_event_id"),
        CheckConstraint("num_nonnulls(safety_report_id, follow_up_id) = 1", name="of_one"),
        CheckConstraint("btrim(reason) <> ''", name="reason"),
    )

    adverse_event_id: Mapped[UUID]
    safety_report_id: Mapped[UUID | None]
    follow_up_id: Mapped[UUID | None]
    reason: Mapped[str]


class GradeCorrection(Fact):
    """Says that the grade which an event had before a version of it was never right.

    Without one a lower grade says that the event got better, and the worst grade stays.
    """

    __tablename__ = "grade_correction"
    __table_args__ = (
        *scoped(adverse_event_id="adverse_event"),
        UniqueConstraint("study_id", "adverse_event_id", "event_version"),
        CheckConstraint("event_version > 1", name="event_version"),
    )

    adverse_event_id: Mapped[UUID]
    event_version: Mapped[int]


class ClassCorrection(Fact):
    """Says that what an event was to a regulator before a version of it was never right.

    Without one an event that is judged more mildly is still reported as what it was taken for.
    """

    __tablename__ = "class_correction"
    __table_args__ = (
        *scoped(adverse_event_id="adverse_event"),
        UniqueConstraint("study_id", "adverse_event_id", "event_version"),
        CheckConstraint("event_version > 1", name="event_version"),
    )

    adverse_event_id: Mapped[UUID]
    event_version: Mapped[int]
