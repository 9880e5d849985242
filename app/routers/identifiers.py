"""What a hospital calls a subject: told by a coordinator, read by few, matched by nobody's eyes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.models import SubjectIdentifier
from app.routers.answers import tag
from app.routers.dependencies import ExpectedVersion, Paging, Session, permit
from app.routers.disclosures import Keys, permit_to_see
from app.routers.route import TrialRoute
from app.schemas.identifiers import (
    IdentifierCreate,
    IdentifierRetraction,
    IdentifierView,
    OpenedIdentifierView,
)
from app.schemas.lists import Listing
from app.services import identifiers
from app.services.access import Actor
from app.services.inbound_matching import Identifier
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/identifiers",
    route_class=TrialRoute,
    tags=["identifiers"],
)
Reader = Annotated[Actor, Depends(permit_to_see(Area.IDENTITY))]
Recorder = Annotated[Actor, Depends(permit(Area.IDENTITY, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.IDENTITY, Right.UPDATE))]


@router.get("", summary="List a subject's hospital identifiers")
async def list_identifiers(
    session: Session, actor: Reader, subject_id: UUID, keyring: Keys, wanted: Paging
) -> Listing[OpenedIdentifierView]:
    """List identifiers with their values, retracted ones too."""
    found = await identifiers.list_identifiers(session, actor, subject_id, keyring, wanted)
    return Listing[OpenedIdentifierView].model_validate(found)


@router.post(
    "",
    status_code=201,
    summary="Record a hospital identifier",
    response_model=IdentifierView,
    responses={200: {"model": IdentifierView, "description": "Recorded before"}},
)
async def create_identifier(
    session: Session,
    actor: Recorder,
    subject_id: UUID,
    keyring: Keys,
    body: IdentifierCreate,
    response: Response,
) -> SubjectIdentifier:
    """Record by what laboratory messages name the subject; the value is kept encrypted only."""
    identifier = Identifier(
        kind=body.kind, value=body.value, authority=body.authority or "", type=body.type or ""
    )
    row, new = await identifiers.record_identifier(session, actor, subject_id, keyring, identifier)
    if not new:
        response.status_code = 200
    tag(response, row)
    return row


@router.patch(
    "/{identifier_id}", summary="Retract a hospital identifier", response_model=IdentifierView
)
async def retract_identifier(
    session: Session,
    actor: Changer,
    subject_id: UUID,
    identifier_id: UUID,
    version: ExpectedVersion,
    _body: IdentifierRetraction,
    response: Response,
) -> SubjectIdentifier:
    """Stop matching by an identifier; the version is the one that the list shows."""
    row = await identifiers.retract_identifier(session, actor, subject_id, identifier_id, version)
    tag(response, row)
    return row
