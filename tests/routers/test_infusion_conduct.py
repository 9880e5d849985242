"""Departures of infusions over HTTP that do not go away with what is left out or called off."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.escalation_rules import DecisionAction
from tests.conftest import NOW
from tests.factories.dosing import change_infusion, give_infusion, prescribe
from tests.factories.ladder import put_into_force
from tests.factories.subjects import enrolled

START = NOW - timedelta(hours=4)


@pytest.fixture
async def subject(api):
    """A subject enrolled at level A, of one infusion."""
    return await enrolled(api)


@pytest.fixture
async def subject_b(api):
    """A subject enrolled at level B, of two infusions."""
    await put_into_force(api, DecisionAction.ESCALATE, "B")
    return await enrolled(api, "B")


@pytest.fixture
async def now(clock, session):
    """The database's own time, by which the trail is dated; it is the clock's from now on."""
    clock.now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return clock.now


async def departures(api, subject):
    """List the deviations of a subject but for eligibility, by key."""
    items = (await api().get("/deviations", params={"subject": subject})).json()["items"]
    return [each["key"] for each in items if each["code"] != "eligibility_violation"]


async def infusion_status(api, subject, number):
    """Read how an infusion stands on the worklist."""
    items = (await api().get("/visits", params={"subject": subject})).json()["items"]
    return next(x["status"] for x in items if (x["kind"], x["name"]) == ("infusion", str(number)))


async def test_the_volume_counts_beside_the_cells(api, subject):
    """Twelve millilitres are no dose of 120, and 5000 were not in two bags of 100."""
    cells = {"cells": 120000000}
    few = await give_infusion(api, subject, START, volume_ml=12, **cells)
    (dose,) = few["deviations"]
    assert (dose["key"], dose["severity"]) == ("dose_out_of_tolerance:1", "major")
    assert dose["sentence"] == "Infusion 1 gave 12 mL instead of 120 mL."
    more = (await change_infusion(api, subject, 1, volume_ml=5000)).json()
    assert [each["code"] for each in more["deviations"]] == [
        "dose_out_of_tolerance", "volume_beyond_bags",
    ]  # fmt: skip
    assert await departures(api, subject) == ["dose_out_of_tolerance:1", "volume_beyond_bags:1"]
    right = (await change_infusion(api, subject, 1, volume_ml=120)).json()
    assert right["deviations"] == []


@pytest.mark.parametrize("volume", [None, 0])
async def test_a_start_is_a_start_whatever_its_volume(api, clock, subject_b, volume):
    """What was wrong before and at the start stays wrong, and the infusion is not missed."""
    clock.advance(days=30)
    await give_infusion(api, subject_b, START)
    late = {"premedication_at": None, "premedication_drug": None}
    second = await give_infusion(api, subject_b, START + timedelta(days=11), **late)
    known = ["infusion_interval", "premedication_missing"]
    assert [each["code"] for each in second["deviations"]] == known
    left = (await change_infusion(api, subject_b, 2, volume_ml=volume)).json()
    codes = {each["code"] for each in left["deviations"]}
    assert codes == {*known, *(["dose_out_of_tolerance"] if volume == 0 else [])}
    assert await infusion_status(api, subject_b, 2) == "out_of_window"
    assert "infusion_missed:2" not in await departures(api, subject_b)


async def test_a_cancellation_after_the_window_hides_no_missed_infusion(api, now, subject_b):
    """It was to be given a week ago at the latest; calling it off today changes nothing."""
    await give_infusion(api, subject_b, now - timedelta(days=20))
    await prescribe(api, subject_b, planned_date=(now - timedelta(days=13)).date().isoformat())
    missed = await departures(api, subject_b)
    assert "infusion_missed:2" in missed
    assert (await change_infusion(api, subject_b, 2, cancelled=True)).status_code == 200
    assert await departures(api, subject_b) == missed
    assert await infusion_status(api, subject_b, 2) == "missed"


async def test_a_cancellation_within_the_window_is_a_decision(api, clock, now, subject_b):
    """It stays one, until it is taken back and made again when it is too late."""
    await give_infusion(api, subject_b, now - timedelta(days=7))
    await prescribe(api, subject_b, planned_date=now.date().isoformat())
    await change_infusion(api, subject_b, 2, cancelled=True)
    clock.advance(days=20)
    assert await infusion_status(api, subject_b, 2) == "cancelled"
    assert "infusion_missed:2" not in await departures(api, subject_b)
    await change_infusion(api, subject_b, 2, cancelled=False)
    assert "infusion_missed:2" in await departures(api, subject_b)


async def test_more_infusions_than_the_level_has_are_a_departure(api, subject):
    """An attempt that was made up for turns out to have been given: both are on record."""
    await give_infusion(api, subject, NOW - timedelta(hours=5), volume_ml=0)
    await change_infusion(api, subject, 1, cancelled=True)
    await give_infusion(api, subject, NOW - timedelta(hours=1), stopped_at=None)
    assert "infusion_beyond_level:2" not in await departures(api, subject)
    both = await change_infusion(api, subject, 1, cancelled=False, volume_ml=120)
    assert both.status_code == 200
    assert "infusion_beyond_level:2" in await departures(api, subject)
    (found,) = [
        each
        for each in (await api().get(f"/subjects/{subject}/infusions/2")).json()["deviations"]
        if each["code"] == "infusion_beyond_level"
    ]
    assert found["severity"] == "major"
