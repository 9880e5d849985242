"""Taking results out of the inbox: read again, placed as if they had just come, never filed twice.

They are read by the sender's present profile, and the moment at which they came stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inbound import InboundOutcome, InboxKind, InboxReason, InboxStatus
from app.domain.sent_results import SentResult, storable
from app.models import InboxItem
from app.services.inbound import Delivery
from app.services.inbound_placing import Origin, Placed, try_to_place
from app.services.inbox import OpenedMessage, Reading, open_message
from app.services.inbox_items import open_items, promote_waiting, result_item, what_waits
from app.services.late_release import LATE_DOORS, LateRelease
from app.services.senders import CallingSender

# What `resolution` says of an open item whose subject a person has named.
ASSIGNED = "assign"
# What a person does who takes this one message, whatever system it names.
ACCEPT_SENDER = "accept_sender"
_ENDS = {
    InboundOutcome.FILED: InboxStatus.FILED,
    InboundOutcome.DUPLICATE: InboxStatus.DUPLICATE,
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of results that were read again; `open` ones still wait."""

    filed: int = 0
    duplicates: int = 0
    open: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Add two tallies."""
        return Tally(
            self.filed + other.filed, self.duplicates + other.duplicates, self.open + other.open
        )


NOTHING = Tally()


def tally_of(items: Iterable[InboxItem]) -> Tally:
    """Count how items of single results stand."""
    counts = Counter(item.status for item in items)
    return Tally(
        filed=counts[InboxStatus.FILED],
        duplicates=counts[InboxStatus.DUPLICATE],
        open=counts[InboxStatus.OPEN],
    )


def result_at(item: InboxItem, message: OpenedMessage, delivery: Delivery) -> SentResult | None:
    """Return the result that an item is about, None unless it is surely the same.

    The message has to hold as many results as when it came, and the one in the item's place has to
    have its code; a task keeps no code.
    """
    position = item.position
    if delivery.counted != message.results or position is None:
        return None
    if position >= len(delivery.results):
        return None
    sent = storable(delivery.results[position])
    first = sent.codes[0] if sent.codes else None
    code = (first.code, first.system) if first else (None, None)
    is_same = item.kind is InboxKind.TASK or code == (item.code, item.code_system)
    return sent if is_same else None


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """One person's taking of items out of the inbox; `step` is what they did about them."""

    session: AsyncSession
    caller: CallingSender
    reading: Reading
    step: str
    now: datetime

    async def file_again(self, items: Sequence[InboxItem]) -> Tally:
        """Place again what the items of one message hold; they are open, and locked."""
        message = await open_message(
            self.session, self.caller.actor, items[0].message_id, self.reading.keyring
        )
        if message.door in LATE_DOORS:
            await self._late().settle(message, items)
            return tally_of(items)
        delivery = self.reading.reread(message, self.caller.profile)
        if items[0].kind is InboxKind.MESSAGE:
            return await self._take_apart(items[0], message, delivery)
        return await self._place_each(items, message, delivery)

    def _late(self) -> LateRelease:
        return LateRelease(
            session=self.session,
            actor=self.caller.actor,
            sender=self.caller,
            reading=self.reading,
            step=self.step,
            now=self.now,
        )

    async def _place_each(
        self, items: Sequence[InboxItem], message: OpenedMessage, delivery: Delivery
    ) -> Tally:
        """Place some results of a message; an item keeps what still stands against its own."""
        found = {
            position: (item, result_at(item, message, delivery))
            for item in items
            if (position := item.position) is not None
        }
        assigned = {
            position: item.subject_id
            for position, (item, _) in found.items()
            if item.resolution == ASSIGNED and item.subject_id is not None
        }
        sent = {position: each for position, (_, each) in found.items() if each is not None}
        origin = Origin(message_id=message.id, received_at=message.received_at, assigned=assigned)
        placed = await try_to_place(self.session, self.caller, sent, origin, self.reading.keyring)
        outcomes = {each.position: each for each in placed or ()}
        for position, (item, each) in found.items():
            if position in outcomes:
                self._settle(item, outcomes[position])
            else:
                why = InboxReason.PROCESSING_FAILED if each else InboxReason.REREAD_DIFFERS
                item.reasons = [why.value]
        settled = [each for each in outcomes.values() if each.outcome in _ENDS]
        await self._follow(message.id, settled)
        return tally_of(items)

    def _settle(self, item: InboxItem, placed: Placed) -> None:
        """Note on an item what became of its result."""
        if placed.outcome is InboundOutcome.INBOX:
            for name, value in what_waits(self.caller, placed).items():
                setattr(item, name, value)
            return
        self._end(item, _ENDS[placed.outcome])
        item.subject_id = placed.match.subject_id
        item.lab_result_id = placed.lab_result_id

    async def _take_apart(
        self, item: InboxItem, message: OpenedMessage, delivery: Delivery
    ) -> Tally:
        """Place the results of a message that waited whole; each has its own outcome from now on.

        A result that is here already gets an item, too, so that every result is accounted for.
        """
        why = self._still_whole(message, delivery)
        placed: list[Placed] | None = None
        if why is None:
            placed = await try_to_place(
                self.session,
                self.caller,
                dict(enumerate(delivery.results)),
                Origin(message_id=message.id, received_at=message.received_at, assigned={}),
                self.reading.keyring,
            )
        if placed is None:
            item.reasons = [(why or InboxReason.PROCESSING_FAILED).value]
            await self.session.flush()
            return Tally(open=item.results)
        self._end(item, InboxStatus.FILED)
        for each in placed:
            if each.outcome is InboundOutcome.DUPLICATE:
                known = result_item(self.caller, message.id, each)
                known.lab_result_id = each.lab_result_id
                self._end(known, InboxStatus.DUPLICATE)
                self.session.add(known)
        await self._follow(message.id, placed)
        counts = Counter(each.outcome for each in placed)
        return Tally(
            filed=counts[InboundOutcome.FILED],
            duplicates=counts[InboundOutcome.DUPLICATE],
            open=counts[InboundOutcome.INBOX],
        )

    def _still_whole(self, message: OpenedMessage, delivery: Delivery) -> InboxReason | None:
        """Say why a message still cannot be taken apart, None if it can."""
        if delivery.whole is not None:
            return delivery.whole
        if delivery.refusal is not None:
            return InboxReason.UNREADABLE_MESSAGE
        if not delivery.counted == len(delivery.results) == message.results:
            return InboxReason.REREAD_DIFFERS
        is_accepted = self.step == ACCEPT_SENDER or self.reading.is_of_sender(message, self.caller)
        return None if is_accepted else InboxReason.UNEXPECTED_SENDER

    def _end(self, item: InboxItem, status: InboxStatus) -> None:
        item.status = status
        item.resolved_at = self.now
        item.resolution = self.step

    async def _follow(self, message_id: UUID, placed: Sequence[Placed]) -> None:
        """Open what has to be opened for these results, and file what waited for them."""
        await self.session.flush()
        await open_items(self.session, self.caller, message_id, placed)
        await promote_waiting(self.session, self.caller, placed, self.now)
