"""The worklist over HTTP: over all subjects in sight, by day, status and subject."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.dosing import give_infusion
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import move_to
from tests.factories.subjects import enrolled, register

ABSENT = "01930000-0000-7000-8000-000000000000"
# 32 days before the clock: W4 was on 29 May, and its window closes on 1 June.
FIRST = datetime(2026, 5, 1, 2, tzinfo=UTC)


async def read(api, **query):
    """Read the worklist."""
    answer = await api(Role.STUDY_COORDINATOR).get("/visits", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return answer.json()["items"]


def named(items):
    """Return subject, kind and name of each item."""
    return [(each["subject_number"], each["kind"], each["name"]) for each in items]


async def treated(api) -> str:
    """Enrol a subject and give the one infusion of level A."""
    subject = await enrolled(api)
    await give_infusion(api, subject, FIRST)
    return subject


async def test_what_is_to_be_done_today_over_all_subjects(api):
    """One was last seen at the infusion, one waits for the first, one is not enrolled."""
    await treated(api)
    await enrolled(api, planned_first_infusion_date="2026-06-01")
    await register(api)
    assert named(await read(api, status="overdue")) == [("S-001", "visit", "W4")]
    assert named(await read(api, status="due")) == [("S-002", "infusion", "1")]
    assert named(await read(api, status="missed")) == [
        ("S-001", "visit", "W1"), ("S-001", "visit", "W2"), ("S-001", "visit", "W3"),
    ]  # fmt: skip
    assert named(await read(api, status="done")) == [("S-001", "infusion", "1")]
    everything = await read(api)
    days = [each["target_day"] for each in everything]
    assert days == sorted(days)
    assert len(everything) == 13 + 13


async def test_an_item_says_what_it_rests_on(api):
    """Window, day, whether the blood count is there, and the protocol."""
    subject = await treated(api)
    (found,) = await read(api, status="overdue", subject=subject)
    assert found["window"] == {"start": "2026-05-26", "end": "2026-06-01"}
    assert (found["target_day"], found["on"], found["day"]) == ("2026-05-29", "2026-06-01", None)
    assert (found["has_blood_count"], found["projected"]) == (False, False)
    assert (found["rule"], found["protocol_version"]) == ("schedule.visits.offsets.W4", 1)
    assert found["subject_id"] == subject


async def test_a_day_to_come_is_planned_ahead(api):
    """On the day after the window W4 is missed, and W5 is due in the middle of its own."""
    await treated(api)
    assert named(await read(api, day="2026-06-02", status="missed"))[-1] == ("S-001", "visit", "W4")
    assert named(await read(api, day="2026-06-05", status="due")) == [("S-001", "visit", "W5")]
    assert named(await read(api, day="2026-06-06", status="overdue")) == [("S-001", "visit", "W5")]


async def check(api, subject, day):
    """Take the pulse on a day."""
    body = {"subject_id": subject, "kind": "vital_signs", "content": {"pulse_per_min": 70}}
    answer = await api(Role.STUDY_COORDINATOR).post(
        "/assessments", json=body | {"performed_at": f"{day}T02:00:00Z"}
    )
    assert answer.status_code == 201, answer.text


async def status_of_visit(api, name, **query):
    """Read how one visit stands."""
    return next(x["status"] for x in await read(api, **query) if x["name"] == name)


async def test_a_check_after_the_infusion_makes_up_for_no_visit(api):
    """Seen the day after it and not in the first week, the subject missed W1."""
    await check(api, await treated(api), "2026-05-02")
    assert await status_of_visit(api, "W1") == "missed"


async def test_a_day_to_come_reads_as_it_will_on_that_day(api, clock):
    """Seen two days before the window of W12: it has taken place once the window has closed."""
    subject = await treated(api)
    move_to(clock, date(2026, 7, 16))
    await check(api, subject, "2026-07-15")
    days = ("2026-07-17", "2026-07-31", "2026-08-01")
    ahead = [await status_of_visit(api, "W12", day=day) for day in days]
    assert ahead == ["due", "overdue", "out_of_window"]
    for day, expected in zip(days, ahead, strict=True):
        clock.now = datetime.fromisoformat(f"{day}T04:00:00+00:00")
        assert await status_of_visit(api, "W12") == expected


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"day": "2026-05-31"}, 422, "past_day"),
        ({"day": "tomorrow"}, 422, "validation_failed"),
        ({"status": "late"}, 422, "validation_failed"),
        ({"subject_id": ABSENT}, 404, "not_found"),
    ],
)
async def test_a_question_that_has_no_answer_is_refused(api, query, status, code):
    """The past is asked for with as_of; words and subjects have to be there."""
    answer = await api().get("/visits", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_day_is_the_studys(api, clock):
    """At 16:30 UTC it is the next day in Shanghai, and W4's window has closed."""
    await treated(api)
    clock.advance(hours=12, minutes=30)
    assert named(await read(api, status="overdue")) == []
    assert named(await read(api, status="missed"))[-1] == ("S-001", "visit", "W4")


async def test_the_worklist_as_it_was(api, session, clock):
    """Asked for the moment before the infusion was recorded, it is still to be given."""
    subject = await enrolled(api, planned_first_infusion_date="2026-05-01")
    before = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await give_infusion(api, subject, FIRST)
    clock.now = before + timedelta(days=1)
    then = await read(api, as_of=before.isoformat(), status="overdue")
    assert named(then) == [("S-001", "infusion", "1")]
    assert named(await read(api, status="done")) == [("S-001", "infusion", "1")]


async def test_another_sites_subjects_are_on_its_own_list(api):
    """A coordinator sees the subjects of the sites that the role is given for."""
    subject = await treated(api)
    await set_up_site(api, "02")
    other = await working_at(api, "02", Role.STUDY_COORDINATOR, "olga")
    assert (await other.get("/visits")).json()["items"] == []
    assert (await other.get("/visits", params={"subject": subject})).status_code == 404
