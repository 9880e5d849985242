"""The worklist of visits: what is due, overdue, missed and to come."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.domain.visit_worklist import WorkStatus
from app.routers.answers import ExactJSON
from app.routers.dependencies import At, OfSubject, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.types import StudyDate
from app.schemas.visits import VisitView
from app.services import visits
from app.services.access import Actor
from app.services.role_matrix import Area, Right
from app.services.visits import VisitFilter

router = APIRouter(prefix="/studies/{study}/visits", route_class=TrialRoute, tags=["dosing"])


@router.get("", summary="List what subjects are expected for", response_model=Listing[VisitView])
async def list_visits(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.INFUSION, Right.READ))],
    subject: OfSubject,
    status: Annotated[WorkStatus | None, Query(description="That stand here on the day.")] = None,
    day: Annotated[
        StudyDate | None,
        Query(description="A study day from today on; what is open now is taken to stay open."),
    ] = None,
) -> Any:
    """List infusions and visits over all subjects, by target day, all on one page.

    `due` runs from the opening of the window through the target day, `overdue` from the day after
    until the window closes; then an item is `missed`. Nothing is due while it is only projected.
    """
    wanted = VisitFilter(status=status, day=day, subject_id=subject)
    found = await visits.list_visits(session, actor, wanted, at.at, at.past)
    return ExactJSON({"items": found, "next": None})
