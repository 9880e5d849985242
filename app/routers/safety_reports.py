"""Safety reports: what is due on adverse events, what was sent, and what came to light since."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.domain.safety_reporting import ReportStatus
from app.models import SafetyReport, SafetyRetraction
from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Now, OfSubject, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.safety_reports import (
    DueOfSubjectView,
    EventReportsView,
    FollowUpCreate,
    FollowUpView,
    RetractionCreate,
    RetractionView,
    SafetyReportCreate,
    SafetyReportView,
)
from app.services import follow_ups, safety_reports
from app.services.access import Actor
from app.services.follow_ups import RecordedFollowUp
from app.services.role_matrix import Area, Right
from app.services.safety_reports import EventReports

router = APIRouter(prefix="/studies/{study}", route_class=TrialRoute, tags=["safety"])
Reader = Annotated[Actor, Depends(permit(Area.SAFETY_REPORT, Right.READ))]
Reporter = Annotated[Actor, Depends(permit(Area.SAFETY_REPORT, Right.CREATE))]
EVENT = "/adverse-events/{event_id}"


@router.get(
    "/safety-reports",
    summary="List the reports that are due on all events",
    response_model=Listing[DueOfSubjectView],
)
async def list_safety_reports(
    session: Session,
    actor: Reader,
    at: At,
    subject: OfSubject,
    status: Annotated[
        ReportStatus | None, Query(description="`overdue` lists what should have been sent.")
    ] = None,
) -> Any:
    """List every clock of every serious event by its deadline, all on one page."""
    only = (subject, status)
    found = await safety_reports.list_safety_reports(session, actor, only, at.at, at.past)
    return ExactJSON({"items": found, "next": None})


@router.get(
    f"{EVENT}/safety-reports",
    summary="Read what is due on an event and what was sent",
    response_model=EventReportsView,
)
async def read_event_reports(
    session: Session, actor: Reader, event_id: UUID, at: At
) -> EventReports:
    """Read how an event is classified and why, each clock with its deadline, and all reports.

    A retracted event has no clocks; what was sent stays on record.
    """
    return await safety_reports.read_event_reports(session, actor, event_id, at.at, at.past)


@router.post(
    f"{EVENT}/safety-reports",
    status_code=201,
    summary="Record a report as sent",
    response_model=SafetyReportView,
)
async def record_safety_report(
    session: Session, actor: Reporter, now: Now, event_id: UUID, body: SafetyReportCreate
) -> SafetyReport:
    """Record that one of the event's clocks was answered; one sent late says why."""
    return await safety_reports.record_safety_report(session, actor, event_id, body, now)


@router.post(
    f"{EVENT}/safety-reports/{{report_id}}/retraction",
    status_code=201,
    summary="Take a mistaken report back",
    response_model=RetractionView,
)
async def retract_safety_report(
    session: Session, actor: Reporter, event_id: UUID, report_id: UUID, body: RetractionCreate
) -> SafetyRetraction:
    """Take back a report that was recorded by mistake; its clock is open again."""
    return await safety_reports.retract_safety_report(
        session, actor, event_id, report_id, body.reason
    )


@router.get(f"{EVENT}/follow-ups", summary="List the follow-up information on an event")
async def list_follow_ups(
    session: Session, actor: Reader, event_id: UUID, wanted: Paging
) -> Listing[FollowUpView]:
    """List what came to light later, the first recorded first; what was taken back is marked."""
    found = await follow_ups.list_follow_ups(session, actor, event_id, wanted)
    return Listing[FollowUpView].model_validate(found)


@router.post(
    f"{EVENT}/follow-ups",
    status_code=201,
    summary="Record follow-up information",
    response_model=FollowUpView,
)
async def create_follow_up(
    session: Session, actor: Reporter, now: Now, event_id: UUID, body: FollowUpCreate
) -> RecordedFollowUp:
    """Record what came to light after the site knew of the event; it starts clocks anew."""
    return await follow_ups.create_follow_up(session, actor, event_id, body, now)


@router.post(
    f"{EVENT}/follow-ups/{{follow_up_id}}/retraction",
    status_code=201,
    summary="Take mistaken follow-up information back",
    response_model=RetractionView,
)
async def retract_follow_up(
    session: Session, actor: Reporter, event_id: UUID, follow_up_id: UUID, body: RetractionCreate
) -> SafetyRetraction:
    """Take back information that was recorded by mistake; it starts no clock any more."""
    return await follow_ups.retract_follow_up(session, actor, event_id, follow_up_id, body.reason)
