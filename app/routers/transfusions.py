"""Transfusions of blood products."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.vocabulary import TransfusionProduct
from app.models import Transfusion
from app.routers.answers import tag
from app.routers.dependencies import (
    AsOf,
    ExpectedVersion,
    Now,
    OfSubject,
    Paging,
    Session,
    permit,
)
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.transfusions import TransfusionChange, TransfusionCreate, TransfusionView
from app.services import care
from app.services.access import Actor
from app.services.care import CareChange, OnDay
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/transfusions", route_class=TrialRoute, tags=["transfusions"]
)
Reader = Annotated[Actor, Depends(permit(Area.CARE, Right.READ))]
Recorder = Annotated[Actor, Depends(permit(Area.CARE, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.CARE, Right.UPDATE))]


@router.get("", summary="List transfusions")
async def list_transfusions(
    session: Session,
    actor: Reader,
    wanted: Paging,
    subject: OfSubject,
    product: Annotated[TransfusionProduct | None, Query(description="Of this product.")] = None,
) -> Listing[TransfusionView]:
    """List transfusions in the order of recording; retracted ones are marked."""
    only = {"subject_id": subject, "product": product}
    found = await care.list_records(session, actor, Transfusion, only, wanted)
    return Listing[TransfusionView].model_validate(found)


@router.post("", status_code=201, summary="Record a transfusion", response_model=TransfusionView)
async def create_transfusion(
    session: Session, actor: Recorder, now: Now, body: TransfusionCreate, response: Response
) -> OnDay:
    """Record one transfusion of a subject."""
    made = await care.create_record(session, actor, Transfusion, body.model_dump(), now)
    tag(response, made)
    return made


@router.get("/{transfusion_id}", summary="Read a transfusion", response_model=TransfusionView)
async def read_transfusion(
    session: Session, actor: Reader, transfusion_id: UUID, past: AsOf, response: Response
) -> OnDay:
    """Read one transfusion."""
    found = await care.read_record(session, actor, Transfusion, transfusion_id, past)
    tag(response, found)
    return found


@router.patch(
    "/{transfusion_id}",
    summary="Change or retract a transfusion",
    response_model=TransfusionView,
)
async def change_transfusion(
    session: Session,
    actor: Changer,
    transfusion_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: TransfusionChange,
    response: Response,
) -> OnDay:
    """Change the fields that are given; needs If-Match and a reason."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    change = CareChange(transfusion_id, version, values)
    changed = await care.change_record(session, actor, Transfusion, change, now)
    tag(response, changed)
    return changed
