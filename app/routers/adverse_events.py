"""Adverse events and the signed decisions on whether they are dose-limiting."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.signing import Meaning
from app.routers.answers import ExactJSON, tag
from app.routers.dependencies import (
    AsOf,
    At,
    ExpectedVersion,
    Now,
    OfSubject,
    Paging,
    Session,
    permit,
)
from app.routers.route import TrialRoute
from app.routers.signing import SIGNING_ANSWERS, Signer
from app.schemas.adverse_events import (
    AdverseEventChange,
    AdverseEventCreate,
    AdverseEventView,
    EventCandidateView,
    GradeCourseView,
)
from app.schemas.dlt_adjudications import (
    AdjudicationCreate,
    AdjudicationView,
    SignedAdjudicationView,
)
from app.schemas.lists import Listing
from app.schemas.types import Name
from app.services import (
    adverse_event_candidates,
    adverse_events,
    dlt_adjudications,
    event_grades,
)
from app.services.access import Actor
from app.services.adverse_event_conclusions import AdverseEventWithConclusions
from app.services.adverse_events import EventFilter
from app.services.event_grades import GradeCourse
from app.services.role_matrix import Area, Right
from app.services.signatures import Signed
from app.services.signed_records import SignatureWish, sign_made

router = APIRouter(
    prefix="/studies/{study}/adverse-events", route_class=TrialRoute, tags=["safety"]
)
Reader = Annotated[Actor, Depends(permit(Area.ADVERSE_EVENT, Right.READ))]
Reporter = Annotated[Actor, Depends(permit(Area.ADVERSE_EVENT, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.ADVERSE_EVENT, Right.UPDATE))]
Adjudicator = Annotated[Actor, Depends(permit(Area.DLT, Right.SIGN))]
AdjudicationReader = Annotated[Actor, Depends(permit(Area.DLT, Right.READ))]


@router.get("", summary="List adverse events")
async def list_adverse_events(
    session: Session,
    actor: Reader,
    wanted: Paging,
    at: At,
    subject: OfSubject,
    term: Annotated[Name | None, Query(description="Events of this CTCAE term only.")] = None,
    grade: Annotated[int | None, Query(ge=1, le=5, description="Events of this grade.")] = None,
    serious: Annotated[bool | None, Query(description="Only serious ones, or none.")] = None,
) -> Listing[AdverseEventView]:
    """List events, the first recorded first; retracted ones are there and marked."""
    only = EventFilter(subject, term, grade, serious)
    found = await adverse_events.list_adverse_events(session, actor, wanted, only, at.at)
    return Listing[AdverseEventView].model_validate(found)


@router.post(
    "", status_code=201, summary="Record an adverse event", response_model=AdverseEventView
)
async def create_adverse_event(
    session: Session, actor: Reporter, now: Now, body: AdverseEventCreate, response: Response
) -> AdverseEventWithConclusions:
    """Record an event with a CTCAE v5.0 term and one of the grades that the term has.

    The answer says whether it is treatment-emergent, has to be adjudicated as dose-limiting, and
    which reports are due by when.
    """
    event = await adverse_events.create_adverse_event(session, actor, body.model_dump(), now)
    tag(response, event)
    return event


@router.get(
    "/candidates",
    summary="List results that may be adverse events",
    response_model=Listing[EventCandidateView],
)
async def list_adverse_event_candidates(
    session: Session,
    at: At,
    actor: Reader,
    subject: OfSubject,
) -> Any:
    """List results that are worse than before treatment and no event on record, all on one page.

    Each term appears once for a subject; it goes when an event of that grade is recorded.
    """
    found = await adverse_event_candidates.list_candidates(session, actor, subject, at.at, at.past)
    return ExactJSON({"items": found, "next": None})


@router.get("/{event_id}", summary="Read an adverse event", response_model=AdverseEventView)
async def read_adverse_event(
    session: Session, actor: Reader, event_id: UUID, at: At, response: Response
) -> AdverseEventWithConclusions:
    """Read an event with the history of its grade and what follows from it."""
    event = await adverse_events.read_adverse_event(session, actor, event_id, at.at, at.past)
    tag(response, event)
    return event


@router.patch("/{event_id}", summary="Change an adverse event", response_model=AdverseEventView)
async def change_adverse_event(
    session: Session,
    actor: Changer,
    event_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: AdverseEventChange,
    response: Response,
) -> AdverseEventWithConclusions:
    """Change the fields that are given, or retract the event; it has to be adjudicated anew."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    event = await adverse_events.change_adverse_event(
        session, actor, event_id, version, values, now
    )
    tag(response, event)
    return event


@router.get(
    "/{event_id}/grades",
    summary="Read the grades that an event had",
    response_model=GradeCourseView,
)
async def read_event_grades(
    session: Session, actor: Reader, event_id: UUID, past: AsOf
) -> GradeCourse:
    """Read every grade on record with who stated it when and why; conclusions take the worst."""
    return await event_grades.read_grades(session, actor, event_id, past)


@router.get("/{event_id}/dlt-adjudications", summary="List the adjudications of an event")
async def list_dlt_adjudications(
    session: Session, actor: AdjudicationReader, event_id: UUID, wanted: Paging
) -> Listing[AdjudicationView]:
    """List what was signed, oldest first; the latest on the event's current version counts."""
    found = await dlt_adjudications.list_adjudications(session, actor, event_id, wanted)
    return Listing[AdjudicationView].model_validate(found)


@router.post(
    "/{event_id}/dlt-adjudications",
    status_code=201,
    summary="Sign whether an event is dose-limiting",
    response_model=SignedAdjudicationView,
    responses=SIGNING_ANSWERS,
)
async def adjudicate_dlt(
    session: Session,
    actor: Adjudicator,
    signer: Signer,
    now: Now,
    event_id: UUID,
    body: AdjudicationCreate,
) -> Signed:
    """Answer yes or no for the version of the event that was judged, with the rationale."""
    made = await dlt_adjudications.adjudicate(session, actor, event_id, body, now)
    wish = SignatureWish("dlt_adjudication", made.id, Meaning.RESPONSIBLE)
    return await sign_made(session, actor, signer, made, wish)
