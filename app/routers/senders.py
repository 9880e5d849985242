"""Laboratory systems that push results, for the people who let them in."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.models import SenderKey, SenderProfileVersion
from app.routers.answers import tag
from app.routers.dependencies import AsOf, ExpectedVersion, Now, Paging, Session
from app.routers.lis_dependencies import permit_lis
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.senders import (
    KeyRevocation,
    KeyView,
    NewKeyView,
    ProfileCreate,
    ProfileVersionView,
    SenderChange,
    SenderCreate,
    SenderView,
)
from app.services import sender_keys, sender_profiles, sender_registry
from app.services.access import Actor
from app.services.role_matrix import Area, Right
from app.services.sender_registry import NewSender, SenderWithBindings

router = APIRouter(prefix="/lis/senders", route_class=TrialRoute, tags=["senders"])
Reader = Annotated[Actor, Depends(permit_lis(Area.SENDER, Right.READ))]
Registrar = Annotated[Actor, Depends(permit_lis(Area.SENDER, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit_lis(Area.SENDER, Right.UPDATE))]


@router.get("", summary="List the laboratory systems")
async def list_senders(session: Session, actor: Reader, wanted: Paging) -> Listing[SenderView]:
    """List senders in the order of their registration, closed ones too."""
    found = await sender_registry.list_senders(session, actor, wanted)
    return Listing[SenderView].model_validate(found)


@router.post("", status_code=201, summary="Register a laboratory system", response_model=SenderView)
async def create_sender(
    session: Session, actor: Registrar, now: Now, body: SenderCreate, response: Response
) -> SenderWithBindings:
    """Register a machine client of one site, with its identity, its grant and its profile."""
    new = NewSender(
        site=body.site,
        identity=body.identity(),
        values=body.values(),
        profile=body.profile,
    )
    sender = await sender_registry.register_sender(session, actor, new, now)
    tag(response, sender)
    return sender


@router.get("/{sender_id}", summary="Read a laboratory system", response_model=SenderView)
async def read_sender(
    session: Session, actor: Reader, sender_id: UUID, past: AsOf, response: Response
) -> SenderWithBindings:
    """Read a sender, now or as it was."""
    sender = await sender_registry.read_sender(session, actor, sender_id, past)
    tag(response, sender)
    return sender


@router.patch("/{sender_id}", summary="Change a laboratory system", response_model=SenderView)
async def change_sender(
    session: Session,
    actor: Changer,
    sender_id: UUID,
    version: ExpectedVersion,
    body: SenderChange,
    response: Response,
) -> SenderWithBindings:
    """Change the fields that are given; `active` false closes the door on the next message."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    sender = await sender_registry.change_sender(session, actor, sender_id, version, values)
    tag(response, sender)
    return sender


@router.get("/{sender_id}/profiles", summary="List the versions of a sender's profile")
async def list_sender_profiles(
    session: Session, actor: Reader, sender_id: UUID, wanted: Paging
) -> Listing[ProfileVersionView]:
    """List how the sender's messages were and are read, the first version first."""
    found = await sender_profiles.list_versions(session, actor, sender_id, wanted)
    return Listing[ProfileVersionView].model_validate(found)


@router.post(
    "/{sender_id}/profiles",
    status_code=201,
    summary="Change how a sender's messages are read",
    response_model=ProfileVersionView,
)
async def create_sender_profile(
    session: Session, actor: Changer, sender_id: UUID, body: ProfileCreate
) -> SenderProfileVersion:
    """Add a profile version, which counts from the next message on; earlier ones stay readable."""
    return await sender_profiles.add_version(
        session, actor, sender_id, body.profile, body.reason, body.based_on
    )


@router.get("/{sender_id}/keys", summary="List a sender's API keys")
async def list_sender_keys(
    session: Session, actor: Reader, sender_id: UUID, wanted: Paging
) -> Listing[KeyView]:
    """List keys by their prefix, revoked ones too; a key's text is nowhere kept."""
    found = await sender_keys.list_keys(session, actor, sender_id, wanted)
    return Listing[KeyView].model_validate(found)


@router.post("/{sender_id}/keys", status_code=201, summary="Make an API key")
async def create_sender_key(
    request: Request, session: Session, actor: Changer, sender_id: UUID, response: Response
) -> NewKeyView:
    """Make a key and show it this once; a sender has at most two active ones."""
    row, text = await sender_keys.create_key(session, actor, sender_id)
    tag(response, row)
    view = KeyView.model_validate(row).model_dump()
    request.state.kept_body = NewKeyView(**view, key=None).model_dump_json().encode()
    return NewKeyView(**view, key=text)


@router.patch("/{sender_id}/keys/{key_id}", summary="Revoke an API key", response_model=KeyView)
async def revoke_sender_key(
    session: Session,
    actor: Changer,
    sender_id: UUID,
    key_id: UUID,
    version: ExpectedVersion,
    _body: KeyRevocation,
    response: Response,
) -> SenderKey:
    """Close a key from the next request on; the version is the one that the list shows."""
    row = await sender_keys.revoke_key(session, actor, sender_id, key_id, version)
    tag(response, row)
    return row
