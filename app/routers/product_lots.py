"""Lots of the product."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.models import ProductLot
from app.routers.answers import ExactJSON, tag
from app.routers.dependencies import AsOf, At, ExpectedVersion, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.product_lots import LotChange, LotCreate, LotView
from app.schemas.product_tracing import LookBackView
from app.services import look_back, product_lots
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/product-lots", route_class=TrialRoute, tags=["product"])
Reader = Annotated[Actor, Depends(permit(Area.PRODUCT, Right.READ))]
Maker = Annotated[Actor, Depends(permit(Area.PRODUCT, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.PRODUCT, Right.UPDATE))]


@router.get("", summary="List lots of the product")
async def list_product_lots(session: Session, actor: Reader, wanted: Paging) -> Listing[LotView]:
    """List lots, the first registered first."""
    return Listing[LotView].model_validate(await product_lots.list_lots(session, actor, wanted))


@router.post("", status_code=201, summary="Register a lot", response_model=LotView)
async def create_product_lot(
    session: Session, actor: Maker, now: Now, body: LotCreate, response: Response
) -> ProductLot:
    """Register a lot; it can be released at once if it meets the protocol."""
    lot = await product_lots.create_lot(session, actor, body.model_dump(), now)
    tag(response, lot)
    return lot


@router.get("/{lot_id}", summary="Read a lot", response_model=LotView)
async def read_product_lot(
    session: Session, actor: Reader, lot_id: UUID, past: AsOf, response: Response
) -> ProductLot:
    """Read a lot with its release tests."""
    lot = await product_lots.read_lot(session, actor, lot_id, past)
    tag(response, lot)
    return lot


@router.patch("/{lot_id}", summary="Change or release a lot", response_model=LotView)
async def change_product_lot(
    session: Session,
    actor: Changer,
    lot_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: LotChange,
    response: Response,
) -> ProductLot:
    """Change the fields that are given, release the lot or take the release back."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    lot = await product_lots.change_lot(session, actor, lot_id, version, values, now)
    tag(response, lot)
    return lot


@router.get(
    "/{lot_id}/look-back",
    summary="Follow a lot to its subjects",
    response_model=LookBackView,
)
async def read_look_back(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.ADVERSE_EVENT, Right.READ))],
    lot_id: UUID,
    at: At,
) -> Any:
    """Tell which subjects got or wait for product of a lot, and what happened to them since.

    Each subject's infusions with the bags and their steps, the events from the day of the first
    infusion from the lot on with their standing as dose-limiting toxicity, and the response.
    """
    return ExactJSON(await look_back.read_look_back(session, actor, lot_id, at.at, at.past))
