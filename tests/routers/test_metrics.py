"""What all aggregates promise: no subject, no day, no clock, and the past on request."""

import re

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.events import adverse_event
from tests.factories.responses import FAIR, count, day, treated_subject
from tests.factories.rows import move_to

NAMES = ("enrolment", "safety", "efficacy", "laboratory", "operations")
UUID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
DAY_PATTERN = re.compile(r'"[a-z_]+":"\d{4}-\d{2}-\d{2}[^"]*"')


async def with_data(api, clock):
    """Treat one subject, who has a response and an event."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(36))
    await count(api, subject, {28: FAIR, 35: FAIR})
    await adverse_event(api, subject, day(2))
    return subject


@pytest.mark.parametrize("name", NAMES)
async def test_the_sponsor_sees_no_subject_and_no_day(api, clock, name):
    """No number, no id, and no date but the study day of the answer."""
    subject = await with_data(api, clock)
    answer = await api(Role.SPONSOR).get(f"/metrics/{name}")
    assert answer.status_code == 200, answer.text
    assert subject["number"] not in answer.text
    assert not UUID_PATTERN.search(answer.text)
    assert DAY_PATTERN.findall(answer.text) == [f'"study_day":"{day(36)}"']


@pytest.mark.parametrize("name", NAMES)
async def test_the_answer_is_as_documented(api, app, clock, name):
    """Rates are numbers, keys are those of the document, and nothing is missing."""
    await with_data(api, clock)
    answer = await api().get(f"/metrics/{name}")
    assert misfits(app, f"read_{name}_metrics", answer) == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_poll_is_not_modified_until_something_moves(api, clock, name):
    """A minute later the ETag still holds; a new fact gives another answer."""
    subject = await with_data(api, clock)
    client = api(Role.SPONSOR)
    first = await client.get(f"/metrics/{name}")
    tag = {"If-None-Match": first.headers["etag"]}
    clock.advance(minutes=1)
    assert (await client.get(f"/metrics/{name}", headers=tag)).status_code == 304
    await adverse_event(api, subject, day(3), grade=4)
    await count(api, subject, {21: FAIR})
    assert (await client.get(f"/metrics/{name}", headers=tag)).status_code == 200


@pytest.mark.parametrize("name", NAMES)
async def test_the_answer_names_its_protocol_and_evidence(api, clock, name):
    """Number and digest of the version in force, and a digest of the facts that moves with them."""
    active = (await api().get("/protocol")).json()
    before = (await api().get(f"/metrics/{name}")).json()
    assert (before["protocol_version"], before["protocol_digest"], before["as_of"]) == (
        active["number"],
        active["digest"],
        None,
    )
    await with_data(api, clock)
    after = (await api().get(f"/metrics/{name}")).json()
    assert after["evidence_digest"] != before["evidence_digest"]


async def test_the_past_is_counted_as_it_was(api, clock, session):
    """As of a moment before a second event, one participant less has one."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    zero = day(-40, now.date())
    first = await treated_subject(api, clock, zero=zero)
    await adverse_event(api, first, day(2, zero))
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    second = await treated_subject(api, clock, zero=zero)
    await adverse_event(api, second, day(3, zero))
    move_to(clock, day(42, zero))

    async def counted(**query):
        answers = [(await api().get(f"/metrics/{name}", params=query)).json() for name in NAMES]
        assert {answer["as_of"] for answer in answers} == {query.get("as_of")}
        enrolment, safety, efficacy = answers[:3]
        event = safety["groups"][0]["incidences"][0]["any_grade"]
        return enrolment["screened"], event["events"], event["n"], efficacy["treated"]

    assert await counted() == (2, 2, 2, 2)
    assert await counted(as_of=between.isoformat()) == (1, 1, 1, 1)


@pytest.mark.parametrize("role", [Role.LABORATORY_SYSTEM, Role.CELL_LABORATORY])
async def test_aggregates_are_not_for_everybody(api, role):
    """Roles that the matrix does not name are refused."""
    for name in NAMES:
        assert (await api(role).get(f"/metrics/{name}")).status_code == 403
