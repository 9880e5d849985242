"""Reads bytes into deliveries, one per message; whatever comes, nothing raises or goes missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from app.domain.inbound import Door, InboxReason
from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.decoding import decode, plain_text
from app.interop.hl7v2.framing import messages_in, plain_count
from app.interop.hl7v2.header import Header, header_in
from app.interop.hl7v2.notation import Notation, UnreadableError
from app.interop.hl7v2.segments import Repetition, SplitMessage, count_lines, split_message
from app.interop.hl7v2.translation import sent_results
from app.services.inbound import Delivery

NOT_HL7 = "not_hl7"
WRONG_MESSAGE_TYPE = "wrong_message_type"
NOT_PRODUCTION = "not_production"
TOO_MANY_RESULTS = "too_many_results"

MOST_RESULTS = 1_000
MOST_SEGMENTS = 20_000
_LONGEST_CONTROL_ID = 250  # HL7 allows 199; it is kept in an index, and the answer echoes all of it
_SPECIMEN_TRIGGERS = frozenset({"R21", "R22", "R24"})
# Training, debugging, quality control, not production.
_OUTSIDE_PRODUCTION = frozenset({"T", "D", "Q", "N"})
_COUNTED = ("OBX", "OBR", "PID", "SPM")


def read(
    raw: bytes, profile: SenderProfile, door: Door, declared_charset: str | None = None
) -> list[Delivery]:
    """Read what came in: one delivery for each message, in order, never none.

    The `raw` of the deliveries, joined, is what came in, so each can be read again on its own.
    Results are empty where the whole message waits or is refused; `counted` tells how many it has.
    """
    messages = messages_in(raw)
    if not messages:
        return [_without_header(raw, door)]
    return [_read_one(message, profile, door, declared_charset) for message in messages]


def _without_header(raw: bytes, door: Door) -> Delivery:
    """Keep what has no header, or has one only in UTF-16, which no laboratory may send."""
    letters = raw.replace(b"\0", b"").lstrip(b"\xff\xfe")
    delivery = Delivery(
        door=door,
        raw=raw,
        control_id=None,
        results=(),
        counted=plain_count(plain_text(raw))["OBX"],
    )
    if messages_in(letters):
        return replace(delivery, whole=InboxReason.UNDECODABLE_TEXT)
    return replace(delivery, refusal=NOT_HL7)


def _read_one(
    message: bytes, profile: SenderProfile, door: Door, declared_charset: str | None
) -> Delivery:
    decoded = decode(message, profile.charset, declared_charset)
    header = header_in(message, decoded)
    plain = plain_text(message)
    text = decoded.text if decoded else plain
    mark = header.field(1) if header else "|"
    counts = plain_count(plain, mark)
    if text != plain:
        # Of text and bytes, the greater: a wrong charset may swallow the first letter of a name.
        counts |= plain_count(text, mark)
    delivery = Delivery(
        door=door,
        raw=message,
        control_id=_control_id(header),
        results=(),
        counted=counts["OBX"],
        charset=decoded.charset if decoded else None,
        flags=("charset_mismatch",) if decoded and decoded.mismatch else (),
    )
    try:
        if header is None:
            raise UnreadableError("MSH-1 is no separator.")
        notation = Notation.of(header.field(1), header.field(2), header.charset)
        has_room = delivery.counted <= MOST_RESULTS and count_lines(text) <= MOST_SEGMENTS
        refusal = _refusal(header, notation, profile, has_room=has_room)
        if refusal is not None:
            return replace(delivery, refusal=refusal)
        if decoded is None:
            return replace(delivery, whole=InboxReason.UNDECODABLE_TEXT)
        return _with_results(delivery, split_message(text, notation), counts, profile)
    except UnreadableError:
        return replace(delivery, whole=InboxReason.UNREADABLE_MESSAGE)


def _control_id(header: Header | None) -> str | None:
    text = header.control_id if header else ""
    return "".join(sign for sign in text if sign.isprintable())[:_LONGEST_CONTROL_ID] or None


def _refusal(
    header: Header, notation: Notation, profile: SenderProfile, *, has_room: bool
) -> str | None:
    """Say why a message can never be acceptable, None if it may be."""
    if not _reports_results(header):
        return WRONG_MESSAGE_TYPE
    if profile.processing_id == "P" and not _is_production(header.field(11), notation):
        return NOT_PRODUCTION
    return None if has_room else TOO_MANY_RESULTS


def _is_production(processing: str, notation: Notation) -> bool:
    """Tell whether no repetition of MSH-11 says otherwise; nobody escapes an honest letter."""
    if notation.escape and notation.escape in processing:
        return False
    said = {
        Repetition(tuple(each.split(notation.component)), notation).subcomponents(1)[0].upper()
        for each in processing.split(notation.repetition)
    }
    return said.isdisjoint(_OUTSIDE_PRODUCTION)


def _reports_results(header: Header) -> bool:
    """Take ORU whatever its trigger, and OUL as far as it reports results by specimen or order."""
    if header.message_code == "OUL":
        return header.trigger in _SPECIMEN_TRIGGERS
    return header.message_code == "ORU"


def _with_results(
    delivery: Delivery, split: SplitMessage, counts: Counter[str], profile: SenderProfile
) -> Delivery:
    """Add the results, unless a plain search finds other segments than were read."""
    if split.continued:
        delivery = replace(delivery, flags=(*delivery.flags, "continuation_text"))
    read_counts = Counter(segment.name for segment in split.segments)
    if any(read_counts[name] != counts[name] for name in _COUNTED):
        return replace(delivery, whole=InboxReason.COUNT_MISMATCH)
    return replace(delivery, results=sent_results(split, profile))
