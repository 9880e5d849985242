"""The metrics are drawn anew only where something changed, and never rest on what was before."""

import asyncio
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import httpx
import pytest

from app.core import database
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.ids import new_id
from app.domain.vocabulary import Role, TransfusionProduct
from app.models import Transfusion
from app.models.base import Base, StudyRecord
from app.services import metric_changes, metric_store
from app.services.access import Wish, authorize
from app.services.fixture_subjects import fixture_subject
from app.services.history import When
from app.services.metric_store import MetricStore, MetricStudy, read_metric_study
from app.services.role_matrix import Area, Right
from tests.conftest import STUDY, Api, TestClock
from tests.factories.events import adjudicate, adverse_event
from tests.factories.responses import FAIR, count, day, medicate, transfuse, treated_subject
from tests.factories.rows import at, database_of, move_to, writing
from tests.factories.subjects import created, register

ALT = {
    "laboratory": "WARD", "analyte": "ALT", "unit": "U/L", "low": 5, "high": 40,
    "effective_from": "2026-05-01",
}  # fmt: skip
# What a change of these leaves of the study as it was is not asked.
OF_ALL = {"cohort", "redaction", "range_retraction", "reference_range"}


@pytest.fixture
def drawn(monkeypatch):
    """Note whose share of the metrics is drawn, time by time."""
    times = []
    draw = metric_store.draw_subjects

    def noting(found, protocol, at):
        times.append([evidence.subject.number for evidence in found])
        return draw(found, protocol, at)

    monkeypatch.setattr(metric_store, "draw_subjects", noting)
    return times


async def read(
    api: Api, clock: TestClock, store: MetricStore, past: datetime | None = None
) -> MetricStudy:
    """Read the study through a store."""
    identity = (DEVELOPMENT_ISSUER, fixture_subject(Role.SPONSOR))
    wish = Wish(Area.METRICS, Right.READ, "test")
    async with database_of(api).session() as session:
        actor = await authorize(session, identity, STUDY, wish, clock.now)
        return await read_metric_study(session, store, actor, When(clock.now, past))


async def two_subjects(api, clock):
    """Treat two subjects of one level."""
    first = await treated_subject(api, clock)
    second = await treated_subject(api, clock)
    move_to(clock, day(36))
    return first, second


async def test_nobody_is_drawn_twice_without_a_change(committing_api, clock, drawn):
    """The second reading draws nobody, and is the same."""
    await two_subjects(committing_api, clock)
    store = MetricStore()
    first = await read(committing_api, clock, store)
    assert len(drawn.pop()) == 2
    assert await read(committing_api, clock, store) == first
    assert drawn == []


async def test_of_two_at_once_one_draws(committing_api, clock, drawn):
    """Who comes second waits, and finds it drawn."""
    await two_subjects(committing_api, clock)
    store = MetricStore()
    first, second = await asyncio.gather(
        read(committing_api, clock, store), read(committing_api, clock, store)
    )
    assert first == second
    assert [len(each) for each in drawn] == [2]


async def test_who_goes_away_while_waiting_holds_up_nobody(committing_api, monkeypatch):
    """The lock goes to the next; the transaction of whoever waits stays awake."""
    monkeypatch.setattr(database, "AWAKE_SECONDS", 0.05)
    store, study_id = MetricStore(), new_id()

    async def draw() -> None:
        async with (
            database_of(committing_api).session() as session,
            store.drawing(session, study_id),
        ):
            await asyncio.sleep(0.2)

    first, gone, last = (asyncio.ensure_future(draw()) for _ in range(3))
    await asyncio.sleep(0.1)
    gone.cancel()
    await asyncio.wait_for(asyncio.gather(first, last), timeout=5)
    assert gone.cancelled()


async def test_only_who_changed_is_drawn_anew(committing_api, clock, drawn):
    """A result, an event, its adjudication and its grade, a transfusion: each draws its subject."""
    api = committing_api
    one, other = await two_subjects(api, clock)
    store = MetricStore()
    await read(api, clock, store)
    drawn.clear()
    steps = (
        lambda: count(api, one, {28: FAIR}),
        lambda: adverse_event(api, other, day(2), grade=4),
        lambda: transfuse(api, one, day(20)),
        lambda: medicate(api, other, "g_csf", day(20)),
    )
    for step, subject in zip(steps, (one, other, one, other), strict=True):
        await step()
        kept = await read(api, clock, store)
        assert drawn.pop() == [subject["number"]]
        assert kept == await read(api, clock, MetricStore())
        drawn.clear()


async def test_what_tells_of_nobody_draws_everybody(committing_api, clock, drawn):
    """A new reference range may grade any result anew."""
    api = committing_api
    await two_subjects(api, clock)
    store = MetricStore()
    await read(api, clock, store)
    drawn.clear()
    found = created(await api(Role.DATA_MANAGER).post("/reference-ranges", json=ALT))
    assert found["id"]
    await read(api, clock, store)
    assert [len(each) for each in drawn] == [2]


