"""Reference ranges of the laboratories: which limits counted when, and what a version changes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.routers.dependencies import AsOf, Paging, Session, permit
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.reference_ranges import (
    ChangedGradeView,
    RangeRetractionCreate,
    ReferenceRangeCreate,
    ReferenceRangeReceipt,
    ReferenceRangeView,
)
from app.schemas.types import Code, StudyDate
from app.services import reference_ranges
from app.services.access import Actor
from app.services.paging import Page
from app.services.reference_ranges import RangeFilter, RangeStanding
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/reference-ranges", route_class=TrialRoute, tags=["labs"]
)
Reader = Annotated[Actor, Depends(permit(Area.REFERENCE_RANGE, Right.READ))]
Author = Annotated[Actor, Depends(permit(Area.REFERENCE_RANGE, Right.CREATE))]


async def range_filter(
    laboratory: Annotated[Code | None, Query(description="The `source` of its results.")] = None,
    analyte: Annotated[Code | None, Query(description="Key or alias of the catalogue.")] = None,
    on: Annotated[StudyDate | None, Query(description="Those that count on this day.")] = None,
) -> RangeFilter:
    """Return which ranges are wanted."""
    return RangeFilter(laboratory=laboratory, analyte=analyte, on=on)


Wanted = Annotated[RangeFilter, Depends(range_filter)]


@router.get("", summary="List reference ranges")
async def list_reference_ranges(
    session: Session, actor: Reader, wanted: Wanted, on_page: Paging
) -> Listing[ReferenceRangeView]:
    """List versions of ranges, the first recorded first, with when each counts."""
    found = await reference_ranges.list_ranges(session, actor, wanted, on_page)
    return Listing[ReferenceRangeView].model_validate(found)


@router.post(
    "",
    status_code=201,
    summary="Record a version of a reference range",
    response_model=ReferenceRangeReceipt,
)
async def create_reference_range(
    session: Session, actor: Author, body: ReferenceRangeCreate
) -> RangeStanding:
    """Record a laboratory's range; results that came without limits are graded by it from now on.

    It closes the version before for the same people on the day it counts from. `changed` lists
    the grades that read differently because of it.
    """
    return await reference_ranges.create_range(session, actor, body)


@router.get(
    "/{range_id}", summary="Read a version of a reference range", response_model=ReferenceRangeView
)
async def read_reference_range(
    session: Session, actor: Reader, range_id: UUID, past: AsOf
) -> RangeStanding:
    """Read one version, and until when it counts."""
    return await reference_ranges.read_range(session, actor, range_id, past)


@router.get("/{range_id}/changes", summary="List the grades that rest on a reference range")
async def list_range_changes(
    session: Session, actor: Reader, range_id: UUID, past: AsOf
) -> Listing[ChangedGradeView]:
    """List the grades that would read differently had this version never been recorded.

    Derived from the present records, or from those of `as_of`; all on one page.
    """
    found = await reference_ranges.read_changes(session, actor, range_id, past)
    return Listing[ChangedGradeView].model_validate(Page(found, None))


@router.post(
    "/{range_id}/retraction",
    status_code=201,
    summary="End a reference range, or take it back",
    response_model=ReferenceRangeReceipt,
)
async def retract_reference_range(
    session: Session, actor: Author, range_id: UUID, body: RangeRetractionCreate
) -> RangeStanding:
    """End a version from a day on, or take it back as a mistake: then what it closed counts again.

    `changed` lists the grades that read differently because of that.
    """
    return await reference_ranges.retract_range(session, actor, range_id, body)
