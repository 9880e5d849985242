"""The reference safety information: which events are expected, version by version."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.dependencies import At, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.reference_safety import ReferenceCreate, ReferenceView
from app.services import reference_safety
from app.services.access import Actor
from app.services.paging import Page
from app.services.reference_safety import ReferenceStanding
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/reference-safety-information",
    route_class=TrialRoute,
    tags=["safety"],
)
Reader = Annotated[Actor, Depends(permit(Area.REFERENCE_SAFETY, Right.READ))]
Author = Annotated[Actor, Depends(permit(Area.REFERENCE_SAFETY, Right.CREATE))]


@router.get("", summary="List the versions of the reference safety information")
async def list_reference_safety_information(
    session: Session, actor: Reader, at: At
) -> Listing[ReferenceView]:
    """List all versions, the first added first, all on one page."""
    found = await reference_safety.list_references(session, actor, at.at, at.past)
    return Listing[ReferenceView].model_validate(Page(found, None))


@router.post(
    "",
    status_code=201,
    summary="Add a version of the reference safety information",
    response_model=ReferenceView,
)
async def create_reference_safety_information(
    session: Session, actor: Author, body: ReferenceCreate
) -> ReferenceStanding:
    """Add a version as a whole; it counts once the principal investigator has approved it.

    Approve it at `/signatures` as `reference_safety_information`, with the meaning `approved` or
    `responsible`.
    """
    return await reference_safety.create_reference(session, actor, body)


@router.get(
    "/{reference_id}",
    summary="Read a version of the reference safety information",
    response_model=ReferenceView,
)
async def read_reference_safety_information(
    session: Session, actor: Reader, reference_id: UUID, at: At
) -> ReferenceStanding:
    """Read one version, whether it was signed, and from which day on it counts."""
    return await reference_safety.read_reference(session, actor, reference_id, at.at, at.past)
