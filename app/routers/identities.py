"""Who a subject is: told by a coordinator, shown to who treats, to others with a reason only."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from app.models import Person
from app.routers.answers import tag
from app.routers.dependencies import AsOf, Session, expected_version, permit
from app.routers.disclosures import Keys, permit_to_see
from app.routers.route import TrialRoute
from app.schemas.identities import (
    DisclosureCreate,
    DisclosureView,
    IdentityPut,
    IdentityReceipt,
    IdentityView,
    InitialsView,
)
from app.services import break_glass, identities
from app.services.access import Actor
from app.services.identities import LabelInitials, OpenedIdentity, PersonalData
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}", route_class=TrialRoute, tags=["identity"]
)
Reader = Annotated[Actor, Depends(permit_to_see(Area.IDENTITY))]
LabelReader = Annotated[Actor, Depends(permit_to_see(Area.INITIALS))]
Recorder = Annotated[Actor, Depends(permit(Area.IDENTITY, Right.UPDATE))]
Outsider = Annotated[Actor, Depends(permit(Area.DISCLOSURE, Right.CREATE))]


async def version_if_any(
    if_match: Annotated[
        str | None, Header(description="The ETag that was read, to change what is recorded.")
    ] = None,
) -> int | None:
    """Return the version the caller saw, None where it saw none."""
    return None if if_match is None else await expected_version(if_match)


@router.get("/identity", summary="Read who a subject is", response_model=IdentityView)
async def read_identity(
    session: Session,
    actor: Reader,
    subject_id: UUID,
    keyring: Keys,
    past: AsOf,
    response: Response,
) -> OpenedIdentity:
    """Show names, birth date and initials, now or as recorded then; that they were is kept."""
    found = await identities.read_identity(session, actor, subject_id, keyring, past)
    tag(response, found)
    return found


@router.put(
    "/identity",
    summary="Record who a subject is",
    response_model=IdentityReceipt,
    responses={201: {"model": IdentityReceipt, "description": "Recorded for the first time"}},
)
async def put_identity(
    session: Session,
    actor: Recorder,
    subject_id: UUID,
    keyring: Keys,
    version: Annotated[int | None, Depends(version_if_any)],
    body: IdentityPut,
    response: Response,
) -> Person:
    """Keep all of it encrypted; to replace what is recorded takes its ETag and a reason."""
    said = PersonalData(**body.model_dump(exclude={"reason"}))
    row, new = await identities.put_identity(
        session, actor, subject_id, keyring, said, (version, body.reason)
    )
    if new:
        response.status_code = 201
    tag(response, row)
    return row


@router.get("/initials", summary="Read a subject's initials", response_model=InitialsView)
async def read_initials(
    session: Session, actor: LabelReader, subject_id: UUID, keyring: Keys, past: AsOf
) -> LabelInitials:
    """Show what a bag label says of the subject, for who makes and hands out the product."""
    return await identities.read_initials(session, actor, subject_id, keyring, past)


@router.post(
    "/identity/disclosures", status_code=201, summary="See who a subject is, for a stated reason"
)
async def create_disclosure(
    request: Request,
    session: Session,
    actor: Outsider,
    subject_id: UUID,
    keyring: Keys,
    body: DisclosureCreate,
) -> DisclosureView:
    """Break the glass: for a legal duty, a role that sees no identity is shown it this once."""
    found = await break_glass.disclose_all(session, actor, subject_id, keyring, body.reason)
    # Under an Idempotency-Key the answer is kept; what it discloses is not.
    nothing = DisclosureView(identity=None, identifiers=[])
    request.state.kept_body = nothing.model_dump_json().encode()
    return DisclosureView.model_validate(found)
