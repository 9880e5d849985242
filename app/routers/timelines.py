"""The timeline of a subject."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.routers.dependencies import Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.timelines import TimelineItem, TimelineKind
from app.services import timelines
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/timeline",
    route_class=TrialRoute,
    tags=["subjects"],
)


@router.get("", summary="Read what happened to a subject")
async def read_timeline(
    session: Session,
    wanted: Paging,
    actor: Annotated[Actor, Depends(permit(Area.SCREENING, Right.READ))],
    subject_id: UUID,
    kind: Annotated[TimelineKind | None, Query(description="Things of this kind only.")] = None,
) -> Listing[TimelineItem]:
    """List everything that happened to a subject, in the order in which it happened.

    What was retracted, withdrawn or corrected is left out; the audit trail has it.
    """
    found = await timelines.read_timeline(session, actor, subject_id, wanted, kind)
    return Listing[TimelineItem].model_validate(found)
