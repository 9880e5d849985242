"""The rows of a file of laboratory results: filed, found to be here, or refused with reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import DomainError, ErrorKind, Reason, invalid
from app.domain.inbound import SENTENCES, InboxReason, because
from app.domain.reported_results import OriginalText, ReportedResult
from app.domain.result_versions import Dated
from app.domain.sender_profile import SpecimenBy
from app.domain.vocabulary import LabStatus, Role, TimePrecision
from app.models import Subject
from app.schemas.lab_uploads import RowError, RowReport, UploadOutcome
from app.services.access import Actor
from app.services.inbound_specimens import sort_out
from app.services.lab_filing import file_results
from app.services.lab_history import Candidate, Filed, FilingOutcome, Key
from app.services.lab_recording import OF_MESSAGES, check_moments, content_columns, specimen_of
from app.services.observations import Observable, observable_subjects
from app.services.senders import CallingSender

# The source of results that no laboratory system is named for.
SOURCE = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploader:
    """Who uploads; `sender` is the laboratory system that the results come from, if one is named.

    A laboratory system that uploads itself is both.
    """

    actor: Actor
    sender: CallingSender | None = None

    @property
    def source(self) -> str:
        """Give the source under which the results are known."""
        return self.sender.code if self.sender else SOURCE

    @property
    def is_system(self) -> bool:
        """Tell whether no person uploads."""
        return self.actor.role is Role.LABORATORY_SYSTEM


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContent:
    """What a row says, and in which words; `subject` is the subject's number."""

    subject: str
    accession: str | None
    result: ReportedResult
    precision: TimePrecision
    original: OriginalText
    original_code: str
    original_status: str | None
    original_collected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """One row as it was read, by the line on which it begins: its content, or why it has none."""

    line: int
    content: RowContent | None = None
    reasons: tuple[Reason, ...] = ()


Subjects = Mapping[str, tuple[UUID, Observable]]


async def file_rows(
    session: AsyncSession,
    uploader: Uploader,
    rows: Mapping[int, UploadRow],
    message_id: UUID,
    now: datetime,
) -> dict[int, RowReport]:
    """Store what is new and sound of rows, by their place in the file; tell what became of each.

    What a laboratory system sends for a closed casebook is neither filed nor refused.
    """
    subjects = await _subjects(session, uploader.actor, rows.values())
    reports: dict[int, RowReport] = {}
    candidates: dict[int, Candidate] = {}
    for index, row in rows.items():
        columns = _columns(uploader, row, subjects, now)
        if isinstance(columns, RowReport):
            reports[index] = columns
            continue
        columns |= {"message_id": message_id, "position": index}
        candidates[index] = Candidate(
            row=columns,
            stated_at=columns["reported_at"] or now,
            may_follow=False,
            dated=Dated.SENDER if columns["reported_at"] else Dated.RECEIPT,
        )
    sorted_out = await sort_out(session, uploader.actor.study_id, candidates)
    candidates = sorted_out.own
    of_another = (because(InboxReason.SPECIMEN_OF_ANOTHER),)
    reports |= {index: _refused(rows[index], of_another) for index in sorted_out.of_another}
    reports |= _within_file(rows, candidates)
    alone = [index for index in candidates if index not in reports]
    filed = await file_results(session, uploader.actor.study_id, [candidates[i] for i in alone])
    reports |= {i: _filed(rows[i], each) for i, each in zip(alone, filed, strict=True)}
    return {index: reports[index] for index in rows}


async def _subjects(session: AsyncSession, actor: Actor, rows: Iterable[UploadRow]) -> Subjects:
    """Find the subjects that the rows name, by number."""
    numbers = {row.content.subject for row in rows if row.content}
    query = select(Subject.number, Subject.id).where(
        Subject.study_id == actor.study_id, Subject.number.in_(numbers)
    )
    ids = {row.number: row.id for row in await session.execute(query)}
    observable = await observable_subjects(session, actor, set(ids.values()))
    return {number: (subject_id, observable[subject_id]) for number, subject_id in ids.items()}


