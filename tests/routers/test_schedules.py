"""The schedule of a subject over HTTP: what is planned, and what became of it by a moment."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import Role
from tests.factories.dosing import give_infusion
from tests.factories.ladder import put_into_force
from tests.factories.subjects import enrolled, leave, register

FIRST = datetime(2026, 1, 5, 2, tzinfo=UTC)


async def read(api, subject):
    """Read a schedule."""
    answer = await api(Role.MONITOR).get(f"/subjects/{subject}/schedule")
    assert answer.status_code == 200, answer.text
    return answer.json()


def targets(schedule):
    """Return month and day of each visit's target."""
    return {visit["name"]: visit["target_day"][5:] for visit in schedule["visits"]}


async def test_before_enrolment_only_the_first_day_is_planned(api):
    """Without a level there are neither infusions nor visits; the answer still says so."""
    subject = await register(api, planned_first_infusion_date="2026-06-10")
    schedule = await read(api, subject)
    assert (schedule["dose_level"], schedule["infusions"], schedule["visits"]) == (None, [], [])
    assert schedule["planned_first_infusion_date"] == "2026-06-10"
    assert (schedule["study_day"], schedule["protocol_version"]) == ("2026-06-01", 1)


async def test_an_enrolled_subject_has_a_projected_plan(api):
    """Level A from 10 June: visits are projected from the planned day, nothing is due."""
    subject = await enrolled(api, planned_first_infusion_date="2026-06-10")
    schedule = await read(api, subject)
    assert [item["status"] for item in schedule["infusions"]] == ["upcoming"]
    assert schedule["last_infusion"]["projected"] is True
    assert targets(schedule)["W1"] == "06-17"
    assert {visit["status"] for visit in schedule["visits"]} == {"upcoming"}


async def test_level_a_from_5_january(api):
    """One infusion, twelve visits until 22 June, and what became of them by 1 June."""
    subject = await enrolled(api)
    await give_infusion(api, subject, FIRST)
    schedule = await read(api, subject)
    expected = targets(schedule)
    assert list(expected) == [f"W{week}" for week in (*range(1, 9), 12, 16, 20, 24)]
    assert [expected[f"W{week}"] for week in (1, 8, 12, 16, 20, 24)] == [
        "01-12", "03-02", "03-30", "04-27", "05-25", "06-22",
    ]  # fmt: skip
    assert [visit["status"] for visit in schedule["visits"]] == (
        ["missed"] * 10 + ["due", "upcoming"]
    )
    assert schedule["end_of_safety_follow_up"] == "2026-06-22"
    assert schedule["completion_from"] == "2026-06-15"


@pytest.mark.parametrize(("sex", "end"), [("female", "2026-05-26"), ("male", "2026-07-26")])
async def test_level_c_from_5_january(api, sex, end):
    """Four weekly infusions move everything by three weeks; contraception differs by sex."""
    for level in ("B", "C"):
        await put_into_force(api, DecisionAction.ESCALATE, level)
    subject = await enrolled(api, "C", sex=sex)
    for week in range(4):
        await give_infusion(api, subject, FIRST + timedelta(days=7 * week))
    schedule = await read(api, subject)
    expected = targets(schedule)
    assert [expected[f"W{week}"] for week in (1, 8, 12, 16, 20, 24)] == [
        "02-02", "03-23", "04-20", "05-18", "06-15", "07-13",
    ]  # fmt: skip
    assert [item["status"] for item in schedule["infusions"]] == ["done"] * 4
    assert (schedule["contraception_end"], schedule["last_infusion"]["day"]) == (end, "2026-01-26")


async def test_the_local_day_counts(api):
    """An infusion at 23:30 UTC belongs to the next day in Shanghai, and so do its visits."""
    subject = await enrolled(api)
    await give_infusion(api, subject, datetime(2026, 1, 4, 23, 30, tzinfo=UTC))
    schedule = await read(api, subject)
    assert schedule["infusions"][0]["day"] == "2026-01-05"
    assert targets(schedule)["W1"] == "01-12"


async def test_an_exit_cancels_what_was_to_come(api):
    """After the subject left no visit is due or missed any more."""
    subject = await enrolled(api)
    await give_infusion(api, subject, FIRST)
    await leave(api, subject, "withdrew_consent", FIRST)
    schedule = await read(api, subject)
    assert {visit["status"] for visit in schedule["visits"]} == {"cancelled"}
    assert schedule["left_study_on"] == "2026-01-05"


async def test_the_schedule_as_it_was(api, session, clock):
    """Asked for the moment before it was recorded, the infusion is still to come."""
    subject = await enrolled(api, planned_first_infusion_date="2026-01-05")
    before = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await give_infusion(api, subject, FIRST)
    clock.now = before + timedelta(days=1)
    path = f"/subjects/{subject}/schedule"
    then = (await api().get(path, params={"as_of": before.isoformat()})).json()
    assert [item["status"] for item in then["infusions"]] == ["due"]
    assert then["as_of"] == before.isoformat()
    assert [item["status"] for item in (await read(api, subject))["infusions"]] == ["done"]
    future = clock() + timedelta(seconds=1)
    refused = await api().get(path, params={"as_of": future.isoformat()})
    assert refused.status_code == 422


async def test_a_foreign_subject_has_no_schedule(api):
    """An absent subject is 404."""
    path = "/subjects/01930000-0000-7000-8000-000000000000/schedule"
    assert (await api().get(path)).status_code == 404
