"""Files of laboratory results: stored whole or refused whole, with a report on each row.

What is here already is left alone; what differs from it is a conflict, because a file never
overwrites. The same file again gets the report of the first time.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring
from app.domain.errors import BatchError, DomainError, ErrorKind, Reason
from app.domain.inbound import Door, InboxReason
from app.models import InboundMessage
from app.schemas.lab_uploads import LabUploadReport, RowReport, UploadOutcome
from app.services.inbound import sealed_place
from app.services.ingest_counts import Counts, noted
from app.services.lab_upload_rows import Uploader, UploadRow, file_rows
from app.services.late_results import open_late_rows

# As many as are listed of any request; the report has them all.
_SHOWN = 50
_UNSTORED = (UploadOutcome.CONFLICT, UploadOutcome.REFUSED)
_LATE = InboxReason.CASEBOOK_LOCKED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class LabUpload:
    """A file of results: its bytes and its rows in the order of the file."""

    raw: bytes
    charset: str
    rows: tuple[UploadRow, ...]

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the bytes."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The report on a stored file as it is kept; `repeated` says that the file was here before."""

    report: bytes
    repeated: bool


async def upload_results(
    session: AsyncSession, uploader: Uploader, upload: LabUpload, keyring: Keyring, now: datetime
) -> Uploaded:
    """Store a file; raises BatchError, invalid or conflict, if any row cannot be stored."""
    started = perf_counter()
    earlier = await _report_of_twin(session, uploader, upload)
    if earlier is not None:
        noted(session, Door.CSV, Counts(repeated=True), started)
        return Uploaded(earlier, repeated=True)
    message_id = new_id()
    rows = await _file(session, uploader, upload, message_id, now)
    if any(row.outcome in _UNSTORED for row in rows):
        raise _refusal(_report(uploader, upload, _unstored(rows), None))
    report = _report(uploader, upload, rows, message_id)
    kept = report.model_dump_json().encode()
    message = _message(uploader, upload, report, now)
    message.sealed, message.answer = keyring.seal(upload.raw, sealed_place(message_id)), kept
    session.add(message)
    await session.flush()
    await open_late_rows(session, message, upload.rows, rows)
    filed = Counts(filed=report.new, duplicates=report.duplicates, inbox=report.inbox)
    noted(session, Door.CSV, filed, started)
    return Uploaded(kept, repeated=False)


async def _file(
    session: AsyncSession, uploader: Uploader, upload: LabUpload, message_id: UUID, now: datetime
) -> list[RowReport]:
    by_place = dict(enumerate(upload.rows))
    return list((await file_rows(session, uploader, by_place, message_id, now)).values())


async def foresee_upload(
    session: AsyncSession, uploader: Uploader, upload: LabUpload, now: datetime
) -> LabUploadReport:
    """Tell what would become of a file; nothing is kept."""
    attempt = await session.begin_nested()
    try:
        rows = await _file(session, uploader, upload, new_id(), now)
    finally:
        await attempt.rollback()
    return _report(uploader, upload, _unstored(rows), None)


async def _report_of_twin(
    session: AsyncSession, uploader: Uploader, upload: LabUpload
) -> bytes | None:
    """Find the report on the same file, read the same way; wait while somebody is storing it."""
    study_id, flag = uploader.actor.study_id, _source_flag(uploader)
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{study_id}/{flag}/{upload.digest}"},
    )
    query = select(InboundMessage.answer).where(
        InboundMessage.study_id == study_id,
        InboundMessage.digest == upload.digest,
        InboundMessage.door == Door.CSV,
        InboundMessage.charset == upload.charset,
        InboundMessage.flags == [flag],
    )
    return await session.scalar(query)


def _source_flag(uploader: Uploader) -> str:
    """Return what keeps the source beside a file, because a person may upload for a system."""
    return f"source={uploader.source}"


def _report(
    uploader: Uploader, upload: LabUpload, rows: list[RowReport], message_id: UUID | None
) -> LabUploadReport:
    counts = Counter(row.outcome for row in rows)
    return LabUploadReport(
        stored=message_id is not None,
        message_id=message_id,
        digest=upload.digest,
        source=uploader.source,
        received=len(rows),
        new=counts[UploadOutcome.NEW],
        duplicates=counts[UploadOutcome.DUPLICATE],
        conflicts=counts[UploadOutcome.CONFLICT],
        refused=counts[UploadOutcome.REFUSED],
        inbox=counts[UploadOutcome.INBOX],
        rows=rows,
    )


def _unstored(rows: Sequence[RowReport]) -> list[RowReport]:
    """Take back the ids of results that are not kept."""
    return [
        row.model_copy(update={"lab_id": None}) if row.outcome is UploadOutcome.NEW else row
        for row in rows
    ]


def _refusal(report: LabUploadReport) -> DomainError:
    """Refuse a file for its rows; closed casebooks or conflicts only if nothing else is wrong."""
    reasons = tuple(
        Reason(error.code, error.message, error.pointer)
        for row in report.rows
        if row.outcome in _UNSTORED
        for error in row.errors
    )
    if report.refused == 0:
        kind, code = ErrorKind.CONFLICT, "results_differ"
    elif report.conflicts == 0 and {reason.code for reason in reasons} == {_LATE}:
        kind, code = ErrorKind.LOCKED, _LATE
    else:
        kind, code = ErrorKind.INVALID, "rows_refused"
    return BatchError(
        kind,
        code,
        f"{report.refused + report.conflicts} of {report.received} rows cannot be stored, so none"
        " is; see the report, correct the rows and send the whole file again.",
        reasons[:_SHOWN],
        report.model_dump(mode="json"),
    )


def _message(
    uploader: Uploader, upload: LabUpload, report: LabUploadReport, now: datetime
) -> InboundMessage:
    """Return the row of a file, but for its bytes and the report on it."""
    system = uploader.sender if uploader.is_system else None
    return InboundMessage(
        study_id=uploader.actor.study_id,
        id=report.message_id,
        sender_id=system.sender_id if system else None,
        profile_number=system.profile_number if system else None,
        received_at=now,
        door=Door.CSV,
        control_id=None,
        digest=upload.digest,
        size=len(upload.raw),
        charset=upload.charset,
        flags=[_source_flag(uploader)],
        refusal=None,
        results=report.received,
        filed=report.new,
        duplicates=report.duplicates,
        inbox=report.inbox,
        refused=0,
    )
