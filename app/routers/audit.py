"""The audit trail, for whoever has to verify how the records came about."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.routers.answers import ExactJSON
from app.routers.dependencies import Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.audit import ChangeView, OperationView
from app.schemas.lists import Listing
from app.schemas.types import Code, Instant
from app.services import audit_trail
from app.services.access import Actor
from app.services.audit_trail import ChangeFilter, OperationFilter
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/audit", route_class=TrialRoute, tags=["audit"])
Reader = Annotated[Actor, Depends(permit(Area.AUDIT, Right.READ))]


@router.get("/operations", summary="List who did what, when and why")
async def list_operations(
    session: Session,
    actor: Reader,
    wanted: Paging,
    of_actor: Annotated[
        UUID | None, Query(alias="actor", description="Operations of this person.")
    ] = None,
    command: Annotated[Code | None, Query(description="Operations of this name.")] = None,
    record_id: Annotated[
        UUID | None, Query(description="Operations that wrote this record.")
    ] = None,
    request_id: Annotated[
        Code | None, Query(description="The operation of this X-Request-ID.")
    ] = None,
    start: Annotated[
        Instant | None, Query(alias="from", description="Operations from this instant on.")
    ] = None,
    end: Annotated[
        Instant | None, Query(alias="to", description="Operations up to this instant.")
    ] = None,
) -> Listing[OperationView]:
    """List every writing request, the first first; requests that failed wrote nothing."""
    only = OperationFilter(
        actor=of_actor,
        command=command,
        record_id=record_id,
        request_id=request_id,
        start=start,
        end=end,
    )
    found = await audit_trail.list_operations(session, actor, wanted, only)
    return Listing[OperationView].model_validate(found)


@router.get(
    "/changes", summary="List what was written, old and new", response_model=Listing[ChangeView]
)
async def list_changes(
    session: Session,
    actor: Reader,
    wanted: Paging,
    operation_id: Annotated[UUID | None, Query(description="Rows of this operation.")] = None,
    record_type: Annotated[
        Code | None, Query(description="Rows of this table.", examples=["adverse_event"])
    ] = None,
    record_id: Annotated[UUID | None, Query(description="Rows of this record.")] = None,
) -> Any:
    """List every row that was ever written, in the order of the operations, with its author."""
    only = ChangeFilter(operation_id=operation_id, record_type=record_type, record_id=record_id)
    found = await audit_trail.list_changes(session, actor, wanted, only)
    return ExactJSON({"items": found.items, "next": found.next})
