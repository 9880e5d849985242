"""Bags of the product."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.vocabulary import BagStatus
from app.models import ProductBag
from app.routers.answers import tag
from app.routers.dependencies import AsOf, ExpectedVersion, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.bag_movements import BagCheckCreate, BagMovementView
from app.schemas.lists import Listing
from app.schemas.product_bags import BagChange, BagCreate, BagView
from app.services import bag_checks, bag_ledger, product_bags
from app.services.access import Actor
from app.services.bag_ledger import LedgerLine
from app.services.product_bags import BagFilter
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/product-bags", route_class=TrialRoute, tags=["product"])
Reader = Annotated[Actor, Depends(permit(Area.PRODUCT, Right.READ))]
Maker = Annotated[Actor, Depends(permit(Area.PRODUCT, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.PRODUCT, Right.UPDATE))]


@router.get("", summary="List bags of the product")
async def list_product_bags(
    session: Session,
    actor: Reader,
    wanted: Paging,
    lot_id: Annotated[UUID | None, Query(description="Bags of this lot.")] = None,
    status: Annotated[BagStatus | None, Query(description="Bags that are so.")] = None,
    infusion_id: Annotated[UUID | None, Query(description="Bags of this infusion.")] = None,
) -> Listing[BagView]:
    """List bags, the first registered first."""
    only = BagFilter(lot_id, status, infusion_id)
    return await product_bags.list_bags(session, actor, wanted, only)


@router.post("", status_code=201, summary="Register a bag", response_model=BagView)
async def create_product_bag(
    session: Session, actor: Maker, body: BagCreate, response: Response
) -> ProductBag:
    """Register a bag of a lot; it is available at once, but used only if the lot is released."""
    bag = await product_bags.create_bag(session, actor, body.model_dump())
    tag(response, bag)
    return bag


@router.get("/{bag_id}", summary="Read a bag")
async def read_product_bag(
    session: Session, actor: Reader, bag_id: UUID, past: AsOf, response: Response
) -> BagView:
    """Read a bag with its status."""
    bag = await product_bags.read_bag(session, actor, bag_id, past)
    tag(response, bag)
    return bag


@router.patch("/{bag_id}", summary="Allocate, free or discard a bag")
async def change_product_bag(
    session: Session,
    actor: Changer,
    bag_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: BagChange,
    response: Response,
) -> BagView:
    """Move a bag from available to allocated and back, or discard it; discarded is final."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    bag = await product_bags.change_bag(session, actor, bag_id, version, values, now)
    tag(response, bag)
    return bag


@router.get("/{bag_id}/movements", summary="List the steps of a bag")
async def list_bag_movements(
    session: Session, actor: Reader, bag_id: UUID, past: AsOf
) -> Listing[BagMovementView]:
    """List the ledger of a bag, all on one page: each step, how the bag stood, what was in it."""
    found = await bag_ledger.list_movements(session, actor, bag_id, past)
    return Listing[BagMovementView].model_validate({"items": found, "next": None})


@router.post(
    "/{bag_id}/checks",
    status_code=201,
    summary="Check a bag before its infusion",
    response_model=BagMovementView,
)
async def check_product_bag(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.INFUSION, Right.UPDATE))],
    bag_id: UUID,
    now: Now,
    body: BagCheckCreate,
) -> LedgerLine:
    """Confirm that a bag is one of an infusion, by its label's code or as the second person.

    A wrong bag, a wrong code and a check by who allocated the bag are refused, and nothing is
    stored. An infusion that started without the check of a bag is a deviation; it blocks nothing.
    """
    return await bag_checks.check_bag(session, actor, bag_id, body.model_dump(), now)
