"""The chain of identity of a subject: the way of the product, bag by bag."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Session, permit
from app.routers.route import TrialRoute
from app.schemas.product_tracing import ChainOfIdentityView
from app.services import chain_of_identity
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/chain-of-identity",
    route_class=TrialRoute,
    tags=["product"],
)


@router.get("", summary="Trace the product into a subject", response_model=ChainOfIdentityView)
async def read_chain_of_identity(
    session: Session,
    at: At,
    actor: Annotated[Actor, Depends(permit(Area.PRODUCT, Right.READ))],
    subject_id: UUID,
) -> Any:
    """Trace each infusion of a subject back to its bags and lots, step by step, with every gap.

    A gap is a bag that is not on record, was not checked or was in use before the ledger began, a
    volume that is missing, more given than a bag held, and product that was unfit.
    """
    return ExactJSON(await chain_of_identity.read_chain(session, actor, subject_id, at.at, at.past))
