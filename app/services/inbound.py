"""Receiving messages of laboratory systems: kept whole, filed as far as sound, never lost.

A message, its results, what waits in the inbox and the answer are one transaction; whoever sends
the same bytes under the same control id again gets the same answer, and nothing is written.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row, Table, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring
from app.domain.errors import Reason
from app.domain.inbound import Door, InboundOutcome, InboxReason
from app.domain.sent_results import SentResult, identity_of, names_somebody
from app.models import InboundMessage
from app.services.inbound_placing import Origin, Placed, try_to_place
from app.services.inbox_items import open_items, open_whole, promote_waiting
from app.services.ingest_counts import forget_ingest, noted
from app.services.message_privacy import ControlId, opened_answer, sealed_answer
from app.services.senders import CallingSender

CONTROL_ID_REUSED = "control_id_reused"

# What every message needs is put together once, and written and read without the unit of work.
_WAIT = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_MESSAGES = cast("Table", InboundMessage.__table__)
_UNDER_CONTROL_ID = (
    select(
        *(
            _MESSAGES.c[name]
            for name in (
                "id", "digest", "refusal", "flags", "results", "filed", "duplicates", "inbox",
                "refused", "answer",
            )
        )
    )
    .where(
        _MESSAGES.c.study_id == bindparam("study_id"),
        _MESSAGES.c.sender_id == bindparam("sender_id"),
        _MESSAGES.c.control_id.in_(bindparam("control_ids", expanding=True)),
    )
    .order_by(_MESSAGES.c.id.desc())
)  # fmt: skip
_STORE = insert(_MESSAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message, read: its bytes without framing, and its results in the message's order.

    `counted` is the number of results found by plain search. `whole` sends all of the message to
    the inbox, `refusal` says why it can never be accepted; its bytes are kept in either case.
    `control_id` is None where the format has none; `may_repeat` False takes the same bytes again,
    for formats in which sending them again is a new statement. Results at the places
    `passed_over` are neither filed nor counted: the sender is told so. `identity` are words that
    name the patient beside the identifiers of the results: a control id that holds one is kept as
    a keyed hash.
    """

    door: Door
    raw: bytes
    control_id: str | None
    results: tuple[SentResult, ...]
    counted: int
    charset: str | None = None
    flags: tuple[str, ...] = ()
    whole: InboxReason | None = None
    refusal: str | None = None
    may_repeat: bool = True
    passed_over: frozenset[int] = frozenset()
    identity: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReceipt:
    """What became of one result of a message."""

    position: int
    outcome: InboundOutcome
    lab_result_id: UUID | None = None
    inbox_item_id: UUID | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a message; received = filed + duplicates + inbox + refused.

    `repeated` says that it had come before: then `results` is empty and the counts are those of
    the first time. `message_item_id` is the inbox item of a message that waits as a whole.
    """

    message_id: UUID
    repeated: bool
    refusal: str | None
    flags: tuple[str, ...]
    results: tuple[ResultReceipt, ...]
    message_item_id: UUID | None = None
    received: int
    filed: int
    duplicates: int
    inbox: int
    refused: int
    answer: bytes | None = None


Answering = Callable[[Receipt], bytes]


async def receive(
    session: AsyncSession,
    caller: CallingSender,
    delivery: Delivery,
    keyring: Keyring,
    now: datetime,
    answer: Answering | None = None,
) -> Receipt:
    """Take a message in; `answer` builds what is sent back and kept with it.

    The caller has begun the operation and commits before the answer goes out.
    """
    digest, started = hashlib.sha256(delivery.raw).hexdigest(), perf_counter()
    flags = delivery.flags
    control = _control_id(caller, delivery, keyring)
    if control is not None:
        await _wait_for_twin(session, caller, control.said)
        earlier = await _under_control_id(session, caller, control)
        # Under a FHIR id the same bytes again, with others between, are what it says now.
        compared = earlier[:1] if delivery.door is Door.FHIR else earlier
        same = next((each for each in compared if each.digest == digest), None)
        if same is not None and delivery.may_repeat:
            return noted(session, delivery.door, _repeated(same, keyring), started)
        if earlier and same is None and delivery.may_repeat:
            flags = (*flags, CONTROL_ID_REUSED)
    message_id = new_id()
    origin = Origin(message_id=message_id, received_at=now, assigned={})
    placed, whole = await _place(session, caller, delivery, origin, keyring)
    receipt = _receipt(message_id, replace(delivery, flags=flags), placed, whole)
    receipt = replace(receipt, answer=answer(receipt) if answer else None)
    message = _message(caller, delivery, receipt, keyring)
    message |= {"digest": digest, "received_at": now}
    message |= {"control_id": control.kept if control else None}
    await session.execute(_STORE, message)
    await open_items(session, caller, message_id, placed)
    if whole is not None and receipt.message_item_id is not None:
        await open_whole(session, InboundMessage(**message), receipt.message_item_id, whole)
    await promote_waiting(session, caller, placed, now)
    return noted(session, delivery.door, receipt, started)


async def foresee(
    session: AsyncSession,
    caller: CallingSender,
    delivery: Delivery,
    keyring: Keyring,
    now: datetime,
) -> Receipt:
    """Tell what would become of a message; nothing is kept, and no id in the answer exists."""
    attempt = await session.begin_nested()
    try:
        return await receive(session, caller, delivery, keyring, now)
    finally:
        forget_ingest(session)
        await attempt.rollback()


def _control_id(caller: CallingSender, delivery: Delivery, keyring: Keyring) -> ControlId | None:
    """Return a delivery's control id, and whether it names the patient."""
    if delivery.control_id is None:
        return None
    identity = delivery.identity.union(*map(identity_of, delivery.results))
    token = keyring.token("control id", str(caller.sender_id), delivery.control_id)
    names = names_somebody(delivery.control_id, identity)
    return ControlId(delivery.control_id, token.hex(), names)


