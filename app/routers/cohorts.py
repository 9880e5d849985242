"""Cohorts: dose levels opened in a phase."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.cohorts import CohortListing
from app.services import cohorts
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/cohorts", route_class=TrialRoute, tags=["cohorts"])


@router.get("", summary="List cohorts with their places", response_model=CohortListing)
async def list_cohorts(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.COHORT, Right.READ))],
    wanted: Paging,
    at: At,
) -> ExactJSON:
    """List cohorts as they were opened, with places, subjects, windows and toxicities."""
    return ExactJSON(await cohorts.list_cohorts(session, actor, wanted, at.at))