async def test_a_day_later_everybody_is_drawn_anew(committing_api, clock, drawn):
    """Windows close and answers fall due with the study day, without a record."""
    await two_subjects(committing_api, clock)
    store = MetricStore()
    before = await read(committing_api, clock, store)
    clock.advance(days=1)
    after = await read(committing_api, clock, store)
    assert [len(each) for each in drawn] == [2, 2]
    assert after.today > before.today


@pytest.mark.parametrize("remembers_the_running", [True, False])
async def test_what_was_under_way_is_not_missed(
    committing_api, clock, monkeypatch, remembers_the_running
):
    """A transfusion entered before a reading and committed after it is seen by the next one.

    The control remembers the newest transaction instead of the oldest that runs, and misses it.
    """
    api = committing_api
    one, other = await two_subjects(api, clock)
    store = MetricStore()
    if not remembers_the_running:
        newest = metric_changes.text(
            "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"
        )
        monkeypatch.setattr(metric_changes, "_OLDEST_RUNNING", newest)
    async with writing(api) as (session, actor):
        session.add(
            Transfusion(
                study_id=actor.study_id,
                id=new_id(),
                subject_id=UUID(one["id"]),
                product=TransfusionProduct.RED_CELLS,
                given_at=at(day(20)),
            )
        )
        await session.flush()
        await transfuse(api, other, day(21))
        during = await read(api, clock, store)
        assert _transfused(during) == [other["number"]]
    seen = _transfused(await read(api, clock, store))
    assert (seen == [one["number"], other["number"]]) is remembers_the_running


def _transfused(study: MetricStudy) -> list[str]:
    return [subject.number for subject in study.subjects if subject.transfusions]


def done(answer: httpx.Response) -> None:
    """Fail with the server's words unless it did as it was asked."""
    assert answer.status_code == 200, answer.text


class Steps:
    """What happens to three subjects, one step after the other, in an order drawn by lot."""

    def __init__(self, api: Api, clock: TestClock, subjects: list[dict], lot: Random) -> None:
        self.api, self.clock, self.subjects, self.lot = api, clock, subjects, lot
        self.results: list[str] = []
        self.events: list[UUID] = []
        self.serial = 0

    async def take(self) -> str:
        """Take one step; return its name."""
        step = self.lot.choice(
            (
                self.measure, self.correct, self.report, self.worsen, self.judge, self.leave,
                self.transfuse, self.register, self.attest, self.weigh,
            )
        )  # fmt: skip
        await step()
        return step.__name__

    async def measure(self) -> None:
        """Record a blood count of a day of its own."""
        self.serial += 1
        found = await count(
            self.api, self._one(), {20 + self.serial % 15: FAIR}, source=f"WARD-{self.serial}"
        )
        self.results += found.values()

    async def correct(self) -> None:
        """Correct a result."""
        if self.results:
            path = f"/labs/{self.lot.choice(self.results)}/corrections"
            client = self.api(Role.STUDY_COORDINATOR)
            lab = (await client.get(path.removesuffix("/corrections"))).json()
            body = {"value": lab["value"] + 1, "unit": lab["unit"], "reason": "Misread."}
            created(await client.post(path, json=body))

    async def report(self) -> None:
        """Record an adverse event."""
        grade = self.lot.randint(1, 4)
        self.events.append(await adverse_event(self.api, self._one(), day(3), grade=grade))

    async def worsen(self) -> None:
        """Raise the grade of an event, which the trail alone remembers."""
        if self.events:
            path = f"/adverse-events/{self.lot.choice(self.events)}"
            client = self.api(Role.STUDY_COORDINATOR)
            tag = {"If-Match": (await client.get(path)).headers["etag"]}
            body = {"grade": self.lot.randint(1, 4), "reason": "Seen again."}
            done(await client.patch(path, json=body, headers=tag))

    async def judge(self) -> None:
        """Adjudicate an event."""
        if self.events:
            chosen = self.lot.choice(self.events)
            await adjudicate(self.api, chosen, is_dlt=self.lot.random() < 0.5)

    async def leave(self) -> None:
        """Let a subject go; a second time is refused, which is no matter."""
        path = f"/subjects/{self._one()['id']}/disposition"
        body = {"event": "withdrew_treatment", "event_date": "2026-06-20", "reason": "Own wish."}
        await self.api(Role.STUDY_COORDINATOR).post(path, json=body)

    async def transfuse(self) -> None:
        """Give red cells."""
        await transfuse(self.api, self._one(), day(self.lot.randint(1, 30)))

    async def register(self) -> None:
        """Screen one more."""
        await register(self.api)

    async def attest(self) -> None:
        """Answer a criterion."""
        path = f"/subjects/{self._one()['id']}/eligibility/I6"
        body = {"met": True, "reason": "Seen."}
        done(await self.api().put(path, json=body))

    async def weigh(self) -> None:
        """Change a subject's own record."""
        path = f"/subjects/{self._one()['id']}"
        client = self.api(Role.STUDY_COORDINATOR)
        tag = {"If-Match": (await client.get(path)).headers["etag"]}
        body = {"weight_kg": self.lot.randint(50, 70), "reason": "Weighed."}
        done(await client.patch(path, json=body, headers=tag))

    def _one(self) -> dict:
        return self.lot.choice(self.subjects)


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_kept_is_what_a_drawing_from_scratch_gives(committing_api, clock, seed):
    """After each of many steps."""
    api = committing_api
    subjects = [await treated_subject(api, clock) for _ in range(3)]
    move_to(clock, day(36))
    steps, store = Steps(api, clock, subjects, Random(seed)), MetricStore()
    await read(api, clock, store)
    for _ in range(25):
        name = await steps.take()
        assert await read(api, clock, store) == await read(api, clock, MetricStore()), name


