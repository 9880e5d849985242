"""Casebooks: frozen, locked once they are signed, and opened again by two persons."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.dependencies import AsOf, Paging, Session, permit
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Prover
from app.schemas.casebooks import CasebookSummary, CasebookView, LockCreate, LockView
from app.schemas.lists import Listing
from app.services import casebook_standing, casebooks
from app.services.access import Actor
from app.services.casebook_standing import CasebookStatus
from app.services.casebooks import CasebookAct, Done
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}", route_class=TrialRoute, tags=["casebooks"])
Reader = Annotated[Actor, Depends(permit(Area.CASEBOOK, Right.READ))]
Keeper = Annotated[Actor, Depends(permit(Area.CASEBOOK, Right.SIGN))]


@router.get("/locks", summary="List casebooks")
async def list_casebooks(
    session: Session, actor: Reader, wanted: Paging
) -> Listing[CasebookSummary]:
    """List the casebooks that were closed at least once, the first closed first."""
    found = await casebook_standing.list_casebooks(session, actor, wanted)
    return Listing[CasebookSummary].model_validate(found)


@router.post(
    "/locks",
    summary="Freeze, unfreeze, lock or unlock a casebook",
    response_model=LockView,
    responses=SIGNING_ANSWERS,
)
async def lock_casebook(session: Session, actor: Keeper, prove: Prover, body: LockCreate) -> Done:
    """Do one step about a subject's casebook; 409 `casebook_state` where it stands elsewhere.

    Data managers freeze, unfreeze and lock; a casebook is locked once the principal investigator
    has signed it, at `/signatures`, as it was frozen. To unlock takes a request and an approval,
    by a principal investigator and a data manager, each with a fresh login.
    """
    wanted = CasebookAct(subject_id=body.subject_id, action=body.action, reason=body.reason)
    return await casebooks.act(session, actor, wanted, prove)


@router.get(
    "/subjects/{subject_id}/casebook", summary="Read a casebook", response_model=CasebookView
)
async def read_casebook(
    session: Session, actor: Reader, subject_id: UUID, past: AsOf
) -> CasebookStatus:
    """Read where a subject's casebook stands, what was done about it, and what waits for it."""
    return await casebook_standing.read_casebook(session, actor, subject_id, past)
