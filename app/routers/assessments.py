"""Assessments of nine kinds, each with its own content."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.signing import Meaning
from app.domain.vocabulary import AssessmentKind
from app.routers.answers import tag
from app.routers.dependencies import (
    AsOf,
    ExpectedVersion,
    Now,
    OfSubject,
    Paging,
    Session,
    permit,
)
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Prove, Prover
from app.schemas.assessments import (
    AssessmentChange,
    AssessmentCreate,
    AssessmentView,
    SignedAssessmentView,
)
from app.schemas.lists import Listing
from app.services import assessments
from app.services.access import Actor
from app.services.assessments import JudgedAssessment
from app.services.care import CareChange
from app.services.role_matrix import Area, Right
from app.services.signatures import Signed
from app.services.signed_records import SignatureWish, may_sign, sign_made

router = APIRouter(
    prefix="/studies/{study}/assessments", route_class=TrialRoute, tags=["assessments"]
)
Reader = Annotated[Actor, Depends(permit(Area.CARE, Right.READ))]
Recorder = Annotated[Actor, Depends(permit(Area.CARE, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.CARE, Right.UPDATE))]


@router.get("", summary="List assessments")
async def list_assessments(
    session: Session,
    actor: Reader,
    wanted: Paging,
    subject: OfSubject,
    kind: Annotated[AssessmentKind | None, Query(description="Of this kind.")] = None,
) -> Listing[AssessmentView]:
    """List assessments in the order of recording; retracted ones are marked.

    `doubts` name what the subject's disease is judged by and is not there yet, and what speaks
    against what is known of the subject.
    """
    only = {"subject_id": subject, "kind": kind}
    found = await assessments.list_assessments(session, actor, only, wanted)
    return Listing[AssessmentView].model_validate(found)


@router.post(
    "",
    status_code=201,
    summary="Record an assessment",
    response_model=SignedAssessmentView | AssessmentView,
    responses=SIGNING_ANSWERS,
)
async def create_assessment(
    session: Session,
    actor: Recorder,
    prove: Prover,
    now: Now,
    body: AssessmentCreate,
    response: Response,
) -> JudgedAssessment | Signed:
    """Record an assessment; its content has to fit its kind.

    An investigator signs an opinion on the response; anybody else's is a proposal.
    """
    made = await assessments.create_assessment(session, actor, body.model_dump(), now)
    tag(response, made)
    return await _sign_opinion(session, actor, prove, made)


@router.get("/{assessment_id}", summary="Read an assessment", response_model=AssessmentView)
async def read_assessment(
    session: Session, actor: Reader, assessment_id: UUID, past: AsOf, response: Response
) -> JudgedAssessment:
    """Read one assessment."""
    found = await assessments.read_assessment(session, actor, assessment_id, past)
    tag(response, found)
    return found


@router.patch(
    "/{assessment_id}",
    summary="Change or retract an assessment",
    response_model=SignedAssessmentView | AssessmentView,
    responses=SIGNING_ANSWERS,
)
async def change_assessment(
    session: Session,
    actor: Changer,
    prove: Prover,
    assessment_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: AssessmentChange,
    response: Response,
) -> JudgedAssessment | Signed:
    """Change the fields that are given; needs If-Match and a reason.

    An earlier signature on it is void from then on; an investigator signs the changed opinion anew.
    """
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    change = CareChange(assessment_id, version, values)
    changed = await assessments.change_assessment(session, actor, change, now)
    tag(response, changed)
    return await _sign_opinion(session, actor, prove, changed)


async def _sign_opinion(
    session: Session, actor: Actor, prove: Prove, made: JudgedAssessment
) -> JudgedAssessment | Signed:
    """Put the signature on an opinion on the response whose author may sign it."""
    opinion = made.kind is AssessmentKind.RESPONSE_OPINION
    if not (opinion and await may_sign(session, actor, "assessment", made.id)):
        return made
    wish = SignatureWish("assessment", made.id, Meaning.AUTHORED)
    return await sign_made(session, actor, await prove(), made, wish)
