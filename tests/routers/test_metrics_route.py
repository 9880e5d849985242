"""What is counted over the study: one moment each, and never in the way of everybody else."""

import asyncio
from datetime import timedelta

import pytest

from app.domain.errors import DomainError
from app.domain.vocabulary import Role
from app.routers.metrics_route import AT_ONCE, CountingPlaces
from app.services import metric_store
from app.services.fixture_subjects import fixture_subject
from tests.conftest import build_app, clients
from tests.factories.ladder import amend
from tests.factories.responses import GOOD, count, day, treated_subject
from tests.factories.rows import move_to

EVERY = "/metrics/laboratory"


@pytest.fixture
def served(serving_database, issuer, clock):
    """An application that commits, and clients of it."""
    app = build_app(serving_database, issuer, clock)
    yield app, clients(app, issuer, clock)
    app.state.renderer.close()


def taken(database):
    """Count the connections that requests hold."""
    return database.engine.pool.checkedout()


async def until(condition):
    """Wait until something holds, for some seconds at most."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("It never came so.")


async def test_counting_leaves_the_connections_to_others(
    served, serving_database, clock, monkeypatch
):
    """However many ask for metrics while nobody is drawn yet, they hold two; others are served."""
    _, api = served
    await treated_subject(api, clock)
    go_on = asyncio.Event()
    draw = metric_store._draw_some

    async def waiting(*whatever):
        await go_on.wait()
        return await draw(*whatever)

    monkeypatch.setattr(metric_store, "_draw_some", waiting)
    asked = [asyncio.create_task(api(Role.SPONSOR).get(EVERY)) for _ in range(12)]
    await until(lambda: taken(serving_database) == AT_ONCE)
    for _ in range(5):
        assert (await api().get("/subjects")).status_code == 200
        assert taken(serving_database) == AT_ONCE
    go_on.set()
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


async def test_a_picture_is_drawn_without_a_connection(served, serving_database, monkeypatch):
    """While the process draws, the request holds nothing that others need."""
    app, api = served
    held = []
    draw = app.state.renderer.draw

    async def noted(specification):
        held.append(taken(serving_database))
        return await draw(specification)

    monkeypatch.setattr(app.state.renderer, "draw", noted)
    answer = await api().get("/metrics/ladder.svg")
    assert (answer.status_code, held) == (200, [0])


async def test_too_many_that_wait_are_refused():
    """Who waits holds nothing, but the queue has an end; a place that is given back is free."""
    places, go_on = CountingPlaces(at_once=1, most_waiting=1), asyncio.Event()

    async def count_something():
        async with places.place():
            await go_on.wait()

    first = asyncio.create_task(count_something())
    await asyncio.sleep(0)
    second = asyncio.create_task(count_something())
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as refusal:
        await count_something()
    assert (refusal.value.code, refusal.value.retry_seconds) == ("metrics_busy", 2)
    second.cancel()
    await asyncio.sleep(0)
    third = asyncio.create_task(count_something())
    go_on.set()
    await asyncio.gather(first, third)


async def test_no_number_counts_half_of_a_change(served, clock, monkeypatch):
    """Results of two subjects are recorded at once, between the drawings of the two."""
    _, api = served
    first = await treated_subject(api, clock)
    second = await treated_subject(api, clock)
    move_to(clock, day(36))
    await count(api, first, {7: GOOD})
    monkeypatch.setattr(metric_store, "AT_ONCE", 1)
    draw = metric_store._draw_some
    written = []

    async def interrupted(*whatever):
        drawn = await draw(*whatever)
        if not written:
            written.append(True)
            body = [of(subject, 14) for subject in (first, second)]
            answer = await api(Role.STUDY_COORDINATOR).post("/labs", json={"results": body})
            assert answer.status_code == 200, answer.text
        return drawn

    before = results((await api(Role.SPONSOR).get("/metrics/operations")).json())
    clock.advance(days=1)
    monkeypatch.setattr(metric_store, "_draw_some", interrupted)
    during = results((await api(Role.SPONSOR).get("/metrics/operations")).json())
    after = results((await api(Role.SPONSOR).get("/metrics/operations")).json())
    assert written
    assert (during, after) == (before, before + 2)


def of(subject, number):
    """Make a result of a subject."""
    collected = day(number).isoformat() + "T08:00:00Z"
    return {
        "subject_id": subject["id"], "analyte": "HGB", "value": 90, "unit": "g/L",
        "collected_at": collected,
    }  # fmt: skip


def results(metrics):
    """Count the results that were timed."""
    return next(
        row["results"]
        for row in metrics["turnaround"]
        if (row["route"], row["span"]) == (None, "collected_to_recorded")
    )


async def test_a_version_with_the_same_definition_is_another(
    served, serving_database, clock, issuer
):
    """The answer names the version in force, as an application that kept nothing does."""
    _, api = served
    assert (await api().get("/metrics/safety")).json()["protocol_version"] == 1
    await amend(api, "study")
    kept = await api().get("/metrics/safety")
    other = build_app(serving_database, issuer, clock)
    fresh = await clients(other, issuer, clock)().get("/metrics/safety")
    assert kept.json()["protocol_version"] == 2
    assert (kept.headers["etag"], kept.text) == (fresh.headers["etag"], fresh.text)


async def test_a_scope_for_metrics_names_nobody(api, issuer, clock):
    """A machine in the role of a data manager is told how many, as its scope allows no records."""
    subject = await treated_subject(api, clock)
    role = fixture_subject(Role.DATA_MANAGER)
    token = issuer.token(role, clock(), timedelta(minutes=5), scope="metrics:read")
    headers = {"Authorization": f"Bearer {token}"}
    query = {"explain": "true", "metric": "/treated"}
    answer = await api(None).get("/metrics/safety", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()["explanation"]
    assert (found["participants"], found["metrics"][0]["participants"]) == ([], [])
    assert found["metrics"][0]["others"]["participants"] == 1
    assert subject["id"] not in answer.text
    person = await api(Role.DATA_MANAGER).get("/metrics/safety", params=query)
    assert subject["id"] in person.text


async def test_a_weakened_tag_is_the_same(api):
    """Whoever compresses answers on the way weakens their tags; nothing moved all the same."""
    tag = (await api().get("/metrics/safety")).headers["etag"]
    for held in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
        answer = await api().get("/metrics/safety", headers={"If-None-Match": held})
        assert (answer.status_code, answer.headers["etag"]) == (304, tag)


@pytest.mark.parametrize("path", ["/metrics/safety", "/metrics/ladder.svg", "/metrics/swimmer.svg"])
async def test_an_auditors_read_is_logged_once(api, capsys, path):
    """Also of what asks for two rights."""
    capsys.readouterr()
    assert (await api(Role.AUDITOR).get(path)).status_code == 200
    assert capsys.readouterr().out.count("auditor_read") == 1


@pytest.mark.parametrize("metric", ["/nonexistent", "groups", "/groups/0/treated"])
async def test_a_pointer_to_nothing_is_refused(api, metric):
    """422 with where and what to do, instead of an explanation of nothing."""
    query = {"explain": "true", "metric": metric}
    answer = await api().get("/metrics/safety", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_metric")
    assert answer.json()["errors"][0]["pointer"] == "/query/metric"
