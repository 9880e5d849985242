"""Protocol deviations: derived from the records, reported by people, and noted on by them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.deviation_notes import DeviationStatus
from app.models import ReportedDeviation
from app.routers.answers import ExactJSON, tag
from app.routers.dependencies import AsOf, At, ExpectedVersion, Now, OfSubject, Session, permit
from app.routers.route import TrialRoute
from app.schemas.deviations import (
    DeviationChange,
    DeviationCreate,
    DeviationNoteCreate,
    DeviationNoteView,
    DeviationView,
    ReportedDeviationView,
)
from app.schemas.lists import Listing
from app.services import deviation_notes, deviations
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/deviations", route_class=TrialRoute, tags=["deviations"]
)
Reader = Annotated[Actor, Depends(permit(Area.DEVIATION, Right.READ))]
Reporter = Annotated[Actor, Depends(permit(Area.DEVIATION, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.DEVIATION, Right.UPDATE))]


@router.get("", summary="List deviations", response_model=Listing[DeviationView])
async def list_deviations(
    session: Session,
    at: At,
    actor: Reader,
    subject: OfSubject,
    status: Annotated[DeviationStatus | None, Query(description="That stand here.")] = None,
) -> Any:
    """List every departure from the protocol by subject and day, all on one page.

    Most are derived: they appear with their cause and go when it is corrected, unless somebody
    noted something on them; then they stay in sight as `cause_gone`. Others are reported by
    people. None of them blocks anything, and no note hides one.
    """
    found = await deviations.list_deviations(session, actor, subject, at.at, at.past)
    items = [each for each in found if status in (None, each.status)]
    return ExactJSON({"items": items, "next": None})


@router.post(
    "", status_code=201, summary="Report a deviation", response_model=ReportedDeviationView
)
async def report_deviation(
    session: Session, actor: Reporter, now: Now, body: DeviationCreate, response: Response
) -> ReportedDeviation:
    """Record a deviation that no rule sees, of a subject or of the study."""
    made = await deviation_notes.report_deviation(session, actor, body.model_dump(), now)
    tag(response, made)
    return made


@router.post(
    "/notes",
    status_code=201,
    summary="Write a note on a deviation",
    response_model=DeviationNoteView,
)
async def write_deviation_note(
    session: Session, actor: Reporter, now: Now, body: DeviationNoteCreate
) -> Any:
    """Say what a deviation came from and what was done about it; an investigator assesses it.

    Notes are never changed or removed: a later one says what an earlier one got wrong.
    """
    made = await deviation_notes.write_note(session, actor, body, now)
    return ExactJSON(made, status_code=201)


@router.get(
    "/{deviation_id}", summary="Read a reported deviation", response_model=ReportedDeviationView
)
async def read_deviation(
    session: Session, actor: Reader, deviation_id: UUID, past: AsOf, response: Response
) -> ReportedDeviation:
    """Read one deviation as it was reported; its notes are in the list of all."""
    found = await deviation_notes.read_reported(session, actor, deviation_id, past)
    tag(response, found)
    return found


@router.patch(
    "/{deviation_id}",
    summary="Change or retract a reported deviation",
    response_model=ReportedDeviationView,
)
async def change_deviation(
    session: Session,
    actor: Changer,
    deviation_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: DeviationChange,
    response: Response,
) -> ReportedDeviation:
    """Change the fields that are given; needs If-Match and a reason.

    One that was assessed before stands as `changed` until somebody assesses it again.
    """
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    key = (deviation_id, version)
    changed = await deviation_notes.change_reported(session, actor, key, values, now)
    tag(response, changed)
    return changed
