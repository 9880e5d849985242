"""Infusions: prescribed in order, recorded as given, read with their deviations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from app.domain.signing import Meaning
from app.routers.answers import tag
from app.routers.dependencies import At, ExpectedVersion, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Prover, Signer
from app.schemas.infusions import (
    InfusionChange,
    InfusionCreate,
    InfusionView,
    OrderedInfusionView,
)
from app.schemas.lists import Listing
from app.services import infusion_records, infusions, prescriptions
from app.services.access import Actor
from app.services.infusion_records import ORDERED
from app.services.infusions import InfusionKey, InfusionWithConduct
from app.services.role_matrix import Area, Right
from app.services.signatures import Signed
from app.services.signed_records import SignatureWish, sign_made

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/infusions",
    route_class=TrialRoute,
    tags=["dosing"],
)
Reader = Annotated[Actor, Depends(permit(Area.INFUSION, Right.READ))]
Prescriber = Annotated[Actor, Depends(permit(Area.DOSE_ORDER, Right.CREATE))]
Recorder = Annotated[Actor, Depends(permit(Area.INFUSION, Right.UPDATE))]
ORDER = "dose_order"
Number = Annotated[int, Path(ge=1, le=100, description="Number of the infusion.", examples=[1])]


@router.get("", summary="List a subject's infusions")
async def list_infusions(
    session: Session, actor: Reader, subject_id: UUID, wanted: Paging, at: At
) -> Listing[InfusionView]:
    """List the prescribed infusions in the order of their numbers."""
    found = await infusions.list_infusions(session, actor, subject_id, wanted, at.at)
    return Listing[InfusionView].model_validate(found)


@router.post(
    "",
    status_code=201,
    summary="Prescribe an infusion",
    response_model=OrderedInfusionView,
    responses=SIGNING_ANSWERS,
)
async def prescribe_infusion(
    session: Session,
    actor: Prescriber,
    signer: Signer,
    subject_id: UUID,
    now: Now,
    body: InfusionCreate,
    response: Response,
) -> Signed:
    """Prescribe the next infusion at the level of the subject's enrolment.

    Refused with reasons while the subject's treatment or the level is not open.
    """
    infusion = await prescriptions.prescribe_infusion(
        session, actor, subject_id, body.model_dump(), now
    )
    tag(response, infusion)
    wish = SignatureWish(ORDER, infusion.id, Meaning.RESPONSIBLE)
    return await sign_made(session, actor, signer, infusion, wish)


@router.get("/{number}", summary="Read an infusion", response_model=InfusionView)
async def read_infusion(
    session: Session, actor: Reader, subject_id: UUID, number: Number, at: At, response: Response
) -> InfusionWithConduct:
    """Read an infusion with its bags and its deviations."""
    key = InfusionKey(subject_id, number)
    infusion = await infusions.read_infusion(session, actor, key, at.at, at.past)
    tag(response, infusion)
    return infusion


@router.patch(
    "/{number}",
    summary="Record an infusion",
    response_model=OrderedInfusionView | InfusionView,
    responses=SIGNING_ANSWERS,
)
async def change_infusion(
    session: Session,
    actor: Recorder,
    prove: Prover,
    subject_id: UUID,
    number: Number,
    version: ExpectedVersion,
    now: Now,
    body: InfusionChange,
    response: Response,
) -> InfusionWithConduct | Signed:
    """Record premedication, bags, times, amounts or a cancellation, also long after.

    Departures from the protocol block nothing; they show as deviations. The first start is
    refused where nobody may be dosed, out of order, after an exit and without usable bags. A new
    planned day or weight is a new order, which is signed.
    """
    values = body.model_dump(by_alias=True, exclude_unset=True, exclude={"reason"})
    signer = None if ORDERED.isdisjoint(values) else await prove()
    key = InfusionKey(subject_id, number)
    infusion = await infusion_records.change_infusion(session, actor, key, version, values, now)
    tag(response, infusion)
    if signer is None:
        return infusion
    wish = SignatureWish(ORDER, infusion.id, Meaning.RESPONSIBLE)
    return await sign_made(session, actor, signer, infusion, wish)
