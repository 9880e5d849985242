"""Days of the trial, and rows written past the API, as the services leave them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.domain.vocabulary import Role
from app.services.access import Actor, Wish, authorize
from app.services.audit import begin_operation
from app.services.fixture_subjects import fixture_subject
from app.services.role_matrix import Area, Right
from tests.conftest import STUDY, Api, TestClock


def at(day: date, hour: int = 10) -> datetime:
    """Return a local hour of a study day (Asia/Shanghai, UTC+8)."""
    return datetime.combine(day, time(hour), UTC) - timedelta(hours=8)


def move_to(clock: TestClock, day: date) -> None:
    """Let it be noon of a study day."""
    clock.now = at(day, 12)


def database_of(api: Api) -> Database:
    """Return the database behind the clients."""
    transport = api()._transport
    assert isinstance(transport, httpx.ASGITransport)
    database: Database = transport.app.state.database
    return database


@asynccontextmanager
async def owners_session(api: Api) -> AsyncIterator[AsyncSession]:
    """Open a session on the database behind the clients that no wall keeps from any row."""
    async with database_of(api).session() as session:
        await session.execute(text("SET LOCAL ROLE postgres"))
        yield session


@asynccontextmanager
async def writing(
    api: Api, study: str = STUDY, reason: str | None = None
) -> AsyncIterator[tuple[AsyncSession, Actor]]:
    """Open a session with an operation of the principal investigator, committed at the end.

    To change a row the operation needs a reason.
    """
    identity = (DEVELOPMENT_ISSUER, fixture_subject(Role.PRINCIPAL_INVESTIGATOR))
    wish = Wish(Area.SCREENING, Right.CREATE, "test")
    async with database_of(api).session() as session:
        actor = await authorize(session, identity, study, wish, datetime(2026, 1, 1, tzinfo=UTC))
        await begin_operation(session, actor, "prepare", reason)
        # Rows are made for any moment, which the API's role may not.
        await session.execute(text("SET LOCAL ROLE postgres"))
        yield session, actor
        await session.commit()
