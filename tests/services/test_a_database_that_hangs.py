"""A database that takes connections and answers nothing keeps nobody who watches waiting."""

import asyncio
import math
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.database import Database
from app.core.telemetry import Process, registry_of
from app.domain.vocabulary import Role
from app.services import lab_intake, readiness, seal_state, watched_studies
from app.services.idempotency import Answer
from app.services.lab_admission import Sender, Sending, Stored
from app.services.lab_intake import LabIntake
from app.services.readiness import shortcomings
from app.services.seal_state import look_at_lag, observe_lag
from tests.conftest import STUDY, build_app, clients

SHOWN = registry_of(Process.API)
AWAY = "The database does not answer."
SOCKET = ".s.PGSQL.5432"
# What is bounded to a fifth of a second, and the driver's two seconds for a last word, take.
BOUND_SECONDS = 6


class Line:
    """A socket through which a database is reached until it is frozen, and again once thawed."""

    def __init__(self, target: str) -> None:
        self._target, self._flows = target, asyncio.Event()
        self._tasks: list[asyncio.Task] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._flows.set()

    def freeze(self) -> None:
        """Pass nothing on, and leave every connection open."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on again."""
        self._flows.set()

    async def accept(self, reader, writer) -> None:
        """Join a client with the database."""
        there, back = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, back]
        for pair in ((reader, back), (there, writer)):
            self._tasks.append(asyncio.create_task(self._pass(*pair)))

    async def _pass(self, reader, writer) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def end(self) -> None:
        """Hang up everywhere."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def line(committing_url):
    """A line to a database of its own, with the URL that leads through it."""
    url = make_url(committing_url)
    folder, port = url.query["host"], url.port or url.query.get("port", 5432)
    with TemporaryDirectory(prefix="hangs-") as own:
        line = Line(f"{folder}/.s.PGSQL.{port}")
        server = await asyncio.start_unix_server(line.accept, Path(own) / SOCKET)
        through = url.set(port=None).update_query_dict({"host": own, "port": "5432"})
        yield line, through.render_as_string(hide_password=False)
        line.thaw()
        server.close()
        await line.end()
        await server.wait_closed()


@asynccontextmanager
async def hanging(line, size=1, role="msc_icaht_api"):
    """Give a pool whose connections were good a moment ago."""
    way, url = line
    database = Database(url, pool_size=size, role=role)
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
    way.freeze()
    yield database
    way.thaw()
    await database.close()


@pytest.fixture
def auditor(issuer, clock):
    """Serve a database; give a client of an auditor."""
    built = []

    def serve(database):
        built.append(build_app(database, issuer, clock))
        return clients(built[0], issuer, clock)(Role.AUDITOR)

    yield serve
    built[0].state.renderer.close()


@pytest.fixture
def soon(monkeypatch):
    """Wait for a fifth of a second."""
    for module in (lab_intake, readiness, seal_state, watched_studies):
        monkeypatch.setattr(module, "LIMIT_SECONDS", 0.2)


def lag() -> float | None:
    """Return what the metrics say of the lag."""
    return SHOWN.get_sample_value("msc_icaht_seal_lag_seconds")


async def test_the_service_is_not_ready_and_ready_again(line, soon, monkeypatch):
    """A sentence within the bound; the connection that hung is given up, not kept."""
    async with hanging(line) as database:
        started = monotonic()
        assert await shortcomings(database, in_production=False) == [
            "The database does not answer."
        ]
        assert monotonic() - started < BOUND_SECONDS
        line[0].thaw()
        monkeypatch.setattr(readiness, "LIMIT_SECONDS", 30)
        assert await shortcomings(database, in_production=False) == []


async def test_the_probe_says_so_over_http(line, soon, auditor):
    """Load balancers get 503 with the sentence; whether the process lives is another matter."""
    async with hanging(line) as database:
        client = auditor(database)
        answer = await client.get("http://test/readyz")
        assert (answer.status_code, answer.json()) == (
            503,
            {"status": "not_ready", "reasons": [AWAY]},
        )
        assert (await client.get("http://test/livez")).status_code == 200


async def test_the_metrics_are_shown_without_what_cannot_be_read(line, soon, auditor):
    """The requests are counted, the lag and the studies are not a number, never what they were."""
    async with hanging(line, size=2) as database:
        line[0].thaw()
        client = auditor(database)
        await observe_lag(database)
        assert lag() >= 0
        line[0].freeze()
        started = monotonic()
        answer = await client.get("http://test/metrics")
        assert monotonic() - started < 2 * BOUND_SECONDS
        assert answer.status_code == 200
        shown = dict(each.rsplit(" ", 1) for each in answer.text.splitlines() if each[0] != "#")
        assert math.isnan(float(shown["msc_icaht_seal_lag_seconds"]))
        assert math.isnan(float(shown[f'msc_icaht_inbox_open_items{{study="{STUDY}"}}']))
        assert any(name.startswith("msc_icaht_requests_total") for name in shown)


async def test_the_sealer_shows_no_lag_that_it_could_not_read(line, soon):
    """It gives the look up, and what it had seen before is gone."""
    async with hanging(line) as database:
        line[0].thaw()
        await observe_lag(database)
        assert lag() >= 0
        line[0].freeze()
        with pytest.raises(TimeoutError):
            async with database.session() as session:
                await look_at_lag(session)
        assert math.isnan(lag())


async def test_results_that_arrive_together_do_not_wait_for_ever(line, soon, clock):
    """The short way gives a sending up and takes the next; the plain way answers for both."""
    sending = Sending(
        sender=Sender("issuer", "nobody", STUDY),
        request_id="request",
        command="record_labs",
        entries=[],
        shows_result=False,
        key=None,
        answer=_unanswered,
        now=clock(),
    )
    async with hanging(line) as database:
        line[0].thaw()
        intake = LabIntake(database)
        assert await intake.take(sending) is None
        line[0].freeze()
        started = monotonic()
        assert await intake.take(sending) is None
        assert monotonic() - started < BOUND_SECONDS
        line[0].thaw()
        assert await intake.take(sending) is None


def _unanswered(stored: Stored) -> Answer:
    raise AssertionError("nobody may send")


async def test_no_study_keeps_whoever_looks(line, soon, clock):
    """Several studies that hang are given up together, not one after the other."""
    keys = [f"NCT{number:08}" for number in range(8)]
    async with hanging(line, size=8) as database:
        started = monotonic()
        await watched_studies.StudyWatch(database, keys, clock).refresh()
        assert monotonic() - started < 2 * BOUND_SECONDS
    for key in keys:
        labels = {"study": key}
        assert math.isnan(SHOWN.get_sample_value("msc_icaht_inbox_open_items", labels))
        watched_studies._remove(key)