async def test_a_table_that_is_forgotten_is_noticed(committing_api, clock, monkeypatch):
    """The control of the comparison: adjudications are not looked at, and the store is behind."""
    api = committing_api
    one, _ = await two_subjects(api, clock)
    event = await adverse_event(api, one, day(2))
    store = MetricStore()
    await read(api, clock, store)
    forgotten = metric_changes._WITHOUT_EFFECT | {"dlt_adjudication"}
    monkeypatch.setattr(metric_changes, "_WITHOUT_EFFECT", forgotten)
    await adjudicate(api, event, is_dlt=True)
    assert await read(api, clock, store) != await read(api, clock, MetricStore())


async def test_the_past_is_kept_until_anything_is_written(committing_api, clock, drawn):
    """A page asks for one past moment many times; a write draws it anew, and it is the same."""
    one, _ = await two_subjects(committing_api, clock)
    store, moment = MetricStore(), datetime.now(UTC)
    past = await read(committing_api, clock, store, moment)
    assert await read(committing_api, clock, store, moment) == past
    assert len(drawn) == 1
    await transfuse(committing_api, one, day(20))
    assert await read(committing_api, clock, store, moment) == past
    assert len(drawn) == 2
    assert await read(committing_api, clock, store) != past


async def test_many_operations_at_once_draw_everybody(committing_api, clock, drawn, monkeypatch):
    """Beyond a number of operations nobody asks any more whose each was."""
    one, _ = await two_subjects(committing_api, clock)
    store = MetricStore()
    await read(committing_api, clock, store)
    monkeypatch.setattr(metric_changes, "MOST_OPERATIONS", 1)
    await transfuse(committing_api, one, day(20))
    await transfuse(committing_api, one, day(21))
    drawn.clear()
    await read(committing_api, clock, store)
    assert [len(each) for each in drawn] == [2]


def test_every_table_is_thought_of():
    """A table names its subject or its event, or counts for all, or is known not to count."""
    models = [each.class_ for each in Base.registry.mappers if issubclass(each.class_, StudyRecord)]
    tables = {model.__tablename__: model.__table__ for model in models}
    named = {
        name
        for name, table in tables.items()
        if name == "subject" or {"subject_id", "adverse_event_id"} & set(table.columns.keys())
    }
    assert tables.keys() - named - metric_changes._WITHOUT_EFFECT == OF_ALL
    assert tables.keys() | {"study"} >= metric_changes._WITHOUT_EFFECT


def test_the_store_keeps_the_studies_asked_for_last():
    """Beyond its size the study asked for least lately goes; a single one stays however large."""
    store, today = MetricStore(most_subjects=2), datetime(2026, 1, 1, tzinfo=UTC).date()
    ids = [new_id() for _ in range(3)]
    for study_id in ids[:2]:
        store.keep((study_id, None), metric_store._Held("p", today, 1, {new_id(): None}))
    assert store.held((ids[0], None), "p", today)
    store.keep((ids[2], None), metric_store._Held("p", today, 1, {new_id(): None}))
    assert store.held((ids[1], None), "p", today) is None
    assert store.held((ids[0], None), "p", today)
    assert store.held((ids[0], None), "q", today) is None
    store.keep((ids[2], None), metric_store._Held("p", today, 1, dict.fromkeys(ids)))
    assert store.held((ids[2], None), "p", today)


def test_the_store_keeps_only_so_many_moments(monkeypatch):
    """A moment at which there was nobody takes a place too."""
    monkeypatch.setattr(metric_store, "MOST_MOMENTS", 3)
    store, today, study_id = MetricStore(), datetime(2026, 1, 1, tzinfo=UTC).date(), new_id()
    moments = [datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in range(5)]
    for moment in moments:
        store.keep((study_id, moment), metric_store._Held("p", today, 1, {}))
    held = [moment for moment in moments if store.held((study_id, moment), "p", today)]
    assert held == moments[2:]
