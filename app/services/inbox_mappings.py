"""What a person tells about a sender's words, as the next version of the sender's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import DomainError, ErrorKind, conflict, invalid
from app.domain.inbound import InboxReason
from app.domain.interpretation import Interpretation, interpret
from app.domain.reported_results import known_analyte
from app.domain.sender_profile import CodeMapping, SenderProfile, UnitMapping
from app.domain.sent_results import SentResult
from app.domain.sent_texts import said
from app.domain.units import can_be_unit
from app.schemas.inbox import MapCode, MapStatus, MapUnit, MapWord, ProfileStep
from app.schemas.sender_profiles import profile_document
from app.services.inbox import OpenedMessage
from app.services.sender_profiles import add_version
from app.services.senders import CallingSender

# What each step is an answer to, and the field of its body that says the meaning.
ANSWERS: Mapping[type[ProfileStep], tuple[InboxReason, str]] = {
    MapCode: (InboxReason.UNMAPPED_CODE, "analyte"),
    MapUnit: (InboxReason.UNKNOWN_UNIT, "unit"),
    MapStatus: (InboxReason.UNKNOWN_STATUS, "meaning"),
    MapWord: (InboxReason.UNREADABLE_VALUE, "meaning"),
}


async def add_mapping(
    session: AsyncSession,
    caller: CallingSender,
    step: ProfileStep,
    sent: SentResult,
    message: OpenedMessage,
) -> int:
    """Add a profile version by which a result's words mean something; return its number.

    Raises conflict when the result waits for something else, and invalid for a meaning that cannot
    be right.
    """
    reason, field = ANSWERS[type(step)]
    reading = interpret(sent, caller.profile, message.received_at)
    if not _waits_for(reason, reading):
        raise _not_needed()
    try:
        profile = _extended(caller.profile, step, sent, reading.analyte)
        document = profile_document(profile)
        version = await add_version(session, caller.actor, caller.sender_id, document, step.reason)
    except DomainError as error:
        if error.kind is not ErrorKind.INVALID:
            raise
        sentence = error.reasons[0].message
        raise invalid("mapping_not_possible", sentence, f"/body/{field}") from error
    if _waits_for(reason, interpret(sent, profile, message.received_at)):
        raise conflict(
            "mapping_without_effect",
            "With this mapping the result would wait all the same; ask the laboratory what it"
            " means.",
        )
    return version.number


def _waits_for(reason: InboxReason, reading: Interpretation) -> bool:
    return reason.value in {each.code for each in reading.reasons}


def _extended(
    profile: SenderProfile, step: ProfileStep, sent: SentResult, analyte: str | None
) -> SenderProfile:
    """Return the profile with one meaning more; raise conflict where there is nothing to map."""
    match step:
        case MapCode():
            code = next((each for each in sent.codes if said(each.code)), None)
            if code is None:
                raise _not_needed()
            mapping = CodeMapping(
                system=said(code.system),
                code=said(code.code),
                analyte=known_analyte(step.analyte).key,
            )
            return replace(profile, codes=(*profile.codes, mapping))
        case MapUnit():
            assert analyte is not None, "a unit is unknown for an analyte"
            if not can_be_unit(said(sent.unit)):
                raise invalid(
                    "not_a_unit",
                    "What was sent as the unit is a number or half of a power of ten; ask the"
                    " laboratory where its unit stands.",
                    "/body/unit",
                )
            unit = UnitMapping(analyte=analyte, text=said(sent.unit), unit=step.unit)
            return replace(profile, units=(*profile.units, unit))
        case MapStatus():
            statuses = {**profile.statuses, said(sent.status): step.meaning}
            return replace(profile, statuses=statuses)
        case MapWord():
            return replace(profile, words={**profile.words, _word(sent): step.meaning})


def _word(sent: SentResult) -> str:
    """Return the word in the place of the value: of a coded one its text, else its code."""
    parts = next((parts for parts in sent.values if any(said(part) for part in parts)), None)
    if parts is None:
        raise _not_needed()
    is_coded = len(parts) > 1 and bool(said(parts[1]))
    return said(parts[1] if is_coded else parts[0])


def _not_needed() -> DomainError:
    return conflict(
        "mapping_not_needed",
        "As its sender is read now, the result waits for something else; see its reasons, or retry"
        " it.",
    )
