"""Placing results that laboratory systems sent: read, matched, checked, filed or left to a person.

Used for a message that comes in and for what is taken out of the inbox again, so that both end
alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring
from app.core.logging import log
from app.domain.casebook import CasebookState
from app.domain.errors import DomainError, ErrorKind, Reason
from app.domain.inbound import InboundOutcome, InboxReason, because
from app.domain.interpretation import Interpretation, interpret
from app.domain.result_versions import Dated
from app.domain.sender_profile import StatusMeaning
from app.domain.sent_results import SentResult, storable, withheld, without_identity
from app.domain.vocabulary import TimePrecision
from app.models import LabResult
from app.services.failures import translate
from app.services.inbound_matching import Match, match_subjects
from app.services.inbound_specimens import sort_out
from app.services.lab_filing import file_results
from app.services.lab_history import Candidate, Filed, FilingOutcome
from app.services.lab_recording import content_columns, specimen_of
from app.services.locks import lock_subjects
from app.services.observations import Observable, observable_subjects
from app.services.senders import CallingSender

# A promotion and what it makes final may come at once; one of them has to see the other.
_ABOUT_EACH_OTHER = (StatusMeaning.PRELIMINARY, StatusMeaning.PROMOTED)
_LONGEST_TEXT = 500
# Of a database that is away or busy: then nothing is acknowledged, and the sender sends again.
_PASSING = (ErrorKind.UNAVAILABLE, ErrorKind.BUSY)
_COLUMNS = [column.name for column in LabResult.__table__.c]
_CONTENT = tuple(
    name
    for name in _COLUMNS
    if name in {"value", "comparator", "unit", "lln", "uln", "finding", "reason"}
    or name.startswith("original_")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where results come from: the message and when it came; who was assigned, by position."""

    message_id: UUID
    received_at: datetime
    assigned: Mapping[int, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of one result, with all that the inbox has to know about it."""

    position: int
    sent: SentResult
    reading: Interpretation
    match: Match
    outcome: InboundOutcome
    lab_result_id: UUID | None = None
    inbox_item_id: UUID | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def is_retraction_for_wrong_patient(self) -> bool:
        """Tell whether somebody has to find out whose result it really was."""
        kept = (InboundOutcome.FILED, InboundOutcome.DUPLICATE)
        return self.reading.meaning is StatusMeaning.WRONG_PATIENT and self.outcome in kept


@dataclass(frozen=True, slots=True)
class _Read:
    """A result while it is placed."""

    position: int
    sent: SentResult
    reading: Interpretation
    match: Match
    reasons: tuple[Reason, ...]


async def try_to_place(
    session: AsyncSession,
    caller: CallingSender,
    sent: Mapping[int, SentResult],
    origin: Origin,
    keyring: Keyring,
) -> list[Placed] | None:
    """Place results, all or none: None when something in them cannot be processed.

    Only a database that is away or busy raises.
    """
    try:
        async with session.begin_nested():
            return await place_results(session, caller, sent, origin, keyring)
    except Exception as error:
        known = translate(error)
        if known is not None and known.kind in _PASSING:
            raise
        log.error(
            "message_not_processed",
            message_id=str(origin.message_id),
            error=type(error).__name__,
            code=known.code if known else None,
        )
        return None


async def place_results(
    session: AsyncSession,
    caller: CallingSender,
    sent: Mapping[int, SentResult],
    origin: Origin,
    keyring: Keyring,
) -> list[Placed]:
    """File what is sound of a message's results, by position; say why of the others."""
    sent = {position: without_identity(storable(each)) for position, each in sent.items()}
    matches = await match_subjects(session, caller, list(sent.values()), keyring)
    read = [
        _read(caller, position, each, match, origin)
        for (position, each), match in zip(sent.items(), matches, strict=True)
    ]
    sound = await _observable(session, caller, read, origin)
    candidates = {
        each.position: _candidate(caller, each, origin) for each in sound if not each.reasons
    }
    study_id = caller.actor.study_id
    found = await sort_out(session, study_id, candidates)
    filed = await file_results(session, study_id, list(found.own.values()))
    outcomes = dict(zip(found.own, filed, strict=True))
    of_another = (because(InboxReason.SPECIMEN_OF_ANOTHER),)
    return [
        _placed(replace(each, reasons=of_another), None)
        if each.position in found.of_another
        else _placed(each, outcomes.get(each.position))
        for each in sound
    ]


def _read(
    caller: CallingSender, position: int, sent: SentResult, match: Match, origin: Origin
) -> _Read:
    """Interpret one result and collect everything that keeps it from being filed."""
    reading = interpret(sent, caller.profile, origin.received_at)
    if position in origin.assigned:
        match = Match(origin.assigned[position], match.tokens)
    reasons = reading.reasons + match.reasons
    allowed = caller.analytes
    if allowed is not None and reading.analyte is not None and reading.analyte not in allowed:
        reasons += (because(InboxReason.ANALYTE_NOT_ALLOWED),)
    return _Read(position, withheld(sent), reading, match, reasons)


async def _observable(
    session: AsyncSession, caller: CallingSender, read: list[_Read], origin: Origin
) -> list[_Read]:
    """Add what the subject's own record says against an observation."""
    wanted = {each.match.subject_id for each in read if each.match.subject_id and not each.reasons}
    if not wanted:
        return read
    if any(each.reading.meaning in _ABOUT_EACH_OTHER for each in read):
        await lock_subjects(session, caller.actor.study_id, wanted)
    subjects = await observable_subjects(session, caller.actor, wanted)
    return [each if each.reasons else _checked(each, subjects, origin) for each in read]


def _checked(each: _Read, subjects: Mapping[UUID, Observable], origin: Origin) -> _Read:
    assert each.match.subject_id is not None, "a result without a subject has a reason"
    assert each.reading.result is not None, "a result that cannot be read has a reason"
    at = each.reading.result.collected_at
    subject = subjects[each.match.subject_id]
    try:
        subject.check(at, "The collection", origin.received_at)
    except DomainError as error:
        return replace(each, reasons=(because(InboxReason.NOT_OBSERVABLE, error.message),))
    if subject.casebook is not CasebookState.OPEN:
        return replace(each, reasons=(because(InboxReason.CASEBOOK_LOCKED),))
    return each


def specimen(caller: CallingSender, reading: Interpretation) -> str | None:
    """Return what tells the specimen of a result, as far as it could be read."""
    if reading.result is None:
        return reading.accession
    at = reading.result.collected_at
    return specimen_of(reading.accession, at, caller.profile.specimen_by)


def _candidate(caller: CallingSender, each: _Read, origin: Origin) -> Candidate:
    """Return what is to be filed of a sound result."""
    reading = each.reading
    row = _said(reading) | {
        "collected_precision": reading.precision or TimePrecision.SECOND,
        "subject_id": each.match.subject_id,
        "source": caller.code,
        "accession": reading.accession,
        "specimen": specimen(caller, reading),
        "message_id": origin.message_id,
        "position": each.position,
        **_own_words(each.sent),
    }
    return Candidate(
        row=row,
        stated_at=reading.stated_at,
        may_follow=True,
        dated=_dated(each, origin),
        promotes=reading.promotes,
    )


def _dated(each: _Read, origin: Origin) -> Dated:
    """Return what dates a statement; one that nothing dates has the moment of its receipt."""
    if each.reading.meaning is StatusMeaning.NOT_YET:
        return Dated.NOTHING
    if each.reading.stated_at == origin.received_at:
        return Dated.RECEIPT
    return Dated.MESSAGE if each.sent.stated_by_message else Dated.SENDER


def _said(reading: Interpretation) -> dict[str, Any]:
    """Return the columns of what a sound result says; a promotion repeats nothing."""
    result = reading.result
    assert result is not None, "a result that cannot be read has a reason"
    nothing = dict.fromkeys(_CONTENT)
    if not reading.promotes:
        return nothing | content_columns(result, reading.original)
    return nothing | {
        "analyte": result.analyte,
        "status": result.status,
        "collected_at": result.collected_at,
        "reported_at": result.reported_at,
    }


def _own_words(sent: SentResult) -> dict[str, str | None]:
    """Return the sender's words that nothing is derived from."""
    return {
        "original_code": _short("^".join(_code(sent))),
        "original_range": _short(sent.reference_range),
        "original_flags": _short("~".join(sent.flags)),
        "original_status": _short(sent.status),
        "original_collected": _short(sent.collected),
    }


def _code(sent: SentResult) -> tuple[str, str]:
    first = sent.codes[0] if sent.codes else None
    return (first.code, first.system) if first else ("", "")


def _short(text: str) -> str | None:
    """Keep the sender's words as far as anybody reads them; the message holds them all."""
    return text[:_LONGEST_TEXT] or None


_FILED = {
    FilingOutcome.CREATED: InboundOutcome.FILED,
    FilingOutcome.DUPLICATE: InboundOutcome.DUPLICATE,
}
_UNFILED = {
    FilingOutcome.CONTRADICTION: InboxReason.CONTRADICTION,
    FilingOutcome.SPECIMEN_REUSED: InboxReason.SPECIMEN_REUSED,
    FilingOutcome.NOTHING_TO_PROMOTE: InboxReason.NOTHING_TO_PROMOTE,
}


def _placed(each: _Read, filed: Filed | None) -> Placed:
    outcome = InboundOutcome.INBOX if filed is None else _FILED.get(filed.outcome)
    reasons = each.reasons
    if filed is not None and outcome is None:
        outcome, reasons = InboundOutcome.INBOX, (because(_UNFILED[filed.outcome]),)
    assert outcome is not None, "every way of filing has an outcome"
    return Placed(
        position=each.position,
        sent=each.sent,
        reading=each.reading,
        match=each.match,
        outcome=outcome,
        lab_result_id=filed.id if filed else None,
        inbox_item_id=new_id() if outcome is InboundOutcome.INBOX else None,
        reasons=reasons,
    )
