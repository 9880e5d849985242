"""Resolving what waits in the inbox: by a mapping, a subject, another try, or a refusal.

Whoever resolves an item locks its sender first, so that two people never release the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Reason, conflict
from app.domain.inbound import Door, InboxKind, InboxReason, InboxStatus
from app.domain.sender_profile import SpecimenBy
from app.domain.sent_results import SentResult
from app.models import InboxItem
from app.schemas.inbox import Assign, MapCode, MapUnit, ProfileStep, Settle, Step
from app.services.access import Actor
from app.services.history import fetch, lock
from app.services.inbox import InboxEntry, OpenedMessage, Reading, open_message, with_origins
from app.services.inbox_actions import ABOUT_THE_SENDER, ENDINGS, check_offered
from app.services.inbox_assignment import assign_subject
from app.services.inbox_mappings import ANSWERS, add_mapping
from app.services.inbox_reprocessing import (
    ACCEPT_SENDER,
    NOTHING,
    Reprocessing,
    Tally,
    result_at,
    tally_of,
)
from app.services.late_release import LateRelease, check_released
from app.services.senders import CallingSender, sender_again

# As many others are read again within one request; more would keep everybody waiting.
MOST_OTHERS = 200

_OF_NOBODY = (
    InboxReason.PATIENT_MISSING,
    InboxReason.UNKNOWN_PATIENT,
    InboxReason.AMBIGUOUS_PATIENT,
)


@dataclass(frozen=True, slots=True)
class Target:
    """The item that is to be resolved, in the version that the person saw."""

    item_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What became of an item, and of others that waited for the same.

    `remaining` is how many others were left for another request.
    """

    item: InboxEntry
    results: Tally = NOTHING
    others: Tally = NOTHING
    remaining: int = 0
    profile_number: int | None = None


async def resolve(
    session: AsyncSession,
    actor: Actor,
    target: Target,
    step: Step,
    reading: Reading,
    now: datetime,
) -> Resolution:
    """Do what a person decided about an item, and file whatever that sets free.

    Raises conflict for an item that is resolved already, and version_stale for one that changed
    after it was read.
    """
    known = await fetch(session, InboxItem, actor.study_id, target.item_id)
    caller = await sender_again(session, actor, known.sender_id) if known.sender_id else None
    item = await _lock_open(session, actor, target)
    (entry,) = await with_origins(session, actor, [item])
    check_offered(entry, step)
    if step.action in ENDINGS:
        item.status = ENDINGS[step.action]
        item.resolved_at, item.resolution = now, step.action
        await session.flush()
        return Resolution(item=entry)
    if caller is not None:
        resolution = await _Work(session, caller, reading, item, now).do(step)
    else:
        late = LateRelease(
            session=session, actor=actor, sender=None, reading=reading, step=step.action, now=now
        )
        resolution = await _release_unregistered(late, entry)
    if step.action not in ABOUT_THE_SENDER:
        await check_released(session, item)
    return resolution


async def _release_unregistered(late: LateRelease, entry: InboxEntry) -> Resolution:
    """Release a late result of a system that is not registered; nothing else can be read again."""
    if entry.door is not Door.JSON:
        raise conflict(
            "no_sender",
            "A person uploaded this, so no profile says how to read it again; reject it and upload"
            " a corrected file.",
        )
    item, keyring = entry.row, late.reading.keyring
    message = await open_message(late.session, late.actor, item.message_id, keyring)
    await late.settle(message, [item])
    return Resolution(item=entry, results=tally_of([item]))


async def _lock_open(session: AsyncSession, actor: Actor, target: Target) -> InboxItem:
    item = await lock(session, InboxItem, actor.study_id, target.item_id, None)
    if item.status is not InboxStatus.OPEN:
        raise conflict(
            "already_resolved",
            "This item is resolved; read it to see what became of it.",
            (Reason(item.status.value, f"The item ended as {item.status.value}."),),
        )
    return await lock(session, InboxItem, actor.study_id, target.item_id, target.version)


