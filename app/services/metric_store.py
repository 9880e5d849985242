"""The subjects of a study as the metrics count them, drawn anew only where something changed.

What was drawn is kept in the process: losing it costs time and no truth. It rests on all facts of
a subject, the protocol version and the study day; when one of these is another, it is drawn anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import awake
from app.core.serialization import digest
from app.domain.metric_subject import MetricSubject, with_replacements
from app.domain.protocol import ProtocolDefinition
from app.models import Subject
from app.services.access import Actor
from app.services.evidence import Scope, load_subjects
from app.services.history import When
from app.services.metric_changes import changed_subjects, oldest_running
from app.services.metric_subjects import draw_subjects
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.site_wall import across_sites

Made = TypeVar("Made")

# Ten studies like ours, with some 400 kilobytes for a subject with a thousand results.
MOST_SUBJECTS = 240
# Also a moment at which a study had nobody takes some space.
MOST_MOMENTS = 60
AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricStudy:
    """One study as the metrics count it: its subjects of all sites, the oldest first.

    `answers` holds what was made of just these subjects already, for whoever asks the same again.
    """

    protocol: ActiveProtocol
    at: datetime
    past: datetime | None
    subjects: tuple[MetricSubject, ...]
    answers: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """Make what rests on the subjects, the protocol version and the study day alone, once."""
        if name not in self.answers:
            self.answers[name] = make()
        made: Made = self.answers[name]
        return made

    @property
    def rules(self) -> ProtocolDefinition:
        """Give the protocol in force."""
        return self.protocol.rules

    @property
    def today(self) -> date:
        """Give the study day that the conclusions are drawn on."""
        return self.protocol.local_day(self.at)

    @property
    def levels(self) -> tuple[str, ...]:
        """Name the dose levels, lowest first."""
        return tuple(level.name for level in self.rules.dosing.levels)

    def basis(self) -> dict[str, Any]:
        """Say what every number rests on; the digest is of the facts of each subject."""
        return {
            "study_day": self.today,
            "as_of": self.past,
            "evidence_digest": digest(
                [(subject.subject_id, subject.digest) for subject in self.subjects]
            ),
            "protocol_version": self.protocol.number,
            "protocol_digest": self.protocol.digest,
        }


@dataclass(frozen=True, slots=True)
class _Held:
    """The subjects drawn for one study day under one protocol version, as of a snapshot.

    Whatever the snapshot did not show was written by a transaction numbered `since` or higher.
    """

    protocol_id: UUID
    today: date
    since: int
    subjects: Mapping[UUID, MetricSubject]
    answers: dict[str, Any] = field(default_factory=dict)


_Key = tuple[UUID, datetime | None]
"""A study, and as of when it is known: None is now."""


class MetricStore:
    """Keeps what was drawn, of the studies and past moments asked for last."""

    def __init__(self, most_subjects: int = MOST_SUBJECTS) -> None:
        self._held: OrderedDict[_Key, _Held] = OrderedDict()
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._most_subjects = most_subjects

    @asynccontextmanager
    async def drawing(self, session: AsyncSession, study_id: UUID) -> AsyncIterator[None]:
        """Draw a study alone: who comes second waits, and finds it drawn."""
        lock = self._locks.setdefault(study_id, asyncio.Lock())
        turn = asyncio.ensure_future(lock.acquire())
        try:
            await awake(session, turn)
            yield
        finally:
            if turn.done() and not turn.cancelled():
                lock.release()

    def held(self, key: _Key, protocol_id: UUID, today: date) -> _Held | None:
        """Return what was drawn of a study under a protocol version for a day."""
        held = self._held.get(key)
        if held is None or (held.protocol_id, held.today) != (protocol_id, today):
            return None
        self._held.move_to_end(key)
        return held

    def keep(self, key: _Key, held: _Held) -> None:
        """Keep what was drawn of a study; those asked for least lately make room."""
        self._held[key] = held
        self._held.move_to_end(key)
        while self._is_full() and len(self._held) > 1:
            self._held.popitem(last=False)

    def _is_full(self) -> bool:
        subjects = sum(len(each.subjects) for each in self._held.values())
        return subjects > self._most_subjects or len(self._held) > MOST_MOMENTS


async def read_metric_study(
    session: AsyncSession, store: MetricStore, actor: Actor, moment: When
) -> MetricStudy:
    """Read a study as the metrics count it, now or at a past moment.

    A thread derives, while others are served.
    """
    protocol = await active_protocol(session, actor.study_id, moment.at, moment.past)
    async with across_sites(session), store.drawing(session, actor.study_id):
        held = await _draw_changed(session, store, actor, protocol, moment)
    return MetricStudy(
        protocol=protocol,
        at=moment.at,
        past=moment.past,
        subjects=with_replacements(held.subjects[key] for key in sorted(held.subjects)),
        answers=held.answers,
    )


async def _draw_changed(
    session: AsyncSession,
    store: MetricStore,
    actor: Actor,
    protocol: ActiveProtocol,
    moment: When,
) -> _Held:
    """Draw those who changed since they were drawn, of the past everybody, and keep all."""
    key, today = (actor.study_id, moment.past), protocol.local_day(moment.at)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), moment.past)
    # Before anything is read: what commits while it is read is looked at again the next time.
    since = await oldest_running(session)
    held = store.held(key, protocol.id, today)
    changed = None if held is None else await changed_subjects(session, actor.study_id, held.since)
    if held is not None and changed == frozenset():
        held = replace(held, since=since)
    elif held is not None and changed is not None and moment.past is None:
        some = replace(scope, subject_ids=changed)
        drawn = await _draw(session, some, protocol, moment.at)
        held = _Held(protocol.id, today, since, {**held.subjects, **drawn})
    else:
        drawn = await _draw(session, scope, protocol, moment.at)
        held = _Held(protocol.id, today, since, drawn)
    store.keep(key, held)
    return held


async def _draw(
    session: AsyncSession, scope: Scope, protocol: ActiveProtocol, at: datetime
) -> dict[UUID, MetricSubject]:
    """Draw the scope's subjects; the present a few at a time, so that others are served meanwhile.

    The past is drawn at once, because each table is put together from all its changes.
    """
    if scope.past is not None:
        return await _draw_some(session, scope, protocol, at)
    wanted = scope.subject_ids
    if wanted is None:
        query = select(Subject.id).where(Subject.study_id == scope.study_id)
        wanted = frozenset(await session.scalars(query))
    ids = sorted(wanted)
    drawn: dict[UUID, MetricSubject] = {}
    for place in range(0, len(ids), AT_ONCE):
        some = replace(scope, subject_ids=frozenset(ids[place : place + AT_ONCE]))
        drawn |= await _draw_some(session, some, protocol, at)
    return drawn


async def _draw_some(
    session: AsyncSession, scope: Scope, protocol: ActiveProtocol, at: datetime
) -> dict[UUID, MetricSubject]:
    found = await load_subjects(session, scope)
    drawn = await awake(session, asyncio.to_thread(draw_subjects, found, protocol, at))
    return {evidence.subject_id: each for evidence, each in zip(found, drawn, strict=True)}
