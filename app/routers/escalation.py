"""The ladder: what it recommends, and how the design behaves under assumed rates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Now, Session, claim_key, permit
from app.routers.route import TrialRoute
from app.schemas.escalation import (
    EscalationView,
    OperatingCharacteristicsCreate,
    OperatingCharacteristicsView,
)
from app.services import escalation, operating_characteristics
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/escalation", route_class=TrialRoute, tags=["escalation"]
)


@router.get("", summary="Read the ladder and its recommendation", response_model=EscalationView)
async def read_escalation(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.ESCALATION, Right.READ))],
    at: At,
) -> ExactJSON:
    """Return how every level stands, what to do next and why, and the digest of the evidence."""
    return ExactJSON(await escalation.read_escalation(session, actor, at.at, at.past))


@router.post(
    "/operating-characteristics",
    summary="Compute the design's operating characteristics",
    dependencies=[Depends(claim_key)],
    response_model=OperatingCharacteristicsView,
)
async def compute_operating_characteristics(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.REFERENCE, Right.READ))],
    body: OperatingCharacteristicsCreate,
    now: Now,
) -> ExactJSON:
    """Return exact probabilities of each outcome and expected subjects and DLTs; stores nothing."""
    return ExactJSON(
        await operating_characteristics.operating_characteristics(
            session, actor, body.true_dlt_rates, body.variant, now
        )
    )
