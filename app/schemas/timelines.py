"""What happened to a subject, on the wire."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from app.schemas.types import View


class TimelineKind(StrEnum):
    """The kinds of things that happen to a subject."""

    CAR_T = "car_t"
    CONSENT = "consent"
    SCREENING = "screening"
    ATTESTATION = "attestation"
    ENROLMENT = "enrolment"
    INFUSION_PRESCRIBED = "infusion_prescribed"
    BAG_CHECKED = "bag_checked"
    PREMEDICATION = "premedication"
    INFUSION_STARTED = "infusion_started"
    INFUSION_STOPPED = "infusion_stopped"
    INFUSION_CANCELLED = "infusion_cancelled"
    LAB_RESULT = "lab_result"
    ASSESSMENT = "assessment"
    TRANSFUSION = "transfusion"
    MEDICATION_STARTED = "medication_started"
    MEDICATION_ENDED = "medication_ended"
    ADVERSE_EVENT_BEGAN = "adverse_event_began"
    ADVERSE_EVENT_ENDED = "adverse_event_ended"
    DLT_ADJUDICATION = "dlt_adjudication"
    FOLLOW_UP_RECEIVED = "follow_up_received"
    SAFETY_REPORT_SENT = "safety_report_sent"
    DEVIATION = "deviation"
    DISPOSITION = "disposition"


class TimelineItem(View):
    """One thing that happened; `at` is null where only the day is known."""

    day: date = Field(description="The day in the study's zone.")
    at: datetime | None
    kind: TimelineKind
    title: str = Field(examples=["Hypertension, grade 3, began"])
    record_type: str = Field(description="As in the audit trail.", examples=["adverse_event"])
    record_id: UUID
