"""Subjects: screened, read with their derived status, changed with a reason."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.routers.answers import tag
from app.routers.dependencies import At, ExpectedVersion, Now, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.subjects import SubjectChange, SubjectCreate, SubjectView
from app.services import subjects
from app.services.access import Actor
from app.services.role_matrix import Area, Right
from app.services.subjects import SubjectWithStatus

router = APIRouter(prefix="/studies/{study}/subjects", route_class=TrialRoute, tags=["subjects"])
Reader = Annotated[Actor, Depends(permit(Area.SCREENING, Right.READ))]
Screener = Annotated[Actor, Depends(permit(Area.SCREENING, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.SCREENING, Right.UPDATE))]


@router.get("", summary="List subjects")
async def list_subjects(
    session: Session, actor: Reader, wanted: Paging, at: At
) -> Listing[SubjectView]:
    """List subjects in the order of their numbers, with their derived status."""
    found = await subjects.list_subjects(session, actor, wanted, at.at)
    return Listing[SubjectView].model_validate(found)


@router.post(
    "", status_code=201, summary="Register a subject for screening", response_model=SubjectView
)
async def create_subject(
    session: Session, actor: Screener, now: Now, body: SubjectCreate, response: Response
) -> SubjectWithStatus:
    """Register a subject; identifying data do not belong here."""
    subject = await subjects.create_subject(session, actor, body.model_dump(), now)
    tag(response, subject)
    return subject


@router.get("/{subject_id}", summary="Read a subject", response_model=SubjectView)
async def read_subject(
    session: Session, actor: Reader, subject_id: UUID, at: At, response: Response
) -> SubjectWithStatus:
    """Read a subject with its derived status."""
    subject = await subjects.read_subject(session, actor, subject_id, at.at, at.past)
    tag(response, subject)
    return subject


@router.patch("/{subject_id}", summary="Change a subject", response_model=SubjectView)
async def change_subject(
    session: Session,
    actor: Changer,
    subject_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: SubjectChange,
    response: Response,
) -> SubjectWithStatus:
    """Change the fields that are given; needs If-Match and a reason."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    subject = await subjects.change_subject(session, actor, subject_id, version, values, now)
    tag(response, subject)
    return subject
