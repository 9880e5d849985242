"""Dispositions of a subject: how and when the subject left, corrected where the record is wrong."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.models import Disposition
from app.routers.answers import tag
from app.routers.dependencies import AsOf, ExpectedVersion, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.subjects import DispositionChange, DispositionCreate, DispositionView
from app.services import dispositions
from app.services.access import Actor
from app.services.dispositions import DispositionKey
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/disposition",
    route_class=TrialRoute,
    tags=["subjects"],
)
Reader = Annotated[Actor, Depends(permit(Area.SCREENING, Right.READ))]
Recorder = Annotated[Actor, Depends(permit(Area.SCREENING, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.SCREENING, Right.UPDATE))]


@router.get("", summary="List the exits of a subject")
async def list_dispositions(
    session: Session, actor: Reader, subject_id: UUID, wanted: Paging
) -> Listing[DispositionView]:
    """List how the subject left, in the order of recording; retracted exits are marked."""
    found = await dispositions.list_dispositions(session, actor, subject_id, wanted)
    return Listing[DispositionView].model_validate(found)


@router.post("", status_code=201, summary="Record an exit", response_model=DispositionView)
async def record_disposition(
    session: Session,
    actor: Recorder,
    subject_id: UUID,
    body: DispositionCreate,
    now: Now,
    response: Response,
) -> Disposition:
    """Record how a subject left the treatment or the trial; illegal steps are refused."""
    made = await dispositions.record_disposition(session, actor, subject_id, body, now)
    tag(response, made)
    return made


@router.get("/{disposition_id}", summary="Read an exit", response_model=DispositionView)
async def read_disposition(
    session: Session,
    actor: Reader,
    subject_id: UUID,
    disposition_id: UUID,
    past: AsOf,
    response: Response,
) -> Disposition:
    """Read one exit of the subject."""
    key = DispositionKey(subject_id, disposition_id)
    found = await dispositions.read_disposition(session, actor, key, past)
    tag(response, found)
    return found


@router.patch(
    "/{disposition_id}", summary="Correct or retract an exit", response_model=DispositionView
)
async def change_disposition(
    session: Session,
    actor: Changer,
    subject_id: UUID,
    disposition_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: DispositionChange,
    response: Response,
) -> Disposition:
    """Correct the fields that are given, or retract the exit; needs If-Match and a reason.

    What is corrected is checked like a new exit; whatever rests on it follows.
    """
    changed = await dispositions.change_disposition(
        session, actor, DispositionKey(subject_id, disposition_id), version, body.values(), now
    )
    tag(response, changed)
    return changed
