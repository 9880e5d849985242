"""Laboratory results as CSV files: a dry run first, then all rows or none."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Security
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import not_found
from app.domain.vocabulary import Role
from app.interop.lab_csv import CHARSETS, TooManyRows, read_rows
from app.routers.dependencies import BEARER, IdempotencyKey, Now, Session, begin_writing
from app.routers.lis_dependencies import (
    BASIC,
    SenderRoute,
    StudyKey,
    calling_sender,
    is_own_client,
)
from app.routers.problems import MEDIA_TYPE
from app.routers.strict_json import UnsupportedBody, media_type
from app.schemas.lab_uploads import LabUploadReport
from app.schemas.types import Code
from app.services.access import Wish, authorize
from app.services.lab_upload_rows import Uploader
from app.services.lab_uploads import LabUpload, foresee_upload, upload_results
from app.services.role_matrix import Area, Right
from app.services.senders import sender_of_code
from app.services.studies import only_study_of

router = APIRouter(prefix="/lis", route_class=SenderRoute, tags=["laboratory systems"])
SourceSystem = Annotated[
    Code | None,
    Query(
        description="Code of the sender whose results these are; without it their source is `csv`.",
        examples=["LIS-01"],
    ),
]
DryRun = Annotated[
    bool, Query(description="Only report what would become of each row; nothing is kept.")
]


@dataclass(frozen=True, slots=True)
class CsvBody:
    """A body of CSV and the codec that it is declared to be read by."""

    raw: bytes
    codec: str


async def csv_body(request: Request) -> CsvBody:
    """Read the body before anybody is asked for; refuse other media types and charsets."""
    if media_type(request) != "text/csv":
        raise UnsupportedBody("Send the file as text/csv.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedBody("Send the file without a content encoding.")
    described = Message()
    described["Content-Type"] = request.headers["content-type"]
    codec = CHARSETS.get(described.get_content_charset("utf-8"))
    if codec is None:
        raise UnsupportedBody(f"Send the file in one of these charsets: {', '.join(CHARSETS)}.")
    return CsvBody(await request.body(), codec)


File = Annotated[CsvBody, Depends(csv_body)]


async def uploader(
    request: Request,
    session: Session,
    now: Now,
    study: StudyKey = None,
    sender: SourceSystem = None,
    idempotency_key: IdempotencyKey = None,
    _bearer: Annotated[object, Security(BEARER)] = None,
    _basic: Annotated[object, Security(BASIC)] = None,
) -> Uploader:
    """Let a person through who may record results, or a laboratory system; open the operation."""
    request_id = request.scope["request_id"]
    if request.state.api_key is None and not is_own_client(request):
        who = request.state.identity
        identity = (who.issuer, who.subject)
        key = study or await only_study_of(session, identity, now)
        wish = Wish(Area.LABORATORY, Right.CREATE, request_id)
        actor = await authorize(session, identity, key, wish, now)
        if actor.role is not Role.LABORATORY_SYSTEM:
            named = (
                await sender_of_code(session, actor.study_key, sender, request_id, now)
                if sender
                else None
            )
            await begin_writing(request, session, actor, "\n".join(identity), idempotency_key)
            return Uploader(actor=actor, sender=named)
    system = await calling_sender(request, session, now, sender, idempotency_key)
    if study not in (None, system.actor.study_key):
        raise not_found("study")
    return Uploader(actor=system.actor, sender=system)


_EXAMPLE = """\
subject,analyte,value,unit,lln,uln,collected_at,accession
S-001,ANC,1.2,10*9/L,1.8,6.3,2026-05-20T08:15:00+08:00,A-2620-0117
S-001,PLT,<15,10*9/L,,,2026-05-20 08:15,A-2620-0117
"""
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}
_REFUSED: dict[str, Any] = {
    MEDIA_TYPE: {
        "schema": {
            "allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"properties": {"report": {"$ref": "#/components/schemas/LabUploadReport"}}},
            ]
        }
    }
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    409: {"description": "Results are here with other content", "content": _REFUSED},
    423: {"description": "A subject's casebook is closed", "content": _REFUSED},
    422: {"description": "The file, or a row of it, cannot be read", "content": _REFUSED},
}


@router.post(
    "/csv",
    summary="Upload results as a CSV file",
    response_model=LabUploadReport,
    responses=_REFUSALS,
    openapi_extra=_FILE,
)
async def upload_csv(
    request: Request,
    session: Session,
    file: File,
    by: Annotated[Uploader, Depends(uploader)],
    now: Now,
    dry_run: DryRun = False,
) -> Response:
    """Store a file of results whole, or refuse it whole; either way with a report on each row.

    Columns, in any order: subject (number), analyte (key, alias or LOINC code), value, unit and
    collected_at in every file; lln, uln, finding, reported_at, accession and status as needed.
    Times without an offset are of the study's zone. Rows that are here already are left alone;
    rows that differ from what is here are conflicts. The same file again gets the same report. A
    file is UTF-8 unless it is declared as GB 18030, GBK or UTF-16, and has at most 10,000 rows.
    """
    try:
        rows = read_rows(file.raw, file.codec, ZoneInfo(by.actor.time_zone))
    except TooManyRows:
        raise HTTPException(413) from None
    upload = LabUpload(raw=file.raw, charset=file.codec, rows=rows)
    if dry_run:
        report = await foresee_upload(session, by, upload, now)
        return Response(report.model_dump_json(), media_type="application/json")
    stored = await upload_results(session, by, upload, request.app.state.keyring, now)
    headers = {"Idempotent-Replay": "true"} if stored.repeated else None
    return Response(stored.report, headers=headers, media_type="application/json")
