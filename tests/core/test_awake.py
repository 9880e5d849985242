"""A transaction stays awake while something else is worked on."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import database
from app.core.database import awake


@pytest.mark.parametrize("stays_awake", [True, False])
async def test_long_work_does_not_end_the_transaction(
    committing_database, monkeypatch, stays_awake
):
    """After work of a second it can still be used; the control idles and has lost it."""
    monkeypatch.setattr(database, "AWAKE_SECONDS", 0.1)
    async with committing_database.session() as session:
        await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '500ms'"))
        if stays_awake:
            assert await awake(session, asyncio.sleep(1, "done")) == "done"
            assert await session.scalar(text("SELECT 1")) == 1
        else:
            await asyncio.sleep(1)
            with pytest.raises(DBAPIError):
                await session.scalar(text("SELECT 1"))


async def test_what_the_work_raises_is_raised(session):
    """Nothing is swallowed."""

    async def fail():
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        await awake(session, fail())


async def test_the_work_ends_with_who_waits_for_it(session):
    """Whoever goes away leaves no work behind."""
    work = asyncio.ensure_future(asyncio.sleep(60))
    waiting = asyncio.ensure_future(awake(session, work))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert work.cancelled()
