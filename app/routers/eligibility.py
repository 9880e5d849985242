"""Eligibility of a subject: the criteria with what they rest on, and people's answers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from app.routers.answers import ExactJSON
from app.routers.dependencies import At, Now, Session, permit
from app.routers.route import TrialRoute
from app.schemas.eligibility import AttestationCreate, CriterionView, EligibilityView
from app.services import eligibility
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/eligibility",
    route_class=TrialRoute,
    tags=["eligibility"],
)
CriterionId = Annotated[
    str, Path(max_length=20, description="Id of the criterion.", examples=["I6"])
]


@router.get("", summary="Weigh a subject's eligibility", response_model=EligibilityView)
async def read_eligibility(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.SCREENING, Right.READ))],
    subject_id: UUID,
    at: At,
) -> ExactJSON:
    """Return the verdict, and every criterion with outcome, value, date, rule and evidence."""
    return ExactJSON(await eligibility.read_eligibility(session, actor, subject_id, at.at, at.past))


@router.put("/{criterion}", summary="Answer a criterion", response_model=CriterionView)
async def attest_criterion(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.SCREENING, Right.UPDATE))],
    subject_id: UUID,
    criterion: CriterionId,
    body: AttestationCreate,
    now: Now,
) -> ExactJSON:
    """Add an answer, the latest of which counts; earlier ones are kept, so no If-Match is asked.

    To contradict what the records say, or to decide what they should, takes a reason.
    """
    place = (subject_id, criterion)
    return ExactJSON(await eligibility.attest_criterion(session, actor, place, body, now))
