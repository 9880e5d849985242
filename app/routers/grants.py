"""Who may do what in a study: grants are given, confirmed by a second person, and revoked."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.dependencies import At, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.grants import (
    GrantConfirmation,
    GrantCreate,
    GrantView,
    PersonView,
    Revocation,
)
from app.schemas.lists import Listing
from app.services import grant_standing, grants
from app.services.access import Actor
from app.services.grant_standing import GrantWithStanding
from app.services.grants import NewGrant, NewPerson
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/grants", route_class=TrialRoute, tags=["grants"])
people = APIRouter(prefix="/studies/{study}/people", route_class=TrialRoute, tags=["grants"])
Reader = Annotated[Actor, Depends(permit(Area.GRANT, Right.READ))]
Granter = Annotated[Actor, Depends(permit(Area.GRANT, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.GRANT, Right.UPDATE))]


@router.get("", summary="List grants")
async def list_grants(
    session: Session, actor: Reader, wanted: Paging, at: At
) -> Listing[GrantView]:
    """List who may be what, from when, until when and by whom, with what has ended."""
    found = await grant_standing.list_grants(session, actor, wanted, at.at)
    return Listing[GrantView].model_validate(found)


@router.post("", status_code=201, summary="Grant a role", response_model=GrantView)
async def create_grant(
    session: Session, actor: Granter, now: Now, body: GrantCreate
) -> GrantWithStanding:
    """Give a role to somebody known or new, never to oneself.

    A principal investigator or an administrator is only proposed so; a second administrator
    confirms.
    """
    person = NewPerson(**body.person.model_dump()) if body.person else None
    new = NewGrant(person=person, **body.model_dump(exclude={"person", "reason"}))
    return await grants.create_grant(session, actor, new, now)


@router.post(
    "/{grant_id}/confirmation",
    status_code=201,
    summary="Confirm a proposed grant",
    response_model=GrantView,
)
async def confirm_grant(
    session: Session, actor: Granter, grant_id: UUID, now: Now, body: GrantConfirmation
) -> GrantWithStanding:
    """Put a proposed grant into force; neither who proposed it nor who gets it can."""
    return await grants.confirm_grant(session, actor, grant_id, now)


@router.post(
    "/{grant_id}/revocation", status_code=201, summary="Revoke a grant", response_model=GrantView
)
async def revoke_grant(
    session: Session, actor: Changer, grant_id: UUID, now: Now, body: Revocation
) -> GrantWithStanding:
    """End a grant at once, or turn a proposed one down; the next request has it no more."""
    return await grants.revoke_grant(session, actor, grant_id, body.reason, now)


@people.get("", summary="List people")
async def list_people(session: Session, actor: Reader, wanted: Paging) -> Listing[PersonView]:
    """List the people and machines that the study knows, by their identities."""
    found = await grants.list_people(session, actor, wanted)
    return Listing[PersonView].model_validate(found)


@people.post(
    "/{person_id}/revocation",
    status_code=201,
    summary="Revoke all that a person holds",
    response_model=list[GrantView],
)
async def disable_person(
    session: Session, actor: Changer, person_id: UUID, now: Now, body: Revocation
) -> list[GrantWithStanding]:
    """End every grant of a person at once, proposed ones too."""
    return await grants.disable_person(session, actor, person_id, body.reason, now)
