"""Releasing late results that named their subject: recorded as they would have been when they came.

They are read again from what was sent, under the same source, and the moment at which they came
stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import from_json
from app.domain.casebook import CasebookState, closed
from app.domain.errors import DomainError
from app.domain.inbound import Door, InboxReason, InboxStatus
from app.domain.reported_results import LabEntry
from app.domain.vocabulary import Role
from app.models import Casebook, InboxItem
from app.schemas.lab_uploads import RowReport, UploadOutcome
from app.schemas.labs import LabBatchCreate, LabCreate
from app.services.access import Actor
from app.services.inbox import OpenedMessage, Reading
from app.services.lab_filing import file_results
from app.services.lab_history import Candidate, Filed, FilingOutcome
from app.services.lab_recording import candidate
from app.services.lab_sources import OwnSource
from app.services.lab_upload_rows import Uploader, file_rows
from app.services.observations import observable_subjects
from app.services.senders import CallingSender

# What came by these doors waits for nothing but a closed casebook, so nothing can be mapped.
LATE_DOORS = (Door.CSV, Door.JSON)


@dataclass(frozen=True, slots=True)
class _Released:
    """What became of a result: filed or here already under `id`, or why it still waits."""

    status: InboxStatus
    id: UUID | None = None
    reason: InboxReason = InboxReason.CASEBOOK_LOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRelease:
    """One person's release of late results; without `sender` their system is not registered."""

    session: AsyncSession
    actor: Actor
    sender: CallingSender | None
    reading: Reading
    step: str
    now: datetime

    async def settle(self, message: OpenedMessage, items: Sequence[InboxItem]) -> None:
        """Record again what the open items of a message stand for, and note what became of each."""
        wanted = {item.position: item for item in items if item.position is not None}
        record = self._rows if message.door is Door.CSV else self._entries
        for position, released in (await record(message, list(wanted))).items():
            item = wanted[position]
            if released.status is InboxStatus.OPEN:
                item.reasons = [released.reason.value]
                continue
            item.status, item.lab_result_id = released.status, released.id
            item.resolved_at, item.resolution = self.now, self.step
        await self.session.flush()

    async def _rows(self, message: OpenedMessage, positions: Sequence[int]) -> dict[int, _Released]:
        rows = self.reading.read_rows(message, self.actor.time_zone)
        reports = await file_rows(
            self.session,
            Uploader(actor=self.actor, sender=self.sender),
            {place: rows[place] for place in positions},
            message.id,
            message.received_at,
        )
        return {place: _of_row(report) for place, report in reports.items()}

    async def _entries(
        self, message: OpenedMessage, positions: Sequence[int]
    ) -> dict[int, _Released]:
        """Record entries as the laboratory system that sent them would."""
        sent = _entries(message.raw)
        entries = {place: sent[place] for place in positions}
        system = replace(self.actor, role=Role.LABORATORY_SYSTEM)
        own = OwnSource(self.sender.code, self.sender.analytes) if self.sender else None
        subjects = await observable_subjects(
            self.session, self.actor, {entry.subject_id for entry in entries.values()}
        )
        released: dict[int, _Released] = {}
        candidates: dict[int, Candidate] = {}
        for place, entry in entries.items():
            try:
                subject = subjects.get(entry.subject_id)
                found = candidate(system, entry, subject, own, message.received_at)
            except DomainError as error:
                released[place] = _still_waits(error.code)
                continue
            origin = {"message_id": message.id, "position": place}
            candidates[place] = replace(found, row={**found.row, **origin})
        study_id = self.actor.study_id
        filed = await file_results(self.session, study_id, list(candidates.values()))
        return released | {
            place: _of_filed(each) for place, each in zip(candidates, filed, strict=True)
        }


async def check_released(session: AsyncSession, item: InboxItem) -> None:
    """Refuse to leave a result where it was because its subject's casebook is closed."""
    if item.status is not InboxStatus.OPEN or item.reasons != [InboxReason.CASEBOOK_LOCKED.value]:
        return
    state = await session.scalar(
        select(Casebook.state).where(
            Casebook.study_id == item.study_id, Casebook.subject_id == item.subject_id
        )
    )
    if state is not None and state is not CasebookState.OPEN:
        raise closed(state)


def _entries(raw: bytes) -> list[LabEntry]:
    """Read a body that was taken before."""
    body = from_json(raw)
    if "results" in body:
        return [item.entry() for item in LabBatchCreate.model_validate(body).results]
    return [LabCreate.model_validate(body).entry()]


_WHY = {
    FilingOutcome.CONTRADICTION: InboxReason.CONTRADICTION,
    FilingOutcome.DIFFERS: InboxReason.CONTRADICTION,
    FilingOutcome.SPECIMEN_REUSED: InboxReason.SPECIMEN_REUSED,
}


def _of_filed(filed: Filed) -> _Released:
    if filed.outcome in _WHY:
        return _Released(InboxStatus.OPEN, reason=_WHY[filed.outcome])
    is_new = filed.outcome is FilingOutcome.CREATED
    return _Released(InboxStatus.FILED if is_new else InboxStatus.DUPLICATE, filed.id)


def _of_row(report: RowReport) -> _Released:
    if report.outcome is UploadOutcome.NEW:
        return _Released(InboxStatus.FILED, report.lab_id)
    if report.outcome is UploadOutcome.DUPLICATE:
        return _Released(InboxStatus.DUPLICATE, report.lab_id)
    return _still_waits(report.errors[0].code)


# What stands against recording a result that was sound when it came.
_CODES = {
    "analyte_not_allowed": InboxReason.ANALYTE_NOT_ALLOWED,
    "casebook_locked": InboxReason.CASEBOOK_LOCKED,
    "result_differs": InboxReason.CONTRADICTION,
    "rows_differ": InboxReason.CONTRADICTION,
    "specimen_of_another": InboxReason.SPECIMEN_OF_ANOTHER,
}


def _still_waits(code: str) -> _Released:
    """Say as an inbox reason why a result cannot be recorded; most likely its subject has left."""
    return _Released(InboxStatus.OPEN, reason=_CODES.get(code, InboxReason.NOT_OBSERVABLE))
