"""Results sent as JSON: recorded, or kept where they come too late for the subject's casebook.

A person is told that the casebook is closed. A laboratory system is not asked to come again: what
it sends is kept as a message, and its late results wait in the inbox.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring
from app.domain.errors import ErrorKind
from app.domain.inbound import Door, InboxStatus
from app.domain.reported_results import LabEntry, RecordingOutcome
from app.domain.vocabulary import Role
from app.models import InboundMessage, InboxItem, Sender
from app.services.access import Actor
from app.services.inbound import sealed_place
from app.services.ingest_counts import Counts, noted
from app.services.lab_recording import Recorded, record_results
from app.services.late_results import LateResult, late_item


@dataclass(frozen=True, slots=True)
class SentBody:
    """A request's body as it came, and the keys to keep it under."""

    raw: bytes = field(repr=False)
    keyring: Keyring

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the bytes."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcomes of a batch in its order, and how many there were of each kind."""

    results: list[Recorded]
    received: int
    created: int
    duplicates: int
    refused: int
    inbox: int


async def record_batch(
    session: AsyncSession,
    actor: Actor,
    entries: Sequence[LabEntry],
    body: SentBody,
    now: datetime,
) -> BatchOutcome:
    """Store what is new and sound of a batch, and count what became of it."""
    results = await record_sent(session, actor, entries, body, now)
    counts = Counter(each.outcome for each in results)
    return BatchOutcome(
        results=results,
        received=len(results),
        created=counts[RecordingOutcome.CREATED],
        duplicates=counts[RecordingOutcome.DUPLICATE],
        refused=counts[RecordingOutcome.REFUSED],
        inbox=counts[RecordingOutcome.INBOX],
    )


async def record_sent(
    session: AsyncSession,
    actor: Actor,
    entries: Sequence[LabEntry],
    body: SentBody,
    now: datetime,
) -> list[Recorded]:
    """Record what can be; tell of each, in order, what became of it.

    What a laboratory system sends for a closed casebook waits in the inbox, once however often the
    same body comes.
    """
    started = perf_counter()
    recorded = await _record(session, actor, entries, body, now)
    counts = Counter(each.outcome for each in recorded)
    sent = Counts(
        filed=counts[RecordingOutcome.CREATED],
        duplicates=counts[RecordingOutcome.DUPLICATE],
        inbox=counts[RecordingOutcome.INBOX],
        refused=counts[RecordingOutcome.REFUSED],
    )
    noted(session, Door.JSON, sent, started)
    return recorded


async def _record(
    session: AsyncSession,
    actor: Actor,
    entries: Sequence[LabEntry],
    body: SentBody,
    now: datetime,
) -> list[Recorded]:
    """Record what can be, and let what is late wait."""
    recorded = await record_results(session, actor, entries, now)
    late = {each.index for each in recorded if each.error and each.error.kind is ErrorKind.LOCKED}
    if not late or actor.role is not Role.LABORATORY_SYSTEM:
        return recorded
    sender_id = await session.scalar(
        select(Sender.id).where(
            Sender.study_id == actor.study_id, Sender.principal_id == actor.principal_id
        )
    )
    items = await _waiting(session, actor, sender_id, body)
    if not late <= items.keys():
        items = await _keep(session, _Kept(actor, sender_id, body, now), entries, recorded, late)
    return [
        replace(each, outcome=RecordingOutcome.INBOX, inbox_item_id=items[each.index])
        if each.index in late
        else each
        for each in recorded
    ]


async def _waiting(
    session: AsyncSession, actor: Actor, sender_id: UUID | None, body: SentBody
) -> dict[int, UUID]:
    """Find what waits already of the same body of the same sender, by position."""
    query = (
        select(InboxItem.position, InboxItem.id)
        .join(
            InboundMessage,
            (InboundMessage.study_id == InboxItem.study_id)
            & (InboundMessage.id == InboxItem.message_id),
        )
        .where(
            InboxItem.study_id == actor.study_id,
            InboxItem.sender_id.is_not_distinct_from(sender_id),
            InboxItem.status == InboxStatus.OPEN,
            InboundMessage.door == Door.JSON,
            InboundMessage.digest == body.digest,
        )
    )
    return {row.position: row.id for row in await session.execute(query)}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept: whose body, and when it came."""

    actor: Actor
    sender_id: UUID | None
    body: SentBody
    received_at: datetime


async def _keep(
    session: AsyncSession,
    kept: _Kept,
    entries: Sequence[LabEntry],
    recorded: Sequence[Recorded],
    late: set[int],
) -> dict[int, UUID]:
    """Keep a body whole, and open an item for each of its late results."""
    message = _message(kept, Counter(each.outcome for each in recorded), len(late))
    items = {index: late_item(message, _late(index, entries[index])) for index in sorted(late)}
    session.add(message)
    await session.flush()
    session.add_all(items.values())
    await session.flush()
    return {index: item.id for index, item in items.items()}


def _message(kept: _Kept, counts: Counter[RecordingOutcome], late: int) -> InboundMessage:
    message_id = new_id()
    return InboundMessage(
        study_id=kept.actor.study_id,
        id=message_id,
        sender_id=kept.sender_id,
        received_at=kept.received_at,
        door=Door.JSON,
        digest=kept.body.digest,
        sealed=kept.body.keyring.seal(kept.body.raw, sealed_place(message_id)),
        size=len(kept.body.raw),
        charset="utf-8",
        flags=[],
        results=counts.total(),
        filed=counts[RecordingOutcome.CREATED],
        duplicates=counts[RecordingOutcome.DUPLICATE],
        inbox=late,
        refused=counts[RecordingOutcome.REFUSED] - late,
    )


def _late(position: int, entry: LabEntry) -> LateResult:
    return LateResult(
        subject_id=entry.subject_id,
        position=position,
        accession=entry.accession,
        result=entry.result,
    )
