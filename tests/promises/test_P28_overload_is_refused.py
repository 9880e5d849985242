"""P28: overload is refused, not queued without bound: bodies, connections, senders and memory."""

import asyncio
import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from app.core import database as pools
from app.core.database import Database
from app.domain.vocabulary import Role
from app.server import MAX_CONNECTIONS
from tests.conftest import STUDY, build_app, clients
from tests.factories.doors import knock
from tests.factories.senders import bearer, create_key, create_sender, sending
from tests.factories.subjects import register
from tests.promises.chaos import Process, stage, token

MEGABYTE = 1_000_000
SENT = 64 * MEGABYTE
# What reading a body of SENT would take at the least, and what refusing it may take at the most.
CEILING = 32 * MEGABYTE


def pieces(size: int):
    """Yield a JSON body of a size in pieces, so that its length is not announced."""

    async def generate():
        yield b'{"car_t_product": "'
        for _ in range(size // 65_536):
            yield b"x" * 65_536
        yield b'"}'

    return generate()


@pytest.mark.parametrize(
    ("path", "kind", "limit"),
    [("/subjects", "application/json", MEGABYTE), ("/labs", "application/json", 10 * MEGABYTE)],
)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_the_limit_is_refused(api, path, kind, limit, announced):
    """413, whether the length is announced or the body comes in pieces without an end."""
    content = b" " * (limit + 1) if announced else pieces(limit + 65_536)
    headers = {"Content-Type": kind}
    answer = await api(Role.STUDY_COORDINATOR).post(path, content=content, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


@contextmanager
def serving(**settings: str):
    """Run the service on a database of its own; give the stage once it answers."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in settings.items():
            patched.setenv(name, value)
        with stage(mllp=["sleep", "60"]) as made:
            yield made


@pytest.fixture(scope="module")
def no_listener():
    """Leave the listener of the stage out: nothing here is about it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.promises.chaos._accepts", lambda _port: True)
        yield


@pytest.fixture(scope="module")
def served(no_listener):
    """The service as a process."""
    with serving() as made:
        yield made


def highest_memory(process: Process) -> int:
    """Return the most bytes that a process has ever held in memory."""
    lines = Path(f"/proc/{process._process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def memory_taken(served) -> tuple[int, int]:
    """Send a body of SENT in pieces; return the status and the memory that it took."""
    headers = {"Authorization": f"Bearer {token(served, 'study_coordinator')}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        path = f"{served.http}/api/v1/studies/{STUDY}/subjects"
        json = {"Content-Type": "application/json"}
        await client.post(path, content=b"{}", headers=json)
        before = highest_memory(served.api)
        try:
            status = (await client.post(path, content=pieces(SENT), headers=json)).status_code
        except httpx.WriteError:
            status = 413  # it hung up while more was coming
    return status, highest_memory(served.api) - before


async def test_memory_has_a_ceiling(served):
    """A body of 64 MB without a length is refused before it is in memory."""
    status, taken = await memory_taken(served)
    assert status == 413
    assert taken < CEILING


async def test_control_without_the_limit_memory_grows(no_listener):
    """Control: with a limit that nobody reaches the same body is read into memory."""
    with serving(BODY_LIMIT_BYTES=str(10 * SENT)) as careless:
        status, taken = await memory_taken(careless)
    assert status == 422
    assert taken > CEILING


async def test_too_many_connections_are_refused_at_once(served):
    """Beyond the limit a request gets 503 at once; when they are gone it is answered."""
    address = served.http.removeprefix("http://").split(":")
    with ExitStack() as open_:
        for _ in range(MAX_CONNECTIONS):
            open_.enter_context(socket.create_connection((address[0], int(address[1])), 5))
        await asyncio.sleep(0.2)
        async with httpx.AsyncClient(timeout=5) as client:
            assert (await client.get(f"{served.http}/livez")).status_code == 503
    await asyncio.sleep(0.2)
    async with httpx.AsyncClient(timeout=5) as client:
        assert (await client.get(f"{served.http}/livez")).status_code == 200


@pytest.fixture
async def small(committing_url, issuer, clock):
    """An application with one connection to its database, and its clients."""
    database = Database(committing_url, pool_size=1)
    yield database, clients(build_app(database, issuer, clock), issuer, clock)
    await database.close()


async def test_a_request_without_a_connection_is_refused(small):
    """With every connection taken the wait is short and ends with 503, then all is well again."""
    database, api = small
    async with database.session() as session:
        await session.connection()
        began = time.monotonic()
        answers = await asyncio.gather(*(api().get("/subjects") for _ in range(10)))
        waited = time.monotonic() - began
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)
    assert waited < 3 * pools.POOL_TIMEOUT_SECONDS
    assert (await api().get("/subjects")).status_code == 200


async def test_control_a_patient_pool_keeps_everybody_waiting(
    committing_url, issuer, clock, monkeypatch
):
    """Control: a pool that waits for long holds the request as long as anybody looks."""
    monkeypatch.setattr(pools, "POOL_TIMEOUT_SECONDS", 60)
    database = Database(committing_url, pool_size=1)
    monkeypatch.undo()
    api = clients(build_app(database, issuer, clock), issuer, clock)
    async with database.session() as session:
        await session.connection()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(api().get("/subjects"), 2 * pools.POOL_TIMEOUT_SECONDS)
    await database.close()


async def sent_by(api, code: str, subject: str, rate: int, times: int) -> list[httpx.Response]:
    """Send as a new laboratory system with an allowance a minute."""
    sender = await create_sender(api, code=code, subject=subject, rate_per_minute=rate)
    key = (await create_key(api, sender["id"]))["key"]
    system = sending(api, bearer(key))
    return [await knock(system, "hl7v2") for _ in range(times)]


async def test_a_sender_that_comes_too_often_is_told_when_to_come(api):
    """The fourth message of three a minute is 429 with Retry-After; others are not held up."""
    await register(api)
    answers = await sent_by(api, "LIS-02", "fast", rate=3, times=5)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    (other,) = await sent_by(api, "LIS-03", "calm", rate=3, times=1)
    assert other.status_code == 200


async def test_control_a_generous_rate_refuses_nobody(api):
    """Control: it is the sender's own rate that refuses, nothing else."""
    await register(api)
    answers = await sent_by(api, "LIS-02", "fast", rate=1_000_000, times=5)
    assert {answer.status_code for answer in answers} == {200}
