"""Evidence that moved under decisions and signatures, and what people concluded about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.domain.evidence_moved import MovedStatus
from app.models import EvidenceReview
from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Now, OfSubject, Session, permit
from app.routers.route import TrialRoute
from app.schemas.evidence_moved import EvidenceMovedListing, EvidenceReviewView, ReviewCreate
from app.services import evidence_moved
from app.services.access import Actor
from app.services.evidence_moved import MovedFilter
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/evidence-moved", route_class=TrialRoute, tags=["escalation"]
)


@router.get("", summary="List evidence that moved", response_model=EvidenceMovedListing)
async def list_evidence_moved(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.ESCALATION, Right.READ))],
    at: At,
    subject: OfSubject,
    status: Annotated[
        MovedStatus | None, Query(description="Only what is open, reviewed or renewed.")
    ] = None,
) -> ExactJSON:
    """List every decision, verdict, adjudication, enrolment and signature whose basis moved.

    Each is drawn again for its own moment from the records as they are known now: what happened
    later moves nothing, what was corrected or recorded late does. Items stay until the basis reads
    as it did; a review says that a person looked at the movement as it is.
    """
    only = MovedFilter(status, subject)
    return ExactJSON(await evidence_moved.list_evidence_moved(session, actor, at.at, at.past, only))


@router.post(
    "/reviews",
    status_code=201,
    summary="Conclude on evidence that moved",
    response_model=EvidenceReviewView,
)
async def review_evidence(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.ESCALATION, Right.CREATE))],
    body: ReviewCreate,
    now: Now,
) -> EvidenceReview:
    """Record what follows from a movement as it was shown; refused if more moved since."""
    return await evidence_moved.review_evidence(session, actor, body, now)
