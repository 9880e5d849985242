"""Safety reports on the wire: what is due on an event, what was sent, what came to light since."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.domain.expectedness import Expectedness
from app.domain.safety_reporting import (
    ClockStart,
    ReportClass,
    ReportKind,
    ReportRecipient,
    ReportStatus,
)
from app.schemas.types import (
    LAX,
    Body,
    Change,
    Code,
    Instant,
    LongText,
    Name,
    View,
    example,
)


class SafetyReportCreate(Body):
    """A report that was sent, for one of the clocks that the event has now."""

    model_config = example(
        jurisdiction="CN",
        kind="susar_initial",
        counted_from="2026-06-08T02:20:00Z",
        sent_at="2026-06-10T09:00:00+08:00",
        reference="CDE acknowledgement 2026-0417",
    )

    jurisdiction: Code = Field(description="As the clock names it.")
    kind: Annotated[ReportKind, LAX]
    counted_from: Instant = Field(description="The clock's `counted_from`.")
    sent_at: Instant
    event_version: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="The version of the event that was reported, the last by default.",
    )
    reference: Name | None = Field(default=None, description="What the recipient filed it under.")
    late_reason: LongText | None = Field(
        default=None, description="Why it was sent late; needed for a late report and only there."
    )


class FollowUpCreate(Body):
    """Information that came after the site knew of the event."""

    model_config = example(
        received_at="2026-06-12T10:00:00+08:00",
        summary="Blood culture grew Klebsiella pneumoniae.",
    )

    received_at: Instant
    summary: LongText


class RetractionCreate(Change):
    """Why a record was a mistake."""

    model_config = example(reason="Recorded for the wrong event.")


class RetractionView(View):
    """That a record was taken back; it counts no more and stays on record."""

    id: UUID
    safety_report_id: UUID | None
    follow_up_id: UUID | None
    reason: str
    recorded_at: datetime


class SafetyReportView(View):
    """A report that was sent."""

    id: UUID
    adverse_event_id: UUID
    event_version: int
    jurisdiction: str
    kind: ReportKind
    counted_from: datetime
    sent_at: datetime
    reference: str | None
    late_reason: str | None
    recorded_at: datetime


class RecordedReportView(SafetyReportView):
    """A report that was sent, and whether it was taken back."""

    retracted: bool
    retraction_reason: str | None


class FollowUpView(View):
    """Information that came later, and whether the record of it was taken back."""

    id: UUID
    adverse_event_id: UUID
    received_at: datetime
    summary: str
    retracted: bool
    retraction_reason: str | None
    recorded_at: datetime


class ClockView(View):
    """One clock: due at an instant or by the end of a local day, and what became of it."""

    kind: ReportKind
    concerns: ReportClass
    jurisdiction: str
    recipient: ReportRecipient
    starts: ClockStart
    counted_from: datetime
    counted_from_day: date = Field(description="Day 0, in the study's zone.")
    due_at: datetime | None
    due_day: date | None
    status: ReportStatus
    report_id: UUID | None = Field(description="The report that answered it.")
    sent_at: datetime | None
    rule: str
    event_version: int = Field(
        description="The version that started it; a report of this one or a later one answers it."
    )


class EventReportsView(View):
    """How an event is classified, what is due on it, and what was sent, at `as_of`."""

    adverse_event_id: UUID
    event_version: int
    subject_id: UUID
    term: str
    worst_grade: int
    retracted: bool
    serious: bool
    classes: list[ReportClass]
    expectedness: Expectedness
    clocks: list[ClockView]
    reports: list[RecordedReportView]
    protocol_version: int
    protocol_digest: str
    as_of: datetime


class DueOfSubjectView(ClockView):
    """One clock of one subject's event."""

    subject_id: UUID
    subject_number: str
    adverse_event_id: UUID
    term: str
    worst_grade: int
    protocol_version: int
    protocol_digest: str
    as_of: datetime