async def _wait_for_twin(session: AsyncSession, caller: CallingSender, control_id: str) -> None:
    """Let the same message, sent twice at once, be taken in one after the other."""
    name = f"{caller.actor.study_id}/{caller.sender_id}/{control_id}"
    await session.execute(_WAIT, {"name": name})


async def _under_control_id(
    session: AsyncSession, caller: CallingSender, control: ControlId
) -> Sequence[Row[Any]]:
    """Find what this sender has sent under a control id before, the last one first.

    Asked once the lock is held: a statement sees only what was committed before it began.
    """
    given = {
        "study_id": caller.actor.study_id,
        "sender_id": caller.sender_id,
        "control_ids": [control.said, control.stand_in],
    }
    return (await session.execute(_UNDER_CONTROL_ID, given)).all()


async def _place(
    session: AsyncSession,
    caller: CallingSender,
    delivery: Delivery,
    origin: Origin,
    keyring: Keyring,
) -> tuple[list[Placed], InboxReason | None]:
    """File the results; what cannot be processed at all goes to the inbox whole."""
    if delivery.whole is not None or delivery.refusal is not None:
        return [], delivery.whole
    listed = enumerate(delivery.results)
    sent = {place: each for place, each in listed if place not in delivery.passed_over}
    placed = await try_to_place(session, caller, sent, origin, keyring)
    return (placed, None) if placed is not None else ([], InboxReason.PROCESSING_FAILED)


def _receipt(
    message_id: UUID,
    delivery: Delivery,
    placed: Sequence[Placed],
    whole: InboxReason | None,
) -> Receipt:
    counts = Counter(each.outcome for each in placed)
    received = delivery.counted
    return Receipt(
        message_id=message_id,
        repeated=False,
        refusal=delivery.refusal,
        flags=delivery.flags,
        results=tuple(
            ResultReceipt(
                position=each.position,
                outcome=each.outcome,
                lab_result_id=each.lab_result_id,
                inbox_item_id=each.inbox_item_id,
                reasons=each.reasons,
            )
            for each in placed
        ),
        message_item_id=new_id() if whole else None,
        received=received,
        filed=counts[InboundOutcome.FILED],
        duplicates=counts[InboundOutcome.DUPLICATE],
        inbox=received if whole else counts[InboundOutcome.INBOX],
        refused=received if delivery.refusal else 0,
    )


def _repeated(earlier: Row[Any], keyring: Keyring) -> Receipt:
    return Receipt(
        message_id=earlier.id,
        repeated=True,
        refusal=earlier.refusal,
        flags=tuple(earlier.flags),
        results=(),
        received=earlier.results,
        filed=earlier.filed,
        duplicates=earlier.duplicates,
        inbox=earlier.inbox,
        refused=earlier.refused,
        answer=opened_answer(keyring, earlier.id, earlier.answer),
    )


def sealed_place(message_id: UUID) -> str:
    """Return the place for which a message is sealed."""
    return f"inbound_message/{message_id}"


def _message(
    caller: CallingSender, delivery: Delivery, receipt: Receipt, keyring: Keyring
) -> dict[str, Any]:
    """Return the columns of a message, without its digest and when it came."""
    return {
        "study_id": caller.actor.study_id,
        "id": receipt.message_id,
        "sender_id": caller.sender_id,
        "profile_number": caller.profile_number,
        "door": delivery.door,
        "sealed": keyring.seal(delivery.raw, sealed_place(receipt.message_id)),
        "size": len(delivery.raw),
        "charset": delivery.charset,
        "flags": list(receipt.flags),
        "refusal": receipt.refusal,
        "results": receipt.received,
        "filed": receipt.filed,
        "duplicates": receipt.duplicates,
        "inbox": receipt.inbox,
        "refused": receipt.refused,
        "answer": sealed_answer(keyring, delivery.door, receipt.message_id, receipt.answer),
    }
