"""Laboratory results."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.domain.reported_results import RecordingOutcome
from app.routers.dependencies import AsOf, Now, OfSubject, Paging, Session, permit
from app.routers.recording_route import RecordingRoute
from app.routers.route import TrialRoute
from app.schemas.labs import (
    DayOrInstant,
    LabBatchCreate,
    LabBatchReceipt,
    LabBody,
    LabCorrection,
    LabReceipt,
    LabView,
    LateReceipt,
)
from app.schemas.lists import Listing
from app.schemas.types import Code
from app.services import lab_corrections, lab_sending, labs
from app.services.access import Actor
from app.services.lab_sending import SentBody
from app.services.labs import LabFilter, LabWithGrades
from app.services.paging import Page
from app.services.role_matrix import Area, Right

router = APIRouter(prefix="/studies/{study}/labs", route_class=TrialRoute, tags=["labs"])
recording = APIRouter(prefix="/studies/{study}/labs", route_class=RecordingRoute, tags=["labs"])
Reader = Annotated[Actor, Depends(permit(Area.LABORATORY, Right.READ))]
Sender = Annotated[Actor, Depends(permit(Area.LABORATORY, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.LABORATORY, Right.UPDATE))]


@router.get("", summary="List laboratory results")
async def list_labs(
    session: Session,
    actor: Reader,
    wanted: Paging,
    subject: OfSubject,
    analyte: Annotated[Code | None, Query(description="Key or alias.", examples=["ANC"])] = None,
    start: Annotated[
        DayOrInstant | None, Query(alias="from", description="Collected from this day or instant.")
    ] = None,
    end: Annotated[
        DayOrInstant | None,
        Query(alias="to", description="Collected until this day, all of it, or this instant."),
    ] = None,
    versions: Annotated[
        Literal["current", "all"], Query(description="Whether superseded versions are shown.")
    ] = "current",
) -> Listing[LabView]:
    """List results in the order of recording, each with its CTCAE grades."""
    chosen = LabFilter(
        subject_id=subject, analyte=analyte, start=start, end=end, superseded_too=versions == "all"
    )
    return Listing[LabView].model_validate(await labs.list_results(session, actor, chosen, wanted))


@recording.post(
    "",
    status_code=201,
    summary="Record one result or a batch",
    responses={
        200: {"model": LabReceipt | LabBatchReceipt, "description": "Here already; batch"},
        202: {"model": LateReceipt, "description": "Kept; the subject's casebook is closed"},
    },
)
async def record_labs(
    request: Request, session: Session, actor: Sender, now: Now, body: LabBody, response: Response
) -> LabReceipt | LabBatchReceipt | LateReceipt:
    """Record a result, or many with an outcome for each.

    Values are converted to the canonical unit; what is doubtful is refused, never guessed. The
    same result sent again is a duplicate and answered 200; a batch is always answered 200. What a
    laboratory system sends for a closed casebook waits in the inbox; a single one is answered 202.
    """
    sent = SentBody(await request.body(), request.app.state.keyring)
    if isinstance(body, LabBatchCreate):
        response.status_code = 200
        entries = [item.entry() for item in body.results]
        batch = await lab_sending.record_batch(session, actor, entries, sent, now)
        return LabBatchReceipt.model_validate(batch)
    result = await labs.record_result(session, actor, body.entry(), sent, now)
    if result.outcome is RecordingOutcome.INBOX:
        response.status_code = 202
        return LateReceipt.model_validate(result)
    if result.outcome is RecordingOutcome.DUPLICATE:
        response.status_code = 200
    return LabReceipt.model_validate(result)


@router.get("/{lab_id}", summary="Read a laboratory result", response_model=LabView)
async def read_lab(session: Session, actor: Reader, lab_id: UUID, past: AsOf) -> LabWithGrades:
    """Read one version of a result with its grades."""
    return await labs.read_result(session, actor, lab_id, past)


@router.get("/{lab_id}/versions", summary="List the versions of a laboratory result")
async def list_lab_versions(
    session: Session, actor: Reader, lab_id: UUID, past: AsOf
) -> Listing[LabView]:
    """List what a result said before and after each correction, the first version first."""
    found = await labs.list_result_versions(session, actor, lab_id, past)
    return Listing[LabView].model_validate(Page(found, None))


@router.post(
    "/{lab_id}/corrections",
    status_code=201,
    summary="Correct or withdraw a laboratory result",
    response_model=LabView,
)
async def correct_lab(
    session: Session, actor: Changer, lab_id: UUID, now: Now, body: LabCorrection
) -> LabWithGrades:
    """Add a version to a result; only its last version can be corrected, and all stay readable."""
    values = body.model_dump(exclude_unset=True) | {"status": body.status}
    return await lab_corrections.correct_result(session, actor, lab_id, values, now)
