"""Does what came in equal what became of it: per sender and day, counted from the records.

Nothing here trusts the counts that a message was stored with: filed results are counted where they
are filed, what waits in the inbox where it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Date, Select, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import invalid
from app.domain.inbound import InboxStatus
from app.models import InboundMessage, InboxItem, LabResult, Sender
from app.services.access import Actor
from app.services.history import as_of
from app.services.inbox import sender_named

LONGEST_PERIOD_DAYS = 366
USUAL_PERIOD = timedelta(days=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which days of receipt, both included, and which sender's (a code); None is everybody's."""

    first: date
    last: date
    sender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What came and what became of it; `dead_letters` are messages that were never acceptable.

    `inbox` still waits; `refused` was never acceptable or was rejected by a person.
    """

    messages: int = 0
    received: int = 0
    filed: int = 0
    duplicates: int = 0
    inbox: int = 0
    refused: int = 0
    dead_letters: int = 0
    unbalanced: tuple[UUID, ...] = ()

    @property
    def balanced(self) -> bool:
        """Tell whether every result of every message is accounted for."""
        return not self.unbalanced


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBalance(Balance):
    """The balance of one sender (None: uploads by people) on one day of the study's calendar."""

    sender: str | None
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The balance of a period, by sender and day; what waits is counted whenever it came."""

    period: Period
    days: Sequence[DayBalance]
    total: Balance
    open_items: int
    oldest_open_at: datetime | None
    oldest_open_seconds: int | None


def period_of(
    actor: Actor, first: date | None, last: date | None, sender: str | None, now: datetime
) -> Period:
    """Return the days that are asked for, by default the last seven; raise invalid for too many."""
    last = last or now.astimezone(ZoneInfo(actor.time_zone)).date()
    first = first or last - USUAL_PERIOD
    if first > last:
        raise invalid("empty_period", "The period ends before it begins.", "/query/to")
    if (last - first).days >= LONGEST_PERIOD_DAYS:
        raise invalid(
            "period_too_long",
            f"Ask for at most {LONGEST_PERIOD_DAYS} days at once.",
            "/query/from",
        )
    return Period(first=first, last=last, sender=sender)


async def reconcile(
    session: AsyncSession, actor: Actor, period: Period, past: datetime | None, now: datetime
) -> Reconciliation:
    """Balance all messages that came in the period, now or as the records were at `past`."""
    sender_id = await sender_named(session, actor, period.sender) if period.sender else None
    chosen = _chosen(actor, period, sender_id, past)
    codes = select(Sender.id, Sender.code).where(Sender.study_id == actor.study_id)
    names = {row.id: row.code for row in await session.execute(codes)}
    days = [
        DayBalance(
            sender=names.get(row.sender_id),
            day=row.day,
            unbalanced=tuple(row.unbalanced or ()),
            **{name: getattr(row, name) for name in _SUMS},
        )
        for row in await session.execute(_by_day(actor, chosen, past))
    ]
    waiting = await _waiting(session, actor, sender_id, past)
    return Reconciliation(
        period=period,
        days=sorted(days, key=lambda each: (each.day, each.sender or "")),
        total=_total(days),
        open_items=waiting.items,
        oldest_open_at=waiting.oldest,
        oldest_open_seconds=_age(waiting.oldest, past or now),
    )


_SUMS = ("messages", "received", "filed", "duplicates", "inbox", "refused", "dead_letters")


def _chosen(actor: Actor, period: Period, sender_id: UUID | None, past: datetime | None) -> Any:
    """Select the messages of the period, each with its day."""
    zone = ZoneInfo(actor.time_zone)
    entity = as_of(InboundMessage, actor.study_id, past)
    query = select(
        entity.id,
        entity.sender_id,
        entity.results,
        entity.duplicates,
        entity.refused,
        entity.refusal,
        cast(func.timezone(actor.time_zone, entity.received_at), Date).label("day"),
    ).where(
        entity.study_id == actor.study_id,
        entity.received_at >= datetime.combine(period.first, time.min, zone),
        entity.received_at < datetime.combine(period.last + timedelta(days=1), time.min, zone),
    )
    if sender_id is not None:
        query = query.where(entity.sender_id == sender_id)
    return query.cte("chosen")


def _by_day(actor: Actor, chosen: Any, past: datetime | None) -> Select[Any]:
    """Sum up what became of the chosen messages' results, by sender and day."""
    each = _by_message(actor, chosen, past)
    accounted = each.c.filed + each.c.duplicates + each.c.inbox + each.c.refused
    return select(
        each.c.sender_id,
        each.c.day,
        func.count().label("messages"),
        func.sum(each.c.received).label("received"),
        func.sum(each.c.filed).label("filed"),
        func.sum(each.c.duplicates).label("duplicates"),
        func.sum(each.c.inbox).label("inbox"),
        func.sum(each.c.refused).label("refused"),
        func.count(each.c.refusal).label("dead_letters"),
        func.array_agg(aggregate_order_by(each.c.id, each.c.id))
        .filter(each.c.received != accounted)
        .label("unbalanced"),
    ).group_by(each.c.sender_id, each.c.day)


