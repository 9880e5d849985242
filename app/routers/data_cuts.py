"""Data cuts: what was known at a moment, the same bytes whenever it is read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.models import DataCut
from app.routers.dependencies import Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.data_cuts import DataCutContent, DataCutCreate, DataCutView
from app.schemas.lists import Listing
from app.schemas.types import Instant
from app.services import data_cuts
from app.services.access import Actor
from app.services.data_cut_content import CutContent
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}", route_class=TrialRoute, tags=["data cuts"])
Reader = Annotated[Actor, Depends(permit(Area.DATA_CUT, Right.READ))]
Maker = Annotated[Actor, Depends(permit(Area.DATA_CUT, Right.CREATE))]


async def settled_moment(request: Request) -> datetime:
    """Wait until what is dated before now is final; return that moment.

    Asked for before the actor, whose operation is one more transaction that runs.
    """
    return await data_cuts.settled(request.app.state.database)


Settled = Annotated[datetime, Depends(settled_moment)]


class CutAnswer(Response):
    """The bytes of a cut, as its digest is of them."""

    media_type = "application/json"

    def __init__(self, found: CutContent) -> None:
        super().__init__(found.content, headers={"ETag": f'"{found.digest}"'})


@router.post("/data-cuts", status_code=201, summary="Make a data cut", response_model=DataCutView)
async def create_data_cut(
    session: Session, settled_at: Settled, actor: Maker, body: DataCutCreate
) -> DataCut:
    """Name a moment and keep the digest of all that was known then; nothing is copied."""
    data_cuts.check_request(actor, body.as_of, settled_at, "/body/as_of")
    return await data_cuts.make_cut(session, actor, body.as_of, body.name, body.purpose)


@router.get("/data-cuts", summary="List the data cuts")
async def list_data_cuts(session: Session, actor: Reader, wanted: Paging) -> Listing[DataCutView]:
    """List who may be working from which moment, with the digests."""
    found = await data_cuts.list_cuts(session, actor, wanted)
    return Listing[DataCutView].model_validate(found)


@router.get("/data-cuts/{cut_id}", summary="Read a data cut", response_model=DataCutContent)
async def read_data_cut(session: Session, actor: Reader, cut_id: UUID) -> Response:
    """Derive the content again and hold it against the digest; it is never another one."""
    return CutAnswer(await data_cuts.read_cut(session, actor, cut_id))


@router.get("/data-cut", summary="Read what was known at a moment", response_model=DataCutContent)
async def read_data_cut_at(
    session: Session,
    settled_at: Settled,
    actor: Reader,
    as_of: Annotated[Instant, Query(description="The instant, with an offset.")],
) -> Response:
    """Derive all records and conclusions of a moment; the ETag is the digest of the bytes."""
    data_cuts.check_request(actor, as_of, settled_at, "/query/as_of")
    return CutAnswer(await data_cuts.cut_at(session, actor, as_of))
