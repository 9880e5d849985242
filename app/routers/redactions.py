"""Lawful redactions: requested by the investigator, carried out by a data manager."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from app.routers.dependencies import Paging, Session, permit
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Signer
from app.schemas.lists import Listing
from app.schemas.redactions import RedactionCreate, RedactionExecution, RedactionView
from app.services import redactions
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/redactions", route_class=TrialRoute, tags=["audit"])
Reader = Annotated[Actor, Depends(permit(Area.REDACTION, Right.READ))]
Requester = Annotated[Actor, Depends(permit(Area.REDACTION, Right.SIGN))]
Executor = Annotated[Actor, Depends(permit(Area.REDACTION, Right.CREATE))]


@router.get("", summary="List redactions")
async def list_redactions(
    session: Session, actor: Reader, wanted: Paging
) -> Listing[RedactionView]:
    """List what was asked to be redacted, by whom and why, and what became of it."""
    return await redactions.list_redactions(session, actor, wanted)


@router.post("", status_code=201, summary="Request a redaction", responses=SIGNING_ANSWERS)
async def request_redaction(
    session: Session, actor: Requester, _: Signer, body: RedactionCreate
) -> RedactionView:
    """Ask for a value in free text to go; nothing is gone before another person carries it out."""
    return await redactions.request_redaction(session, actor, body)


@router.post("/{request_id}/execution", status_code=201, summary="Carry out a redaction")
async def execute_redaction(
    request: Request, session: Session, actor: Executor, request_id: UUID, body: RedactionExecution
) -> RedactionView:
    """Take the value away from the record, its trail, signed documents and kept answers.

    The proof that something was there stays, and who took it away, when and why.
    """
    return await redactions.execute_redaction(session, actor, request_id, request.app.state.keyring)
