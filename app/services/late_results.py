"""Results that came too late for a closed casebook: an inbox item for each, until it is open again.

The doors whose results name their subject keep them so; messages and submissions have the inbox
anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.inbound import InboxKind, InboxReason, InboxStatus
from app.domain.reported_results import ReportedResult, known_analyte
from app.models import InboundMessage, InboxItem, Subject
from app.schemas.lab_uploads import RowReport, UploadOutcome
from app.services.lab_recording import specimen_of
from app.services.lab_upload_rows import UploadRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResult:
    """A sound result of a closed casebook: whose, its place in what was sent, and what it says."""

    subject_id: UUID
    position: int
    accession: str | None
    result: ReportedResult

    def stated_at(self, received_at: datetime) -> datetime:
        """Give when it was said; what says nothing about it was said when it came."""
        return self.result.reported_at or received_at


def late_item(message: InboundMessage, late: LateResult) -> InboxItem:
    """Return the item of a late result, open."""
    return InboxItem(
        study_id=message.study_id,
        id=new_id(),
        message_id=message.id,
        sender_id=message.sender_id,
        kind=InboxKind.RESULT,
        position=late.position,
        results=1,
        reasons=[InboxReason.CASEBOOK_LOCKED.value],
        analyte=known_analyte(late.result.analyte).key,
        unit=late.result.unit,
        tokens=[],
        specimen=specimen_of(late.accession, late.result.collected_at),
        stated_at=late.stated_at(message.received_at),
        subject_id=late.subject_id,
        status=InboxStatus.OPEN,
    )


async def open_late_rows(
    session: AsyncSession,
    message: InboundMessage,
    rows: Sequence[UploadRow],
    reports: Sequence[RowReport],
) -> None:
    """Open an item for each row of a stored file that came too late."""
    contents = {
        place: row.content
        for place, (row, report) in enumerate(zip(rows, reports, strict=True))
        if report.outcome is UploadOutcome.INBOX and row.content is not None
    }
    if not contents:
        return
    numbers = {content.subject for content in contents.values()}
    query = select(Subject.number, Subject.id).where(
        Subject.study_id == message.study_id, Subject.number.in_(numbers)
    )
    subjects = {row.number: row.id for row in await session.execute(query)}
    for place, content in contents.items():
        late = LateResult(
            subject_id=subjects[content.subject],
            position=place,
            accession=content.accession,
            result=content.result,
        )
        session.add(late_item(message, late))
    await session.flush()
