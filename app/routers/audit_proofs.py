"""What an auditor relies on without relying on us: verification, the export and its verifier."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, StreamingResponse

from app import verifier
from app.core.database import Database
from app.routers.dependencies import Caller, Now, Session, permit
from app.routers.problems import documented
from app.routers.route import TrialRoute
from app.schemas.verification import VerificationView
from app.services.access import Actor
from app.services.audit import Opened, begin_operation
from app.services.audit_export import export_lines, require_whole_study
from app.services.audited_studies import audited_studies, verify_studies
from app.services.receipts import is_sealed_soon
from app.services.role_matrix import Area, Right

NDJSON = "application/x-ndjson"
_VERIFIER = Path(verifier.__file__).with_name("verify.py")

router = APIRouter(prefix="/audit", route_class=TrialRoute, tags=["audit"])
of_study = APIRouter(prefix="/studies/{study}/audit", route_class=TrialRoute, tags=["audit"])
Exporter = Annotated[Actor, Depends(permit(Area.EXPORT, Right.READ))]


class PythonSource(PlainTextResponse):
    """A program to download."""

    media_type = "text/x-python"


@of_study.get(
    "/export",
    summary="Export the trail with its proofs",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {}}, "description": "Lines of JSON."}},
)
async def export_audit(request: Request, session: Session, actor: Exporter) -> StreamingResponse:
    """Stream every row of the study with what proves it; that it was exported is recorded.

    Whole only with its last line, which counts the lines and gives the SHA-256 of what is before
    it. `verify.py` verifies it without this service.
    """
    require_whole_study(actor)
    operation_id = await begin_operation(session, actor, "export_audit", None)
    opened = Opened(actor.study_id, operation_id, "export_audit")
    return StreamingResponse(
        _exported(request.app.state.database, actor, opened),
        media_type=NDJSON,
        headers={"Content-Disposition": 'attachment; filename="audit-export.ndjson"'},
    )


async def _exported(database: Database, actor: Actor, opened: Opened) -> AsyncIterator[bytes]:
    """Read in one snapshot; what fails on the way cuts the connection off.

    It begins when its own act is sealed: the number of that one proves those before it.
    """
    await is_sealed_soon(database, opened)
    async with database.snapshot() as session:
        async for line in export_lines(session, actor):
            yield line


@router.get(
    "/verification",
    summary="Verify the trail",
    response_model=VerificationView,
    responses=documented(403),
)
async def verify_trail(
    request: Request, session: Session, caller: Caller, now: Now
) -> StreamingResponse:
    """Verify the tree, and every record of the studies in which the caller is an auditor.

    That it was asked for is recorded. Whoever wants to trust nobody verifies an export instead.
    """
    identity = caller.issuer, caller.subject
    auditors = await audited_studies(session, identity, now, request.scope["request_id"])
    for actor in auditors:
        await begin_operation(session, actor, "verify_trail", None)
    return StreamingResponse(
        _verified(request.app.state.database, auditors), media_type="application/json"
    )


async def _verified(database: Database, auditors: Sequence[Actor]) -> AsyncIterator[bytes]:
    """Verify after the request's own commit: its transaction must not hold up the sealer."""
    async with database.snapshot() as session:
        report = await verify_studies(session, auditors)
    yield report.model_dump_json().encode()


@router.get("/verifier", summary="Get the verifier", response_class=PythonSource)
async def get_verifier(_: Caller) -> PythonSource:
    """Return verify.py, which verifies an export with Python's standard library alone."""
    return PythonSource(
        _VERIFIER.read_text("utf-8"),
        headers={"Content-Disposition": 'attachment; filename="verify.py"'},
    )
