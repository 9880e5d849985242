"""What /metrics tells of the studies that the operator names, read once a minute at most."""

import asyncio
import math
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from app.core.telemetry import Process, registry_of
from app.domain.vocabulary import Role
from app.services import watched_studies
from app.services.watched_studies import StudyWatch
from tests.conftest import STUDY
from tests.factories.messages import laboratory, local, of, send
from tests.factories.subjects import created, register
from tests.routers.test_safety_reports import SUSAR

SHOWN = registry_of(Process.API)
INBOX, OLDEST = "msc_icaht_inbox_open_items", "msc_icaht_inbox_oldest_seconds"
OVERDUE, SOON = "msc_icaht_report_clocks_overdue", "msc_icaht_report_clocks_due_within_day"


def value(name: str, study: str = STUDY) -> float | None:
    """Return what a gauge says of a study, None without a series."""
    return SHOWN.get_sample_value(name, {"study": study})


@pytest.fixture
def look(api, clock):
    """Look at the metrics a little more than a minute later, unless told otherwise."""

    async def looked(seconds: float = 61) -> str:
        clock.advance(seconds=seconds)
        answer = await api(Role.AUDITOR).get("http://test/metrics")
        assert answer.status_code == 200
        return answer.text

    return looked


async def test_the_inbox_is_counted_with_its_age(api, look, clock):
    """Nothing waits; then a result under an unknown code does, for an hour."""
    await register(api)
    lab = await laboratory(api)
    await look()
    assert (value(INBOX), value(OLDEST)) == (0, 0)
    await send(lab, of("S-001", local()))
    await look(seconds=3600)
    assert (value(INBOX), value(OLDEST)) == (1, 3600)


async def test_clocks_due_and_overdue_are_counted(api, look, clock):
    """A clock of seven days is nobody's concern at first, due soon on the last, then overdue."""
    body = {"subject_id": await register(api)} | SUSAR
    created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body))
    client, seen = api(Role.MONITOR), set()
    for day in range(9):
        await look(seconds=86_400 if day else 61)
        listed = (await client.get("/safety-reports")).json()["items"]
        overdue = [each for each in listed if each["status"] == "overdue"]
        assert value(OVERDUE) == len(overdue)
        seen.add((value(OVERDUE), value(SOON)))
    assert {soon for _, soon in seen} >= {0, 1}
    assert max(overdue for overdue, _ in seen) == 2


async def test_within_a_minute_nothing_is_read_again(api, look, monkeypatch):
    """However often somebody looks, the clocks of a study are followed once a minute."""
    read, times = watched_studies.read_watched, []

    async def counting(*args):
        times.append(1)
        return await read(*args)

    monkeypatch.setattr(watched_studies, "read_watched", counting)
    await look()
    await look(seconds=30)
    await look(seconds=29)
    assert len(times) == 1
    await look(seconds=1)
    assert len(times) == 2


async def test_a_study_that_does_not_answer_is_not_a_number(app, look, monkeypatch):
    """A gauge that cannot be read says so instead of showing what was."""
    await look()
    assert value(OVERDUE) == 0

    async def slow(*args):
        raise TimeoutError

    monkeypatch.setattr(watched_studies, "read_watched", slow)
    await look()
    assert math.isnan(value(OVERDUE))
    assert math.isnan(value(INBOX))


async def test_what_takes_too_long_is_given_up(database, clock, monkeypatch):
    """Whoever looks waits for the limit, not for the database."""
    monkeypatch.setattr(watched_studies, "LIMIT_SECONDS", 0.05)

    class Stuck:
        @asynccontextmanager
        async def session(self):
            await asyncio.sleep(30)
            yield

    await StudyWatch(Stuck(), (STUDY,), clock).refresh()
    assert math.isnan(value(OVERDUE))


async def test_only_named_studies_that_are_here_have_series(serving_database, clock):
    """What is not in the database has no series, and a study that goes away loses them."""
    await StudyWatch(serving_database, (STUDY, "NCT00000000"), clock).refresh()
    assert value(INBOX) == 0
    assert value(INBOX, "NCT00000000") is None
    watched_studies._remove(STUDY)
    assert value(INBOX) is None


class Counting:
    """A database whose sessions take a while; it notes how many are open at a time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.open, self.most = seconds, 0, 0

    @asynccontextmanager
    async def session(self):
        """Open a session that finds no study."""
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(self.seconds)
        yield None
        self.open -= 1


@pytest.fixture
def none_here(monkeypatch):
    """Find no study."""

    async def nothing(session, key):
        return None

    monkeypatch.setattr(watched_studies, "_enter", nothing)


async def test_studies_are_read_at_the_same_time_but_not_all_of_them(none_here, clock):
    """Some share the wait, and the others leave connections for requests."""
    database = Counting(0.01)
    await StudyWatch(database, [f"NCT{number:08}" for number in range(20)], clock).refresh()
    assert database.most == watched_studies.STUDIES_AT_ONCE == 4


async def test_whoever_looks_waits_for_many_studies_no_longer_than_for_some(
    none_here, clock, monkeypatch
):
    """What is not read when the time for all is up is not a number; its turn never came."""
    monkeypatch.setattr(watched_studies, "ALL_SECONDS", 0.2)
    keys = [f"NCT{number:08}" for number in range(9)]
    started = monotonic()
    await StudyWatch(Counting(0.15), keys, clock).refresh()
    assert monotonic() - started < 2
    assert [value(INBOX, key) for key in keys[:4]] == [None] * 4
    assert all(math.isnan(value(INBOX, key)) for key in keys[4:])
    for key in keys:
        watched_studies._remove(key)


async def test_one_study_that_breaks_leaves_the_others_to_be_seen(look, monkeypatch):
    """An error of our own is in the log, the study not a number, and the rest is shown."""
    await look()
    assert value(OVERDUE) == 0

    async def breaks(*args):
        raise KeyError

    monkeypatch.setattr(watched_studies, "read_watched", breaks)
    assert "msc_icaht_requests_total" in await look()
    assert math.isnan(value(OVERDUE))


async def test_who_goes_away_while_it_is_read_leaves_it_to_the_next(clock):
    """A look that was cut off does not count as the one of this minute."""
    database = Counting(30)
    watch = StudyWatch(database, (STUDY,), clock)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watch.refresh(), 0.05)
    assert database.open == 2
