"""What operators watch of the studies they name: the inbox, and the clocks of safety reports.

It is read for nobody in particular and gives counts and ages only. Clocks are a conclusion from
all serious events of a study, so they are read once a minute at most, however often somebody
looks, and given up when that takes long.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Clock
from app.core.database import Database
from app.core.logging import log
from app.core.telemetry import (
    CLOCKS_DUE_SOON,
    CLOCKS_OVERDUE,
    INBOX_OLDEST,
    INBOX_OPEN,
    STUDY_READ_SECONDS,
)
from app.domain.inbound import InboxStatus
from app.domain.reports_sent import overdue_from
from app.domain.safety_reporting import ReportStatus
from app.models import InboundMessage, InboxItem, Study
from app.services.evidence import Scope
from app.services.protocols import active_protocol
from app.services.report_clocks import report_courses
from app.services.safety_reports import events_with_clocks
from app.services.walls import enter_by_study

# As old as what is shown may be, and as long as reading one study may take.
KEPT_SECONDS, LIMIT_SECONDS = 60, 2
# Studies that are read at a time, so that requests find a connection; and how long all may take,
# which with the rest is less than the 10 s that Prometheus waits.
STUDIES_AT_ONCE, ALL_SECONDS = 4, 3
SOON = timedelta(hours=24)
# Events that are followed at a time; in between, requests get their turn.
_AT_ONCE = 100
_GAUGES = (INBOX_OPEN, INBOX_OLDEST, CLOCKS_OVERDUE, CLOCKS_DUE_SOON, STUDY_READ_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStudy:
    """How much waits in a study, and for how long in seconds."""

    inbox_open: float = math.nan
    inbox_oldest: float = math.nan
    clocks_overdue: float = math.nan
    clocks_due_soon: float = math.nan


class StudyWatch:
    """The gauges of some studies, brought up to date by whoever looks at them."""

    def __init__(self, database: Database, keys: Sequence[str], clock: Clock) -> None:
        self._database, self._keys, self._clock = database, keys, clock
        self._reading = asyncio.Lock()
        self._read_at: datetime | None = None

    async def refresh(self) -> None:
        """Read every study anew unless that was done a moment ago; raises for none.

        A study that does not answer is not a number; one that is not here has no series.
        """
        async with self._reading:
            now = self._clock()
            read = self._read_at
            if read is not None and 0 <= (now - read).total_seconds() < KEPT_SECONDS:
                return
            turns = asyncio.Semaphore(STUDIES_AT_ONCE)
            end = asyncio.get_running_loop().time() + ALL_SECONDS
            async with asyncio.TaskGroup() as group:
                for key in self._keys:
                    group.create_task(self._refresh(key, now, turns, end))
            self._read_at = now

    async def _refresh(self, key: str, now: datetime, turns: asyncio.Semaphore, end: float) -> None:
        """Read one study when it is its turn, before an end by the loop's clock."""
        started, found = perf_counter(), WatchedStudy()
        try:
            async with asyncio.timeout_at(end), turns:
                started = perf_counter()
                async with asyncio.timeout(LIMIT_SECONDS), self._database.session() as session:
                    study = await _enter(session, key)
                    if study is None:
                        _remove(key)
                        return
                    found = await read_watched(session, study, now)
        except Exception as error:  # noqa: BLE001 - the other metrics are to be seen all the same
            log.warning("study_not_read", study=key, error=type(error).__name__)
        INBOX_OPEN.labels(key).set(found.inbox_open)
        INBOX_OLDEST.labels(key).set(found.inbox_oldest)
        CLOCKS_OVERDUE.labels(key).set(found.clocks_overdue)
        CLOCKS_DUE_SOON.labels(key).set(found.clocks_due_soon)
        STUDY_READ_SECONDS.labels(key).set(perf_counter() - started)


def _remove(key: str) -> None:
    for gauge in _GAUGES:
        with suppress(KeyError):
            gauge.remove(key)


async def _enter(session: AsyncSession, key: str) -> Study | None:
    await enter_by_study(session, key)
    return await session.scalar(select(Study).where(Study.key == key))


async def read_watched(session: AsyncSession, study: Study, now: datetime) -> WatchedStudy:
    """Count what waits in a study that was entered."""
    waiting, oldest = await _inbox(session, study, now)
    overdue, soon = await _clocks(session, study, now)
    return WatchedStudy(
        inbox_open=waiting, inbox_oldest=oldest, clocks_overdue=overdue, clocks_due_soon=soon
    )


async def _inbox(session: AsyncSession, study: Study, now: datetime) -> tuple[int, float]:
    """Count the open items; give the age in seconds of the message whose item is the first."""
    is_open = (InboxItem.study_id == study.study_id, InboxItem.status == InboxStatus.OPEN)
    waiting = await session.scalar(select(func.count()).select_from(InboxItem).where(*is_open))
    received = await session.scalar(
        select(InboundMessage.received_at)
        .join(
            InboxItem,
            (InboxItem.study_id == InboundMessage.study_id)
            & (InboxItem.message_id == InboundMessage.id),
        )
        .where(*is_open)
        .order_by(InboxItem.id)
        .limit(1)
    )
    age = max((now - received).total_seconds(), 0.0) if received else 0.0
    return waiting or 0, age


async def _clocks(session: AsyncSession, study: Study, now: datetime) -> tuple[int, int]:
    """Count the reports that are overdue, and those that fall due within SOON."""
    protocol = await active_protocol(session, study.study_id, now)
    scope = Scope(study.study_id, ZoneInfo(study.time_zone))
    events = await events_with_clocks(session, scope)
    overdue = soon = 0
    for first in range(0, len(events), _AT_ONCE):
        some = events[first : first + _AT_ONCE]
        courses = await report_courses(session, scope, some, protocol.rules, now)
        clocks = [clock for course in courses.values() for clock in course.clocks]
        overdue += sum(clock.status is ReportStatus.OVERDUE for clock in clocks)
        soon += sum(
            clock.status is ReportStatus.OPEN and overdue_from(clock.due, scope.zone) - now <= SOON
            for clock in clocks
        )
    return overdue, soon
