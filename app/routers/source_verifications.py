"""Source verification: items of records that monitors held against the source."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.routers.dependencies import At, OfSubject, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.source_verifications import (
    CoverageView,
    SourceVerificationCreate,
    SourceVerificationView,
)
from app.schemas.types import Code
from app.services import source_coverage, source_verifications
from app.services.access import Actor
from app.services.role_matrix import Area, Right
from app.services.source_verifications import CheckedVerification, VerificationFilter

router = APIRouter(
    prefix="/studies/{study}/source-verifications", route_class=TrialRoute, tags=["queries"]
)
Reader = Annotated[Actor, Depends(permit(Area.SOURCE_VERIFICATION, Right.READ))]
Monitor = Annotated[Actor, Depends(permit(Area.SOURCE_VERIFICATION, Right.CREATE))]


@router.get("", summary="List source verifications")
async def list_source_verifications(
    session: Session,
    actor: Reader,
    wanted: Paging,
    subject: OfSubject,
    record_type: Annotated[Code | None, Query(description="Of records of this type.")] = None,
    record_id: Annotated[UUID | None, Query(description="Of this record.")] = None,
) -> Listing[SourceVerificationView]:
    """List what was verified, the first first; what has changed since is marked stale."""
    only = VerificationFilter(subject_id=subject, record_type=record_type, record_id=record_id)
    found = await source_verifications.list_verifications(session, actor, wanted, only)
    return Listing[SourceVerificationView].model_validate(found)


@router.post("", status_code=201, summary="Verify a record", response_model=SourceVerificationView)
async def create_source_verification(
    session: Session, actor: Monitor, body: SourceVerificationCreate
) -> CheckedVerification:
    """Record that a version of a record, or some of its fields, says what the source says.

    409 `record_changed` when the record is in another version by now.
    """
    return await source_verifications.verify_source(session, actor, body.model_dump())


@router.get(
    "/coverage", summary="Read the coverage of source verification", response_model=CoverageView
)
async def read_source_coverage(session: Session, actor: Reader, at: At, subject: OfSubject) -> Any:
    """Count records and items that stand verified, by subject and type of record.

    Retracted records and superseded results do not count.
    """
    return await source_coverage.read_coverage(session, actor, subject, at.at, at.past)
