"""The schedule of a subject."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Session, permit
from app.routers.route import TrialRoute
from app.schemas.schedules import ScheduleView
from app.services import schedules
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/schedule",
    route_class=TrialRoute,
    tags=["dosing"],
)


@router.get("", summary="Read a subject's schedule", response_model=ScheduleView)
async def read_schedule(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.INFUSION, Right.READ))],
    subject_id: UUID,
) -> Any:
    """Return infusions and visits with windows and status, and the ends of follow-up.

    A subject who is not enrolled has no level yet: only the planned first day is shown.
    """
    return ExactJSON(await schedules.read_schedule(session, actor, subject_id, at.at, at.past))
