"""Decisions about the ladder: proposed by an investigator, confirmed by the committee."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.domain.signing import Meaning
from app.routers.answers import ExactJSON
from app.routers.dependencies import Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Signer, signed_json
from app.schemas.decisions import (
    DecisionCreate,
    DecisionListing,
    DecisionView,
    ExpansionCreate,
    SignedDecisionView,
    VerdictCreate,
    WithdrawalCreate,
)
from app.services import decisions
from app.services.access import Actor
from app.services.role_matrix import Area, Right
from app.services.signed_records import SignatureWish, sign_made

router = APIRouter(prefix="/studies/{study}", route_class=TrialRoute, tags=["escalation"])
Reader = Annotated[Actor, Depends(permit(Area.ESCALATION, Right.READ))]
Proposer = Annotated[Actor, Depends(permit(Area.ESCALATION, Right.CREATE))]
Committee = Annotated[Actor, Depends(permit(Area.ESCALATION, Right.SIGN))]
PROPOSAL = "escalation_decision"


@router.get("/escalation/decisions", summary="List decisions", response_model=DecisionListing)
async def list_decisions(session: Session, actor: Reader, wanted: Paging) -> ExactJSON:
    """List decisions in the order of their rounds, each with its evidence and its verdict."""
    return ExactJSON(await decisions.list_decisions(session, actor, wanted))


@router.post(
    "/escalation/decisions",
    status_code=201,
    summary="Propose a decision",
    response_model=SignedDecisionView,
    responses=SIGNING_ANSWERS,
)
async def propose_decision(
    session: Session, actor: Proposer, signer: Signer, body: DecisionCreate, now: Now
) -> ExactJSON:
    """Propose a decision against the digest that was read; refused if the evidence moved.

    Decisions that the protocol lets nobody confirm, such as hold and stop, take effect at once.
    """
    made = await decisions.propose_decision(session, actor, body, now)
    wish = SignatureWish(PROPOSAL, made.id, Meaning.AUTHORED)
    return signed_json(await sign_made(session, actor, signer, made, wish))


@router.post(
    "/escalation/decisions/{decision_id}/verdict",
    status_code=201,
    summary="Confirm or reject a proposal",
    response_model=SignedDecisionView,
    responses=SIGNING_ANSWERS,
)
async def give_verdict(
    session: Session,
    actor: Committee,
    signer: Signer,
    decision_id: UUID,
    body: VerdictCreate,
    now: Now,
) -> ExactJSON:
    """Give the second person's word; a confirmed decision takes effect if its evidence stands."""
    decided = await decisions.give_verdict(session, actor, decision_id, body, now)
    meaning = Meaning.APPROVED if body.verdict == "confirmed" else Meaning.REVIEWED
    wish = SignatureWish("decision_verdict", decision_id, meaning)
    return signed_json(await sign_made(session, actor, signer, decided, wish))


@router.post(
    "/escalation/decisions/{decision_id}/withdrawal",
    status_code=201,
    summary="Withdraw a proposal",
    response_model=DecisionView,
)
async def withdraw_decision(
    session: Session, actor: Proposer, decision_id: UUID, body: WithdrawalCreate, now: Now
) -> ExactJSON:
    """Take one's own open proposal back."""
    settled = await decisions.withdraw_decision(session, actor, decision_id, body.reason, now)
    return ExactJSON(settled, status_code=201)


@router.post(
    "/expansion",
    status_code=201,
    summary="Propose the level of the expansion",
    response_model=SignedDecisionView,
    responses=SIGNING_ANSWERS,
)
async def propose_expansion(
    session: Session, actor: Proposer, signer: Signer, body: ExpansionCreate, now: Now
) -> ExactJSON:
    """Propose a level not above the highest tolerated one; the committee confirms it."""
    made = await decisions.propose_expansion(session, actor, body, now)
    wish = SignatureWish(PROPOSAL, made.id, Meaning.AUTHORED)
    return signed_json(await sign_made(session, actor, signer, made, wish))
