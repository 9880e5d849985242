"""Writes the answer to a message: AA when it is stored, AR when it can never be, and never AE.

The answer repeats nothing but the header's fields; what became of the results is told by counts
and inbox references, so that nothing of a patient goes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from app.domain.inbound import InboundOutcome, InboxReason
from app.interop.hl7v2.header import Header
from app.interop.hl7v2.notation import Notation, UnreadableError
from app.interop.hl7v2.reading import (
    MOST_RESULTS,
    MOST_SEGMENTS,
    NOT_HL7,
    NOT_PRODUCTION,
    TOO_MANY_RESULTS,
    WRONG_MESSAGE_TYPE,
)
from app.services.inbound import Receipt, ResultReceipt

_MOST_ERRORS = 20  # the counts in MSA-3 tell of all
_ERR_WITH_TEXT = (2, 5)  # in older versions ERR-1 holds a place and a code, and nothing else
_BARE = Header(("MSH", "|", "^~\\&"), "ascii")

# HL7 table 0357.
_SEQUENCE = ("100", "Segment sequence error")
_MISSING = ("101", "Required field missing")
_TYPE = ("102", "Data type error")
_TABLE = ("103", "Table value not found")
_KEY = ("204", "Unknown key identifier")
_DUPLICATE = ("205", "Duplicate key identifier")
_LOCKED = ("206", "Application record locked")
_OTHER = ("207", "Application internal error")
_STORED = ("0", "Message accepted")  # it only waits, and the text says for what
_CODES: dict[str, tuple[str, str]] = {
    InboxReason.PATIENT_MISSING: _MISSING,
    InboxReason.UNREADABLE_VALUE: _TYPE,
    InboxReason.AMBIGUOUS_NUMBER: _TYPE,
    InboxReason.CONTENT_MISMATCH: _TYPE,
    InboxReason.COLLECTION_TIME: _TYPE,
    InboxReason.UNMAPPED_CODE: _TABLE,
    InboxReason.UNKNOWN_UNIT: _TABLE,
    InboxReason.UNKNOWN_STATUS: _TABLE,
    InboxReason.UNKNOWN_PATIENT: _KEY,
    InboxReason.NOTHING_TO_PROMOTE: _KEY,
    InboxReason.CASEBOOK_LOCKED: _LOCKED,
    InboxReason.SPECIMEN_REUSED: _DUPLICATE,
    InboxReason.CONTRADICTION: _DUPLICATE,
}
_REFUSALS = {
    NOT_HL7: (_SEQUENCE, "This is not HL7 v2: no line begins with MSH."),
    WRONG_MESSAGE_TYPE: (
        ("200", "Unsupported message type"),
        "Only ORU, OUL R21, OUL R22 and OUL R24 are taken.",
    ),
    NOT_PRODUCTION: (
        ("202", "Unsupported processing id"),
        "Messages of training, debugging or quality control (MSH-11) are not taken.",
    ),
    TOO_MANY_RESULTS: (
        _OTHER,
        f"At most {MOST_RESULTS} results (OBX) and {MOST_SEGMENTS} segments fit; send it in parts.",
    ),
}


def wants_answer(header: Header | None) -> bool:
    """Tell whether the sender expects an answer: not if MSH-16 is NE and MSH-15 asks for none."""
    if header is None:
        return True
    never = header.component(16) == "NE" and header.component(15) in {"", "NE"}
    return not never


def acknowledge(header: Header | None, receipt: Receipt, now: datetime, own_id: str) -> bytes:
    """Write the ACK of a stored or refused message, in the sender's separators and charset.

    `own_id` becomes MSH-10 of the answer; MSA-2 is the sender's MSH-10 exactly, and empty for a
    message without a header. `now` is written with its offset.
    """
    header = header or _BARE
    notation = _notation(header)
    acceptance, severity = ("AR", "E") if receipt.refusal else ("AA", "W")
    segments = [
        _head(header, notation, now, own_id),
        ["MSA", acceptance, header.control_id, notation.escaped(_summary(receipt))],
        *(_err(header, notation, severity, error) for error in _errors(header, receipt)),
    ]
    text = "".join(notation.field.join(fields) + "\r" for fields in segments)
    return text.encode(header.charset, errors="replace")


def _notation(header: Header) -> Notation:
    """Take the sender's separators, or the usual encoding characters where those are no use."""
    try:
        return Notation.of(header.field(1), header.field(2), header.charset)
    except UnreadableError:
        return Notation(header.charset, header.field(1), *_BARE.field(2))


def _head(header: Header, notation: Notation, now: datetime, own_id: str) -> list[str]:
    return [
        "MSH",
        notation.marks,
        *(header.field(number) for number in (5, 6, 3, 4)),
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        notation.component.join(_message_type(header)),
        notation.escaped(own_id),
        header.field(11) or "P",
        header.field(12) or "2.5.1",
        *[""] * 5,
        header.field(18),
    ]


def _message_type(header: Header) -> list[str]:
    if not re.fullmatch("[A-Z][0-9]{2}", header.trigger):
        return ["ACK"]
    with_structure = header.component(9, 3) != ""
    return ["ACK", header.trigger, "ACK"] if with_structure else ["ACK", header.trigger]


def _summary(receipt: Receipt) -> str:
    return (
        f"{'Refused' if receipt.refusal else 'Stored'} as {receipt.message_id}: "
        f"{receipt.received} received, {receipt.filed} filed, {receipt.duplicates} duplicate, "
        f"{receipt.inbox} in the inbox, {receipt.refused} refused"
    )


class _Error(NamedTuple):
    """One ERR: the segment and its number in the message, a code of table 0357, and a text."""

    segment: str
    number: int
    code: tuple[str, str]
    text: str


def _errors(header: Header, receipt: Receipt) -> Iterator[_Error]:
    """Give what is to be told: why it is refused, or where what was not filed waits."""
    if receipt.refusal is not None:
        other = (_OTHER, f"This cannot be taken: {receipt.refusal}.")
        code, text = _REFUSALS.get(receipt.refusal, other)
        yield _Error("MSH", 1, code, text)
    elif receipt.message_item_id is not None:
        text = f"The whole message waits in the inbox as {receipt.message_item_id}"
        yield _Error("MSH", 1, _STORED, text)
    elif _has_error_text(header):
        waiting = (each for each in receipt.results if each.outcome is InboundOutcome.INBOX)
        yield from map(_waiting, islice(waiting, _MOST_ERRORS))


def _waiting(result: ResultReceipt) -> _Error:
    reasons = [reason.code for reason in result.reasons]
    code = next((_CODES[reason] for reason in reasons if reason in _CODES), _STORED)
    text = f"Waits in the inbox as {result.inbox_item_id}: {', '.join(reasons)}"
    return _Error("OBX", result.position + 1, code, text)


def _has_error_text(header: Header) -> bool:
    """Tell whether the version's ERR has a severity and a text; else ERR-1 holds a code alone."""
    return header is _BARE or header.version >= _ERR_WITH_TEXT


def _err(header: Header, notation: Notation, severity: str, error: _Error) -> list[str]:
    location = [error.segment, str(error.number)]
    coded = [*error.code, "HL70357"]
    if not _has_error_text(header):
        return ["ERR", notation.component.join([*location, "", notation.subcomponent.join(coded)])]
    return [
        "ERR",
        "",
        notation.component.join(location),
        notation.component.join(coded),
        severity,
        "",
        "",
        "",
        notation.escaped(error.text),
    ]
