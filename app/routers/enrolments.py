"""Enrolment of a subject in the open cohort."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.routers.answers import ExactJSON
from app.routers.dependencies import Now, Session, permit
from app.routers.route import TrialRoute
from app.schemas.enrolments import EnrolmentCreate, EnrolmentView
from app.services import enrolments
from app.services.access import Actor
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/subjects/{subject_id}/enrolment",
    route_class=TrialRoute,
    tags=["cohorts"],
)


@router.post(
    "", status_code=201, summary="Enrol a subject in the open cohort", response_model=EnrolmentView
)
async def enrol_subject(
    session: Session,
    actor: Annotated[Actor, Depends(permit(Area.COHORT, Right.CREATE))],
    subject_id: UUID,
    body: EnrolmentCreate,
    now: Now,
) -> ExactJSON:
    """Take the next free place; a refusal lists every reason, of the subject and of the ladder."""
    place = await enrolments.enrol_subject(session, actor, subject_id, body, now)
    return ExactJSON(place, status_code=201)