def _by_message(actor: Actor, chosen: Any, past: datetime | None) -> Any:
    """Count for each chosen message what became of its results, where it came to be."""
    lab = as_of(LabResult, actor.study_id, past)
    filed = (
        select(lab.message_id, func.count().label("results"))
        .where(lab.study_id == actor.study_id, lab.message_id.in_(select(chosen.c.id)))
        .group_by(lab.message_id)
        .subquery("filed")
    )
    item = as_of(InboxItem, actor.study_id, past)
    ends = (
        select(
            item.message_id,
            *(
                func.sum(item.results).filter(item.status == status).label(status.value)
                for status in (InboxStatus.OPEN, InboxStatus.DUPLICATE, InboxStatus.REJECTED)
            ),
        )
        .where(item.study_id == actor.study_id, item.message_id.in_(select(chosen.c.id)))
        .group_by(item.message_id)
        .subquery("ends")
    )
    return (
        select(
            chosen.c.id,
            chosen.c.sender_id,
            chosen.c.day,
            chosen.c.refusal,
            chosen.c.results.label("received"),
            func.coalesce(filed.c.results, 0).label("filed"),
            (chosen.c.duplicates + func.coalesce(ends.c.duplicate, 0)).label("duplicates"),
            func.coalesce(ends.c.open, 0).label("inbox"),
            (chosen.c.refused + func.coalesce(ends.c.rejected, 0)).label("refused"),
        )
        .outerjoin(filed, filed.c.message_id == chosen.c.id)
        .outerjoin(ends, ends.c.message_id == chosen.c.id)
        .subquery("each")
    )


async def _waiting(
    session: AsyncSession, actor: Actor, sender_id: UUID | None, past: datetime | None
) -> Any:
    """Count all open items, whenever they came, and find when the oldest one's message did."""
    item = as_of(InboxItem, actor.study_id, past)
    query = (
        select(func.count().label("items"), func.min(InboundMessage.received_at).label("oldest"))
        .select_from(item)
        .join(
            InboundMessage,
            (InboundMessage.study_id == item.study_id) & (InboundMessage.id == item.message_id),
        )
        .where(item.study_id == actor.study_id, item.status == InboxStatus.OPEN)
    )
    if sender_id is not None:
        query = query.where(item.sender_id == sender_id)
    return (await session.execute(query)).one()


def _total(days: Sequence[Balance]) -> Balance:
    unbalanced = tuple(id_ for each in days for id_ in each.unbalanced)
    sums = {name: sum(getattr(each, name) for each in days) for name in _SUMS}
    return Balance(**sums, unbalanced=unbalanced)


def _age(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else max(0, int((now - since).total_seconds()))