class _Work:
    """One item on its way out, by a person who waits for the answer."""

    def __init__(
        self,
        session: AsyncSession,
        caller: CallingSender,
        reading: Reading,
        item: InboxItem,
        now: datetime,
    ) -> None:
        self._session = session
        self._caller = caller
        self._reading = reading
        self._item = item
        self._now = now

    async def do(self, step: Step) -> Resolution:
        """Learn what the step tells, then read again what waited for it."""
        number = None
        if isinstance(step, Assign):
            others = await self._assign(step)
        elif isinstance(step, Settle):
            others = self._settle(step)
        else:
            others = self._alike(step)
            message, sent = await self._sent()
            number = await add_mapping(self._session, self._caller, step, sent, message)
            self._caller = await sender_again(
                self._session, self._caller.actor, self._caller.sender_id
            )
        work = Reprocessing(self._session, self._caller, self._reading, step.action, self._now)
        beside = [] if step.action == "separate" else await self._beside()
        results = await work.file_again([self._item, *beside])
        if self._item.kind is InboxKind.RESULT:
            results = tally_of([self._item])
        freed, remaining = await self._free(work, others)
        (entry,) = await with_origins(self._session, self._caller.actor, [self._item])
        return Resolution(
            item=entry,
            results=results,
            others=tally_of(beside) + freed,
            remaining=remaining,
            profile_number=number,
        )

    async def _beside(self) -> Sequence[InboxItem]:
        """Find the open results of the same message: what contradicts the item has to be seen."""
        item = self._item
        if item.kind is not InboxKind.RESULT:
            return []
        query = select(InboxItem).where(
            InboxItem.study_id == item.study_id,
            InboxItem.message_id == item.message_id,
            InboxItem.kind == InboxKind.RESULT,
            InboxItem.status == InboxStatus.OPEN,
            InboxItem.id != item.id,
        )
        query = query.order_by(InboxItem.id).with_for_update(key_share=True)
        return (await self._session.scalars(query)).all()

    async def _sent(self) -> tuple[OpenedMessage, SentResult]:
        """Find the item's result in its message; raise conflict when it is not there any more."""
        actor, keyring = self._caller.actor, self._reading.keyring
        message = await open_message(self._session, actor, self._item.message_id, keyring)
        delivery = self._reading.reread(message, self._caller.profile)
        sent = result_at(self._item, message, delivery)
        if sent is None:
            raise conflict(
                InboxReason.REREAD_DIFFERS.value,
                "As its sender is read now, the message holds another result here; mend the"
                " profile or reject the item.",
            )
        return message, sent

    async def _assign(self, step: Assign) -> ColumnElement[bool] | None:
        """Note whose the result is; others by the same identifiers are the subject's, too."""
        _, sent = await self._sent()
        keyring = self._reading.keyring
        tokens = await assign_subject(self._session, self._caller, self._item, step, sent, keyring)
        await self._session.flush()
        if not tokens:
            return None
        return InboxItem.tokens.bool_op("&&")(tokens) & _waits_only_for(*_OF_NOBODY)

    def _settle(self, step: Settle) -> ColumnElement[bool] | None:
        """Prepare another try: of all that wait alike, or of this item as a person decided."""
        if step.action == "retry":
            return _waits_for(*map(InboxReason, self._item.reasons))
        if step.action == ACCEPT_SENDER:
            if InboxReason.UNEXPECTED_SENDER.value not in self._item.reasons:
                raise conflict(
                    "sender_expected", "This waits for something else than who sent it; retry it."
                )
            return None
        if InboxReason.SPECIMEN_REUSED.value not in self._item.reasons:
            raise conflict(
                "not_reused",
                "Only a result whose accession number was used before can be of another specimen.",
            )
        profile = replace(self._caller.profile, specimen_by=SpecimenBy.ACCESSION_AND_COLLECTION)
        self._caller = replace(self._caller, profile=profile)
        return None

    def _alike(self, step: ProfileStep) -> ColumnElement[bool]:
        """Select what waits for the same mapping."""
        item = self._item
        reason, _ = ANSWERS[type(step)]
        condition = _waits_only_for(reason)
        if isinstance(step, MapCode):
            condition &= InboxItem.code.is_not_distinct_from(item.code)
            condition &= InboxItem.code_system.is_not_distinct_from(item.code_system)
        if isinstance(step, MapUnit):
            condition &= InboxItem.analyte.is_not_distinct_from(item.analyte)
            condition &= InboxItem.unit.is_not_distinct_from(item.unit)
        return condition

    async def _free(
        self, work: Reprocessing, others: ColumnElement[bool] | None
    ) -> tuple[Tally, int]:
        """Read again the oldest of the sender's open items of a kind; count those that are left."""
        if others is None:
            return NOTHING, 0
        item = self._item
        conditions = (
            InboxItem.study_id == item.study_id,
            InboxItem.sender_id == item.sender_id,
            InboxItem.kind == item.kind,
            InboxItem.status == InboxStatus.OPEN,
            InboxItem.message_id != item.message_id,
            others,
        )
        query = select(InboxItem).where(*conditions).order_by(InboxItem.id).limit(MOST_OTHERS)
        found = (await self._session.scalars(query.with_for_update(key_share=True))).all()
        remaining = 0
        if len(found) == MOST_OTHERS:
            count = select(func.count()).select_from(InboxItem).where(*conditions)
            remaining = (await self._session.scalar(count) or 0) - MOST_OTHERS
        freed = NOTHING
        for together in _by_message(found):
            freed += await work.file_again(together)
        return freed, remaining


def _waits_for(*reasons: InboxReason) -> ColumnElement[bool]:
    """Select the items that wait for any of these reasons."""
    return InboxItem.reasons.bool_op("&&")([reason.value for reason in reasons])


def _waits_only_for(*reasons: InboxReason) -> ColumnElement[bool]:
    """Select the items that wait for nothing but these reasons."""
    return InboxItem.reasons.bool_op("<@")([reason.value for reason in reasons])


def _by_message(items: Sequence[InboxItem]) -> list[list[InboxItem]]:
    """Group items by their message, so that each is opened and read once."""
    ordered = sorted(items, key=lambda item: item.message_id)
    return [list(group) for _, group in groupby(ordered, key=lambda item: item.message_id)]
