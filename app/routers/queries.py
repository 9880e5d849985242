"""Data queries: what people and rules ask about records, and what is answered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.queries import QueryOrigin, QueryStatus
from app.routers.answers import tag
from app.routers.dependencies import (
    At,
    ExpectedVersion,
    Now,
    OfSubject,
    Paging,
    Session,
    permit,
)
from app.routers.route import TrialRoute
from app.schemas.lists import Listing
from app.schemas.queries import QueryChange, QueryCreate, QueryView
from app.services import queries, query_steps
from app.services.access import Actor
from app.services.queries import QueryEntry, QueryFilter
from app.services.query_steps import Step
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/queries", route_class=TrialRoute, tags=["queries"])
Reader = Annotated[Actor, Depends(permit(Area.QUERY, Right.READ))]
Asker = Annotated[Actor, Depends(permit(Area.QUERY, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.QUERY, Right.UPDATE))]


@router.get("", summary="List queries")
async def list_queries(
    session: Session,
    actor: Reader,
    wanted: Paging,
    at: At,
    subject: OfSubject,
    status: Annotated[QueryStatus | None, Query(description="Of this status only.")] = None,
    origin: Annotated[QueryOrigin | None, Query(description="Of people, or of rules.")] = None,
) -> Listing[QueryView]:
    """List what people ask and what rules ask now, by subject, the recorded ones first.

    The rules look at every subject with each read: implausible results that wait in the inbox, no
    blood count at week 4 or 8, a CAR-T product that E17 speaks of, and more.
    """
    only = QueryFilter(subject_id=subject, status=status, origin=origin)
    found = await queries.list_queries(session, actor, wanted, only, at.at)
    return Listing[QueryView].model_validate(found)


@router.post("", status_code=201, summary="Open a query", response_model=QueryView)
async def create_query(
    session: Session, actor: Asker, now: Now, body: QueryCreate, response: Response
) -> QueryEntry:
    """Ask about a subject's record, one of its fields, or one that is missing."""
    made = await query_steps.create_query(session, actor, body.model_dump(), now)
    tag(response, made)
    return made


@router.get("/{query_id}", summary="Read a query", response_model=QueryView)
async def read_query(
    session: Session, actor: Reader, query_id: UUID, at: At, response: Response
) -> QueryEntry:
    """Read a query with all that was said on it."""
    found = await queries.read_query(session, actor, query_id, at.at, at.past)
    tag(response, found)
    return found


@router.patch(
    "/{query_id}", summary="Answer, close, reopen or cancel a query", response_model=QueryView
)
async def change_query(
    session: Session,
    actor: Changer,
    query_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: QueryChange,
    response: Response,
) -> QueryEntry:
    """Take one step about a query; 409 `query_state` where it stands elsewhere.

    The site and the cell laboratory answer. Data managers and monitors close what is answered, by
    another person than who answered it, reopen, and cancel what needs no answer.
    """
    step = Step(query_id, version, body.action, body.reason)
    changed = await query_steps.change_query(session, actor, step, now)
    tag(response, changed)
    return changed