def _columns(
    uploader: Uploader, row: UploadRow, subjects: Subjects, now: datetime
) -> dict[str, Any] | RowReport:
    """Return the columns of a result, but for its message; or the report on a bad row."""
    if row.content is None:
        return _refused(row, row.reasons)
    try:
        return _checked(uploader, row.content, subjects, now)
    except DomainError as error:
        if error.kind is ErrorKind.LOCKED:
            outcome = UploadOutcome.INBOX if uploader.is_system else UploadOutcome.REFUSED
            return _with_errors(row, outcome, (Reason(error.code, error.message),))
        return _refused(row, error.reasons or (Reason(error.code, error.message),))


def _checked(
    uploader: Uploader, content: RowContent, subjects: Subjects, now: datetime
) -> dict[str, Any]:
    """Return the columns of a result; raise DomainError for one that cannot be stored."""
    result = content.result
    if content.subject not in subjects:
        raise invalid(
            "unknown_subject", "No subject of this study has this number; check it.", "/subject"
        )
    subject_id, subject = subjects[content.subject]
    if result.status is LabStatus.ENTERED_IN_ERROR:
        raise invalid(
            "nothing_to_withdraw",
            "A file takes nothing back; leave the row out and correct the result that is here.",
            "/status",
        )
    columns = content_columns(result, content.original)
    _check_analyte(uploader, columns["analyte"])
    check_moments(result, subject, now)
    subject.check_open()
    sender = uploader.sender
    by = sender.profile.specimen_by if sender else SpecimenBy.ACCESSION
    own = {
        "subject_id": subject_id,
        "source": uploader.source,
        "accession": content.accession,
        "specimen": specimen_of(content.accession, result.collected_at, by),
        "collected_precision": content.precision,
        "original_code": content.original_code,
        "original_status": content.original_status,
        "original_collected": content.original_collected,
    }
    return columns | dict.fromkeys(OF_MESSAGES) | own


def _check_analyte(uploader: Uploader, analyte: str) -> None:
    allowed = uploader.sender.analytes if uploader.sender else None
    if allowed is not None and analyte not in allowed:
        raise invalid(
            InboxReason.ANALYTE_NOT_ALLOWED, SENTENCES[InboxReason.ANALYTE_NOT_ALLOWED], "/analyte"
        )


def _within_file(
    rows: Mapping[int, UploadRow], candidates: Mapping[int, Candidate]
) -> dict[int, RowReport]:
    """Report on rows about one and the same result.

    Where all say the same the first one is left to be filed; otherwise none is.
    """
    by_key: defaultdict[Key, list[int]] = defaultdict(list)
    for index, candidate in candidates.items():
        by_key[candidate.key].append(index)
    reports: dict[int, RowReport] = {}
    for first, *others in by_key.values():
        said = candidates[first].statement
        differing = [i for i in others if not candidates[i].statement.repeats(said)]
        for index in others:
            reports[index] = RowReport(
                line=rows[index].line,
                outcome=UploadOutcome.DUPLICATE,
                same_as_line=rows[first].line,
            )
        if differing:
            reports[first] = _contradicted(rows[first], rows[differing[0]])
            reports |= {i: _contradicted(rows[i], rows[first]) for i in differing}
    return reports


def _contradicted(row: UploadRow, other: UploadRow) -> RowReport:
    sentence = (
        f"Line {other.line} says something else about this analyte of this specimen; keep one."
    )
    return _refused(row, (Reason("rows_differ", sentence),))


def _filed(row: UploadRow, filed: Filed) -> RowReport:
    if filed.outcome is FilingOutcome.CREATED:
        return RowReport(line=row.line, outcome=UploadOutcome.NEW, lab_id=filed.id)
    if filed.outcome is FilingOutcome.DUPLICATE:
        return RowReport(line=row.line, outcome=UploadOutcome.DUPLICATE, lab_id=filed.id)
    reason = Reason(
        "result_differs",
        "This analyte of this specimen is here with other content; leave the row out and correct"
        " the result that is here.",
    )
    return _with_errors(row, UploadOutcome.CONFLICT, (reason,))


def _refused(row: UploadRow, reasons: Sequence[Reason]) -> RowReport:
    return _with_errors(row, UploadOutcome.REFUSED, reasons)


def _with_errors(row: UploadRow, outcome: UploadOutcome, reasons: Sequence[Reason]) -> RowReport:
    place = f"/body/lines/{row.line}"
    errors = (
        RowError(pointer=place + each.pointer, code=each.code, message=each.message)
        for each in reasons
    )
    return RowReport(line=row.line, outcome=outcome, errors=tuple(errors))
