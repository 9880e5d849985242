"""How far the sealer is, and whether one lives: the one row that it keeps of itself."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from datetime import datetime

from sqlalchemy import DateTime, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import DATABASE_FAILURES, Database
from app.core.logging import log
from app.core.telemetry import SEAL_LAG_READING
from app.models import SealState

# Beyond this somebody has to look.
LAG_SECONDS = 60
# So long whoever watches waits for the database.
LIMIT_SECONDS = 2
# An idle sealer says so less often than it looks, to spare the disk.
_SAID_SECONDS, _ALIVE_SECONDS = 3, 10
_ALIVE = text(
    "SELECT alive_at > clock_timestamp() - make_interval(secs => :seconds) FROM seal_state"
).bindparams(seconds=_ALIVE_SECONDS)
_NOW = select(func.clock_timestamp(type_=DateTime(timezone=True)))


async def hold_state(session: AsyncSession) -> SealState:
    """Return the state and keep everybody else from sealing until the transaction ends."""
    held = await session.scalars(
        select(SealState).with_for_update().execution_options(populate_existing=True)
    )
    return held.one()


async def database_time(session: AsyncSession) -> datetime:
    """Return the database's clock, by which the trail is timed."""
    now: datetime = (await session.scalars(_NOW)).one()
    return now


def say_alive(state: SealState, now: datetime) -> None:
    """Note that a sealer works, unless it was noted a moment ago."""
    said = state.alive_at
    if said is None or not 0 <= (now - said).total_seconds() < _SAID_SECONDS:
        state.alive_at = now


async def has_sealer(session: AsyncSession) -> bool:
    """Tell whether a sealer works on this database."""
    return bool(await session.scalar(_ALIVE))


async def seal_lag(session: AsyncSession) -> float:
    """Return the age in seconds of the oldest operation without a seal, 0 without such."""
    return float(await session.scalar(select(func.seal_lag())) or 0)


async def look_at_lag(session: AsyncSession) -> None:
    """Raise the alarm when an operation waits too long: an open transaction holds all behind it."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            lag = await seal_lag(session)
    except BaseException:
        SEAL_LAG_READING.set(math.nan)
        raise
    SEAL_LAG_READING.set(lag)
    if lag > LAG_SECONDS:
        log.error("seal_lags", seconds=round(lag), limit=LAG_SECONDS)


async def observe_lag(database: Database) -> None:
    """Bring the metric up to date; it is not a number while the database does not answer."""
    lag = math.nan
    try:
        with suppress(*DATABASE_FAILURES):
            async with asyncio.timeout(LIMIT_SECONDS), database.session() as session:
                lag = await seal_lag(session)
    finally:
        SEAL_LAG_READING.set(lag)
