"""The inbox: what laboratory systems sent that waits for a person."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.domain.inbound import InboxKind, InboxReason, InboxStatus
from app.interop import rereading
from app.routers.answers import tag
from app.routers.dependencies import AsOf, ExpectedVersion, Now, Paging, Session
from app.routers.lis_dependencies import SenderName, permit_lis
from app.routers.route import TrialRoute
from app.schemas.inbox import InboxItemView, OpenedItemView, ResolutionBody, ResolutionView
from app.schemas.lists import Listing
from app.services import inbox, inbox_resolution
from app.services.access import Actor
from app.services.audit import begin_operation
from app.services.inbox import InboxFilter, Reading
from app.services.inbox_resolution import Resolution, Target
from app.services.role_matrix import Area, Right
from app.services.vault import note_message

router = APIRouter(prefix="/lis/inbox", route_class=TrialRoute, tags=["inbox"])
Reader = Annotated[Actor, Depends(permit_lis(Area.INBOX, Right.READ))]
Resolver = Annotated[Actor, Depends(permit_lis(Area.INBOX, Right.UPDATE))]


async def inbox_filter(
    status: Annotated[InboxStatus, Query(description="How far an item has come.")] = (
        InboxStatus.OPEN
    ),
    reason: Annotated[InboxReason | None, Query(description="One of an item's reasons.")] = None,
    sender: SenderName = None,
    kind: Annotated[InboxKind | None, Query(description="What waits.")] = None,
) -> InboxFilter:
    """Return which items are wanted."""
    return InboxFilter(status=status, reason=reason, sender=sender, kind=kind)


async def stored_reading(request: Request) -> Reading:
    """Return what it takes to read stored messages again."""
    return Reading(
        request.app.state.keyring,
        rereading.reread,
        rereading.is_of_sender,
        rereading.read_upload,
    )


Wanted = Annotated[InboxFilter, Depends(inbox_filter)]
StoredReading = Annotated[Reading, Depends(stored_reading)]


@router.get("", summary="List the inbox")
async def list_inbox_items(
    session: Session, actor: Reader, wanted: Wanted, on_page: Paging
) -> Listing[InboxItemView]:
    """List what waits for a person, the oldest first, each with every reason."""
    found = await inbox.list_items(session, actor, wanted, on_page)
    return Listing[InboxItemView].model_validate(found)


@router.get("/{item_id}", summary="Read an inbox item", response_model=OpenedItemView)
async def read_inbox_item(
    request: Request,
    session: Session,
    actor: Reader,
    item_id: UUID,
    reading: StoredReading,
    past: AsOf,
    response: Response,
) -> Any:
    """Read an item with what was sent; who the patient is, only for roles that may know.

    That they were shown it is kept.
    """
    item = await rereading.read_opened(session, actor, item_id, reading.keyring, past)
    if item.names_somebody:
        command = request.scope["route"].name
        await begin_operation(session, actor, command, None)
        await note_message(session, actor, item.entry.row.message_id, command)
    tag(response, item)
    return item


@router.post(
    "/{item_id}/resolution", summary="Resolve an inbox item", response_model=ResolutionView
)
async def resolve_inbox_item(
    session: Session,
    actor: Resolver,
    item_id: UUID,
    version: ExpectedVersion,
    reading: StoredReading,
    now: Now,
    body: ResolutionBody,
    response: Response,
) -> Resolution:
    """Map a sender's words, say whose a result is, try again, or leave it unfiled, with a reason.

    What the step sets free files itself, of this item and of others that waited for the same; what
    still cannot be filed stays with its new reasons. Everybody who works the inbox may add to a
    sender's profile; only roles that register subjects may say whose a result is.
    """
    target = Target(item_id, version)
    resolution = await inbox_resolution.resolve(session, actor, target, body, reading, now)
    tag(response, resolution.item)
    return resolution
