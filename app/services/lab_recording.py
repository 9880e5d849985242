"""Recording laboratory results that come with their subject: each with an outcome of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import DomainError, ErrorKind, conflict, invalid
from app.domain.reported_results import (
    LabEntry,
    OriginalText,
    RecordingOutcome,
    ReportedResult,
    canonical_numbers,
    known_analyte,
    write_out,
)
from app.domain.result_versions import Dated
from app.domain.sender_profile import SpecimenBy
from app.domain.vocabulary import LabStatus, Role, TimePrecision
from app.services.access import Actor
from app.services.lab_filing import file_results
from app.services.lab_history import Candidate, Filed, FilingOutcome
from app.services.lab_sources import OwnSource, own_source, source_of
from app.services.observations import Observable, observable_subjects

# What a laboratory system may say about a result that is here; people use the corrections.
_FOLLOWING = frozenset({LabStatus.CORRECTED, LabStatus.AMENDED, LabStatus.ENTERED_IN_ERROR})
# Columns that only messages of laboratory systems fill.
OF_MESSAGES = (
    "original_code", "original_range", "original_flags", "original_status", "original_collected",
    "message_id", "position", "reason",
)  # fmt: skip
_NOT_OF_MESSAGES = dict.fromkeys(OF_MESSAGES)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of one entry: the id of what is stored or waits, or the refusal."""

    index: int
    outcome: RecordingOutcome
    id: UUID | None = None
    error: DomainError | None = None
    inbox_item_id: UUID | None = None

    @property
    def code(self) -> str | None:
        """Give the code of the refusal."""
        return self.error.code if self.error else None

    @property
    def message(self) -> str | None:
        """Give the sentence of the refusal."""
        return self.error.message if self.error else None


async def record_results(
    session: AsyncSession, actor: Actor, entries: Sequence[LabEntry], now: datetime
) -> list[Recorded]:
    """Store what is new and sound; tell for each entry, in order, what became of it.

    The natural key (subject, source, specimen, analyte) decides what is new: the same result sent
    again is a duplicate, other content under it is refused, because it has to be a correction.
    Only a laboratory system sends corrections here: it calls them by their status.
    """
    own = await own_source(session, actor)
    subjects = await observable_subjects(session, actor, {entry.subject_id for entry in entries})
    outcomes: dict[int, Recorded] = {}
    candidates: dict[int, Candidate] = {}
    for index, entry in enumerate(entries):
        try:
            subject = subjects.get(entry.subject_id)
            candidates[index] = candidate(actor, entry, subject, own, now)
        except DomainError as error:
            outcomes[index] = Recorded(index, RecordingOutcome.REFUSED, error=error)
    filed = await file_results(session, actor.study_id, list(candidates.values()))
    for index, each in zip(candidates, filed, strict=True):
        outcomes[index] = _recorded(index, each)
    return [outcomes[index] for index in range(len(entries))]


def content_columns(result: ReportedResult, original: OriginalText) -> dict[str, Any]:
    """Return the columns that hold what a result says; raise invalid if it cannot be right."""
    analyte = known_analyte(result.analyte)
    numbers = canonical_numbers(analyte, result)
    return {
        "analyte": analyte.key,
        "status": result.status,
        "collected_at": result.collected_at,
        "collected_precision": TimePrecision.SECOND,
        "reported_at": result.reported_at,
        "comparator": result.comparator,
        "finding": result.finding,
        "value": numbers.value,
        "unit": numbers.unit,
        "lln": numbers.lln,
        "uln": numbers.uln,
        "original_value": original.value,
        "original_unit": original.unit,
        "original_lln": original.lln,
        "original_uln": original.uln,
    }


def check_moments(result: ReportedResult, subject: Observable, now: datetime) -> None:
    """Refuse a collection that cannot have been and a report from the future."""
    subject.check(result.collected_at, "collected_at", now)
    if result.reported_at is not None and result.reported_at > now:
        raise invalid("future_moment", "reported_at lies in the future.", "/reported_at")


def specimen_of(
    accession: str | None, collected_at: datetime, by: SpecimenBy = SpecimenBy.ACCESSION
) -> str:
    """Return what tells a specimen: its accession number, when it was collected, or both."""
    if accession and by is SpecimenBy.ACCESSION:
        return accession
    collected = collected_at.astimezone(UTC).isoformat()
    return f"{accession}@{collected}" if accession else collected


def candidate(
    actor: Actor,
    entry: LabEntry,
    subject: Observable | None,
    own: OwnSource | None,
    now: datetime,
) -> Candidate:
    """Return what is to be filed; raise DomainError for an entry that is refused."""
    if subject is None:
        raise DomainError(
            ErrorKind.NOT_FOUND,
            "unknown_subject",
            "There is no such subject here; check the identifier.",
        )
    result, is_system = entry.result, actor.role is Role.LABORATORY_SYSTEM
    if result.status is LabStatus.ENTERED_IN_ERROR and not is_system:
        raise invalid(
            "nothing_to_withdraw", "Only a result that is here can be entered in error.", "/status"
        )
    content = content_columns(result, entry.original or write_out(result))
    check_moments(result, subject, now)
    row = {
        **_NOT_OF_MESSAGES,
        **content,
        "subject_id": entry.subject_id,
        "source": source_of(entry, own),
        "accession": entry.accession,
        "specimen": specimen_of(entry.accession, result.collected_at),
    }
    subject.check_open()
    may_follow = is_system and result.status in _FOLLOWING
    stated_at = (result.reported_at if is_system else None) or now
    return Candidate(
        row=row,
        stated_at=stated_at,
        may_follow=may_follow,
        dated=Dated.SENDER if result.reported_at else Dated.RECEIPT,
    )


_REFUSALS = {
    FilingOutcome.SPECIMEN_REUSED: (
        "specimen_reused",
        "This specimen is here with another collection time; check which specimen it is.",
    ),
    FilingOutcome.DIFFERS: (
        "result_differs",
        "This analyte of this specimen is here with other content; send a correction of it.",
    ),
    FilingOutcome.CONTRADICTION: (
        "result_contradicts",
        "Two statements of one moment about this specimen differ; send a later correction.",
    ),
}


def _recorded(index: int, filed: Filed) -> Recorded:
    """Tell what became of one entry."""
    if filed.outcome in _REFUSALS:
        refusal = conflict(*_REFUSALS[filed.outcome])
        return Recorded(index, RecordingOutcome.REFUSED, error=refusal)
    return Recorded(index, RecordingOutcome(filed.outcome.value), filed.id)
