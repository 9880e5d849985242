"""Protocol deviations, derived from the records."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, OfSubject, Session, permit
from app.routers.route import TrialRoute
from app.schemas.deviations import DeviationView
from app.schemas.lists import Listing
from app.services import deviations
from app.services.access import Actor, Area, Right

router = APIRouter(
    prefix="/studies/{study}/deviations", route_class=TrialRoute, tags=["deviations"]
)


@router.get("", summary="List deviations", response_model=Listing[DeviationView])
async def list_deviations(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.CARE, Right.READ))],
    subject: OfSubject,
) -> Any:
    """List every departure from the protocol by subject and day, all on one page.

    Deviations are derived, never recorded: they appear with their cause and go when it is
    corrected. None of them blocks anything.
    """
    found = await deviations.list_deviations(session, actor, subject, at.at, at.past)
    return ExactJSON({"items": found, "next": None})
