"""Disposition of a subject: how and when the subject left."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.models import Disposition
from app.routers.dependencies import Now, Session, permit
from app.routers.route import TrialRoute
from app.schemas.subjects import DispositionCreate, DispositionView
from app.services import dispositions
from app.services.access import Actor, Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/disposition",
    route_class=TrialRoute,
    tags=["subjects"],
)


@router.post("", status_code=201, summary="Record an exit", response_model=DispositionView)
async def record_disposition(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.SCREENING, Right.CREATE))],
    subject_id: UUID,
    body: DispositionCreate,
    now: Now,
) -> Disposition:
    """Record how a subject left the treatment or the trial; illegal steps are refused."""
    return await dispositions.record_disposition(session, actor, subject_id, body, now)
