"""Takes in what a laboratory system sends as ER7, by whatever door, and writes the answer.

Several messages may come at once, in a batch's envelope or one after the other; each is stored and
answered for itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.inbound import Door, InboxReason
from app.interop.hl7v2.acknowledgement import acknowledge, wants_answer
from app.interop.hl7v2.decoding import plain_text
from app.interop.hl7v2.framing import messages_in, plain_count
from app.interop.hl7v2.header import Header, read_header
from app.interop.hl7v2.identity_words import identity_words
from app.interop.hl7v2.reading import NOT_HL7, read
from app.services.inbound import Delivery, Receipt, receive
from app.services.senders import CallingSender

# Of one transaction, which others wait for.
MOST_MESSAGES = 500
TOO_MANY_MESSAGES = "too_many_messages"
# What is longer is read in a thread, so that other requests go on meanwhile.
_LONG_BYTES = 262_144
_ENVELOPE = re.compile(rb"\s*(?:\xef\xbb\xbf)?[FB]HS[^\w\s]")
_END = b"\r"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes at a door; `charset` is what the transport says of them, None if it says nothing."""

    raw: bytes
    door: Door
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The acknowledgements, empty where none is wanted, and the codec they are written in.

    `is_hl7` is False where there was no message at all to be answered.
    """

    content: bytes
    charset: str
    is_hl7: bool


async def deliveries_of(arrival: Arrival, caller: CallingSender) -> list[Delivery]:
    """Read an arrival: one delivery for each message, and one in all where there are too many."""
    if len(arrival.raw) > _LONG_BYTES:
        return await asyncio.to_thread(_read_all, arrival, caller)
    return _read_all(arrival, caller)


def _read_all(arrival: Arrival, caller: CallingSender) -> list[Delivery]:
    messages = messages_in(arrival.raw)
    if len(messages) > MOST_MESSAGES:
        counted = plain_count(plain_text(arrival.raw))["OBX"]
        (first,) = read(messages[0], caller.profile, arrival.door, arrival.charset)
        whole = replace(first, raw=arrival.raw, results=(), whole=None, counted=counted)
        return [replace(whole, refusal=TOO_MANY_MESSAGES)]
    deliveries = read(arrival.raw, caller.profile, arrival.door, arrival.charset)
    return [_checked(each, caller, arrival) for each in deliveries]


def _checked(delivery: Delivery, caller: CallingSender, arrival: Arrival) -> Delivery:
    """Let a message wait as a whole that does not come from the system it is expected from.

    Another hospital's patients can have the same numbers.
    """
    if delivery.refusal or delivery.whole or is_expected(delivery.raw, caller, arrival.charset):
        return delivery
    return replace(delivery, results=(), whole=InboxReason.UNEXPECTED_SENDER)


def is_expected(raw: bytes, caller: CallingSender, charset: str | None) -> bool:
    """Tell whether MSH-3 and MSH-4 name the system that the sender is registered as."""
    expected = {3: caller.sending_application, 4: caller.sending_facility}
    if not any(expected.values()):
        return True
    header = read_header(raw, caller.profile, charset)
    return header is not None and all(
        name in (None, header.component(n)) for n, name in expected.items()
    )


async def receive_er7(
    session: AsyncSession, caller: CallingSender, arrival: Arrival, keyring: Keyring, now: datetime
) -> Reply:
    """Store every message of an arrival; the caller commits before the reply goes out."""
    headers, answers = [], []
    deliveries = await deliveries_of(arrival, caller)
    for delivery in deliveries:
        header = read_header(delivery.raw, caller.profile, arrival.charset)
        words = identity_words(delivery.raw, header.charset if header else "ascii")
        named = replace(delivery, identity=words)
        receipt = await receive(session, caller, named, keyring, now, answering(header, now))
        headers.append(header)
        if receipt.answer:
            answers.append(receipt.answer)
    first = headers[0]
    return Reply(
        content=_together(answers, first if _ENVELOPE.match(arrival.raw) else None),
        charset=first.charset if first else "ascii",
        is_hl7=deliveries[0].refusal != NOT_HL7,
    )


async def keep_unread(
    session: AsyncSession,
    caller: CallingSender,
    arrival: Arrival,
    refusal: str,
    keyring: Keyring,
    now: datetime,
) -> None:
    """Keep bytes that no message could be made of; `refusal` is the code of why."""
    delivery = Delivery(
        door=arrival.door,
        raw=arrival.raw,
        control_id=None,
        results=(),
        counted=plain_count(plain_text(arrival.raw))["OBX"],
        refusal=refusal,
    )
    await receive(session, caller, delivery, keyring, now)


def answering(header: Header | None, now: datetime) -> Callable[[Receipt], bytes]:
    """Return what writes the answer to a message, empty where the sender wants none."""

    def answer(receipt: Receipt) -> bytes:
        if not wants_answer(header):
            return b""
        return acknowledge(header, receipt, now, str(receipt.message_id))

    return answer


def _together(answers: list[bytes], envelope: Header | None) -> bytes:
    """Put the answers one after the other, inside an envelope where the messages came in one."""
    if envelope is None or not answers:
        return b"".join(answers)
    mark, charset = envelope.field(1), envelope.charset
    head = f"BHS{mark}{envelope.field(2)}".encode(charset, errors="replace")
    foot = f"BTS{mark}{len(answers)}".encode(charset, errors="replace")
    return b"".join([head, _END, *answers, foot, _END])
