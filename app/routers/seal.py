"""The seal for those who rely on it: receipts of operations and the signed checkpoints."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from app.routers.dependencies import Caller, Session, permit
from app.routers.route import TrialRoute
from app.schemas.seal import CheckpointListing, PendingReceiptView, ReceiptView
from app.services import receipts
from app.services.access import Actor
from app.services.paging import MAX_LIMIT
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/audit", route_class=TrialRoute, tags=["audit"])
log = APIRouter(prefix="/audit", route_class=TrialRoute, tags=["audit"])
Reader = Annotated[Actor, Depends(permit(Area.SEAL, Right.READ))]


@router.get(
    "/receipts/{operation_id}",
    summary="Read the receipt of an operation",
    responses={202: {"model": PendingReceiptView, "description": "Not sealed yet; ask again."}},
    response_model=ReceiptView,
)
async def read_receipt(session: Session, actor: Reader, operation_id: UUID) -> Response:
    """Prove that an operation is in the sealed log, by its path to a signed checkpoint."""
    receipt = await receipts.receipt_of(session, actor, operation_id)
    if receipt is None:
        pending = PendingReceiptView(operation_id=operation_id, status="pending")
        return JSONResponse(pending.model_dump(mode="json"), status_code=202)
    return JSONResponse(ReceiptView.model_validate(receipt).model_dump(mode="json"))


@log.get("/checkpoints", summary="List the checkpoints of the sealed log")
async def list_checkpoints(
    session: Session,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=64, description="The `next` of the page before.")
    ] = None,
) -> CheckpointListing:
    """List what was signed and published, the first first, for any valid token.

    A copy that is kept elsewhere is what makes the log impossible to rewrite unseen.
    """
    found = await receipts.list_checkpoints(session, limit, cursor)
    return CheckpointListing.model_validate(found)
