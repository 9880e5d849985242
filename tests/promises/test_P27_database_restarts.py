"""P27: PostgreSQL may restart: 503 while it is down, a good answer soon after, the API stays.

The API is a process that is never touched; PostgreSQL is once stopped in order and once killed.
"""

import asyncio
import os
import signal
import time

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.database import async_url
from tests.promises.chaos import STUDY, Stage, stage, token

RECOVERS_SECONDS = 5
CLIENTS = 4


@pytest.fixture(scope="module")
def running():
    """The three processes, with which the tests of this file go on one after the other."""
    with stage() as made:
        yield made


@pytest.fixture
async def client(running):
    """A client of the API as the principal investigator."""
    headers = {"Authorization": f"Bearer {token(running, 'principal_investigator')}"}
    async with httpx.AsyncClient(base_url=running.http, headers=headers, timeout=20) as client:
        yield client


def bring_down(stage: Stage, number: signal.Signals) -> None:
    """End PostgreSQL with a signal and wait until it is gone."""
    process = stage.postgres._process
    assert process is not None
    os.kill(process.pid, number)
    process.wait(30)
    stage.postgres.kill()


async def read(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Ask for records, several times at once."""
    path = f"/api/v1/studies/{STUDY}/subjects"
    return await asyncio.gather(*(client.get(path) for _ in range(CLIENTS)))


async def statuses(client: httpx.AsyncClient, *paths: str) -> list[int]:
    """Return the status of each path."""
    return [(await client.get(path)).status_code for path in paths]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_the_api_outlives_its_database(running, client, number):
    """Down: 503 with Retry-After, not ready but alive. Up: the same process answers within 5 s."""
    api = running.api._process
    assert {answer.status_code for answer in await read(client)} == {200}
    await asyncio.to_thread(bring_down, running, number)
    for answer in await read(client):
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "database_unavailable"
    assert await statuses(client, "/readyz", "/livez") == [503, 200]
    await asyncio.to_thread(running.postgres.start)
    deadline = time.monotonic() + RECOVERS_SECONDS
    while any(answer.status_code != 200 for answer in await read(client)):
        assert time.monotonic() < deadline, "no good answer"
    assert await statuses(client, "/readyz", "/livez") == [200, 200]
    assert (running.api._process, api.poll()) == (api, None)


@pytest.mark.parametrize("pre_ping", [True, False])
async def test_control_a_pool_that_does_not_ask_first_fails(running, pre_ping):
    """Control: without the question before each use, connections of before the restart fail."""
    engine = create_async_engine(async_url(running.url), pool_size=2, pool_pre_ping=pre_ping)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        await asyncio.to_thread(bring_down, running, signal.SIGINT)
        await asyncio.to_thread(running.postgres.start)
        async with asyncio.timeout(20):
            if pre_ping:
                async with engine.connect() as connection:
                    assert await connection.scalar(text("SELECT 1")) == 1
            else:
                with pytest.raises(DBAPIError) as failure:
                    async with engine.connect() as connection:
                        await connection.execute(text("SELECT 1"))
                assert failure.value.connection_invalidated
    finally:
        await engine.dispose()
