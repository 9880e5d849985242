"""The CTCAE dictionary and the grading of values."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.routers.dependencies import permit
from app.routers.route import TrialRoute
from app.schemas.ctcae import GradeRequest, GradesView, TermView
from app.schemas.lists import Listing
from app.services import ctcae
from app.services.access import Actor
from app.services.paging import MAX_LIMIT
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/ctcae", route_class=TrialRoute, tags=["ctcae"])
Reader = Annotated[Actor, Depends(permit(Area.REFERENCE, Right.READ))]
Words = Annotated[str, Query(max_length=200)]


@router.get("/terms", summary="Search the CTCAE dictionary")
async def search_ctcae_terms(
    _: Reader,
    q: Annotated[Words, Query(description="Words that the term contains, in any order.")] = "",
    soc: Annotated[Words, Query(description="Part of the organ class's name.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=64, description="The `next` of the page before.")
    ] = None,
) -> Listing[TermView]:
    """Find terms of CTCAE v5.0 with the grades that exist for them."""
    return Listing[TermView].model_validate(ctcae.list_terms(q, soc, limit, cursor))


@router.post("/grade", summary="Grade a laboratory value by CTCAE v5.0")
async def grade_ctcae_value(_: Reader, body: GradeRequest) -> GradesView:
    """Grade a value with its limits and baseline; nothing is stored.

    An implausible value is refused, because it is most often a slip of the unit.
    """
    return GradesView.model_validate(ctcae.grade_value(body.to_grade()))
