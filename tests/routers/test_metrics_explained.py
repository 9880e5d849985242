"""Metrics that say over HTTP what they rest on, to each reader no more than may be seen."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.events import adverse_event
from tests.factories.people import set_up_site, working_at
from tests.factories.responses import FAIR, count, day, treated_subject
from tests.factories.rows import move_to

NAMES = ("enrolment", "safety", "efficacy", "laboratory", "operations")
ANY_EVENT = "/groups/level=null/incidences/basis=all/any_grade/events"


async def with_data(api, clock):
    """Treat one subject, who has a response and an event."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(36))
    await count(api, subject, {28: FAIR, 35: FAIR})
    await adverse_event(api, subject, day(2))
    return subject


async def explanation(client, name, **query):
    """Ask what an answer rests on."""
    answer = await client.get(f"/metrics/{name}", params={"explain": "true"} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["explanation"]


@pytest.mark.parametrize("name", NAMES)
async def test_explanations_are_there_when_asked_for_and_as_documented(api, app, clock, name):
    """The numbers are the same with and without; the explanation names the participant."""
    subject = await with_data(api, clock)
    plain = await api().get(f"/metrics/{name}")
    assert plain.json()["explanation"] is None
    answer = await api().get(f"/metrics/{name}", params={"explain": "true"})
    assert misfits(app, f"read_{name}_metrics", answer) == []
    assert answer.json() | {"explanation": None} == plain.json()
    found = answer.json()["explanation"]
    assert [x["subject_id"] for x in found["participants"]] == [subject["id"]]
    assert found["rules"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_sponsor_is_told_of_no_participant(api, clock, name):
    """Rules and numbers of records, and neither id nor number."""
    subject = await with_data(api, clock)
    answer = await api(Role.SPONSOR).get(f"/metrics/{name}", params={"explain": "true"})
    found = answer.json()["explanation"]
    assert found["rules"]
    assert found["metrics"]
    assert found["participants"] == []
    assert subject["id"] not in answer.text
    assert subject["number"] not in answer.text
    assert {len(x["participants"]) for x in found["metrics"]} == {0}
    assert {x["others"]["participants"] for x in found["metrics"]} == {1}


async def test_a_reader_of_another_site_is_told_how_many(api, clock):
    """The investigator sees the event, the coordinator of another hospital that there is one."""
    await with_data(api, clock)
    await set_up_site(api, "02")
    other = await working_at(api, "02", Role.STUDY_COORDINATOR, "cora")
    (mine,) = (await explanation(api(), "safety", metric=ANY_EVENT))["metrics"]
    (theirs,) = (await explanation(other, "safety", metric=ANY_EVENT))["metrics"]
    assert (len(mine["participants"]), mine["others"]["participants"]) == (1, 0)
    assert theirs["participants"] == []
    assert theirs["others"] == {"participants": 1, "records": {"adverse_event": 1}}


async def test_the_records_are_those_of_the_lists(api, clock):
    """The event that makes the participant count is the one that is listed."""
    subject = await with_data(api, clock)
    found = await explanation(api(), "safety", metric=ANY_EVENT)
    (event,) = (await api().get("/adverse-events")).json()["items"]
    (one,) = found["participants"]
    assert (one["number"], [x["id"] for x in one["records"]]) == (subject["number"], [event["id"]])
    (number,) = found["metrics"]
    assert (number["metric"], number["value"]) == (ANY_EVENT, 1)
    assert number["participants"] == [
        {"number": subject["number"], "adds": 1, "records": [event["id"]], "time": None}
    ]


async def test_the_past_is_explained_as_it_was(api, clock, session):
    """As of a moment before the event nobody had one."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    zero = day(-40, now.date())
    subject = await treated_subject(api, clock, zero=zero)
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await adverse_event(api, subject, day(2, zero))
    move_to(clock, day(42, zero))
    query = {"metric": ANY_EVENT}
    assert len((await explanation(api(), "safety", **query))["metrics"]) == 1
    before = await explanation(api(), "safety", **query, as_of=between.isoformat())
    assert before["metrics"] == []


async def test_an_explanation_is_not_modified_until_something_moves(api, clock):
    """It holds no clock; a new event gives another."""
    subject = await with_data(api, clock)
    query = {"explain": "true", "metric": ANY_EVENT}
    first = await api().get("/metrics/safety", params=query)
    tag = {"If-None-Match": first.headers["etag"]}
    clock.advance(minutes=1)
    again = await api().get("/metrics/safety", params=query, headers=tag)
    assert again.status_code == 304
    await adverse_event(api, subject, day(3))
    moved = await api().get("/metrics/safety", params=query, headers=tag)
    assert moved.status_code == 200


async def test_a_metric_without_an_explanation_is_refused(api):
    """A forgotten `explain` is not answered with something else."""
    answer = await api().get("/metrics/safety", params={"metric": "/groups"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_explained")
