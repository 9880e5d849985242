"""The reconciliation of what laboratory systems sent with what became of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.routers.dependencies import At, Session
from app.routers.lis_dependencies import SenderName, permit_lis
from app.routers.route import TrialRoute
from app.schemas.reconciliation import ReconciliationView
from app.schemas.types import StudyDate
from app.services import reconciliation
from app.services.access import Actor
from app.services.reconciliation import Reconciliation
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/lis/reconciliation", route_class=TrialRoute, tags=["inbox"])
Reader = Annotated[Actor, Depends(permit_lis(Area.INBOX, Right.READ))]


@router.get("", summary="Reconcile received results", response_model=ReconciliationView)
async def read_reconciliation(
    session: Session,
    actor: Reader,
    at: At,
    first: Annotated[
        StudyDate | None, Query(alias="from", description="First day of receipt.")
    ] = None,
    last: Annotated[
        StudyDate | None, Query(alias="to", description="Last day of receipt; by default today.")
    ] = None,
    sender: SenderName = None,
) -> Reconciliation:
    """Count per sender and day whether every result that came in is accounted for.

    By default the last seven days. Filed results are counted where they are filed, waiting ones
    where they wait; a message whose results do not add up is named.
    """
    period = reconciliation.period_of(actor, first, last, sender, at.at)
    return await reconciliation.reconcile(session, actor, period, at.past, at.at)
