"""Clients of laboratory systems that sign with keys of their own, for people who let them in."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from app.models import MachineClient
from app.routers.answers import tag
from app.routers.dependencies import ExpectedVersion, Paging, Session
from app.routers.route import TrialRoute
from app.routers.senders import Changer, Reader
from app.schemas.lists import Listing
from app.schemas.machine_clients import ClientChange, ClientCreate, ClientView
from app.services import machine_clients
from app.services.machine_clients import NewClient

router = APIRouter(
    prefix="/lis/senders/{sender_id}/clients", route_class=TrialRoute, tags=["senders"]
)


@router.get("", summary="List a sender's machine clients")
async def list_machine_clients(
    session: Session, actor: Reader, sender_id: UUID, wanted: Paging
) -> Listing[ClientView]:
    """List clients with their public keys and scopes, revoked ones too."""
    found = await machine_clients.list_clients(session, actor, sender_id, wanted)
    return Listing[ClientView].model_validate(found)


@router.post("", status_code=201, summary="Register a machine client", response_model=ClientView)
async def create_machine_client(
    session: Session, actor: Changer, sender_id: UUID, body: ClientCreate, response: Response
) -> MachineClient:
    """Let a laboratory system get tokens with a key that never leaves it."""
    new = NewClient(**body.model_dump())
    client = await machine_clients.register_client(session, actor, sender_id, new)
    tag(response, client)
    return client


@router.patch("/{client_id}", summary="Change a machine client", response_model=ClientView)
async def change_machine_client(
    session: Session,
    actor: Changer,
    sender_id: UUID,
    client_id: UUID,
    version: ExpectedVersion,
    body: ClientChange,
    response: Response,
) -> MachineClient:
    """Change keys or scopes, or revoke the client; the version is the one that the list shows."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    client = await machine_clients.change_client(
        session, actor, (sender_id, client_id), version, values
    )
    tag(response, client)
    return client
