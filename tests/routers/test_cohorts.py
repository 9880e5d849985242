"""Cohorts over HTTP: places, windows and toxicities as an investigator reads them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.vocabulary import Role
from tests.factories.dosing import infuse
from tests.factories.events import adjudicate, adverse_event
from tests.factories.ladder import decide, treat
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, enrolled_subject


async def read(api, **query):
    """Read the cohorts."""
    answer = await api().get("/cohorts", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_lowest_level_is_open_from_the_start(api):
    """Three free places on level A, nobody in them."""
    found = await read(api)
    assert found["next"] is None
    assert found["protocol_version"] == 1
    (cohort,) = found["items"]
    assert (cohort["dose_level"], cohort["phase"], cohort["status"]) == (
        "A",
        "escalation",
        "enrolling",
    )
    assert (cohort["slots"], cohort["free_slots"], cohort["enrolled"]) == (3, 3, 0)
    assert cohort["is_open"] is True
    assert cohort["dosing_blocked"] is False
    assert cohort["subjects"] == []


async def test_a_cohort_counts_its_subjects(api, clock):
    """One not dosed, one in the window, one with a DLT; then the window of the second closes."""
    subjects = [await enrolled_subject(api) for _ in range(3)]
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subjects[1], FIRST_INFUSION)
    await infuse(api, subjects[2], FIRST_INFUSION)
    event = await adverse_event(api, subjects[2], FIRST_INFUSION)
    (cohort,) = (await read(api))["items"]
    assert (cohort["enrolled"], cohort["dosed"], cohort["in_window"]) == (3, 2, 2)
    assert (cohort["evaluable"], cohort["dlts"], cohort["pending"]) == (0, 0, 1)
    assert (cohort["free_slots"], cohort["status"]) == (0, "waiting")
    await adjudicate(api, event, is_dlt=True)
    (cohort,) = (await read(api))["items"]
    assert (cohort["in_window"], cohort["evaluable"], cohort["dlts"]) == (1, 1, 1)
    assert cohort["pending"] == 0
    waiting, observed, toxic = cohort["subjects"]
    assert [each["state"] for each in cohort["subjects"]] == [
        "not_dosed",
        "in_window",
        "evaluable",
    ]
    assert (waiting["window_start"], waiting["window_end"]) == (None, None)
    assert (observed["window_start"], observed["window_end"]) == ("2026-06-03", "2026-07-01")
    assert observed["window_end_projected"] is False
    assert toxic["has_dlt"] is True
    assert str(event) in toxic["evidence"]
    move_to(clock, date(2026, 7, 1))
    (cohort,) = (await read(api))["items"]
    assert cohort["subjects"][1]["state"] == "in_window"
    move_to(clock, date(2026, 7, 2))
    (cohort,) = (await read(api))["items"]
    assert cohort["subjects"][1]["state"] == "evaluable"


async def test_a_window_is_projected_while_infusions_are_to_come(api, clock):
    """On level B the window ends 28 days after the second infusion, planned a week later."""
    await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    start = date(2026, 8, 3)
    move_to(clock, start)
    subject = await enrolled_subject(api, start)
    await infuse(api, subject, start)
    second = (await read(api))["items"][1]["subjects"][0]
    assert (second["window_end"], second["window_end_projected"]) == ("2026-09-07", True)


async def test_a_second_cohort_gives_six_places(api, clock):
    """After one DLT in three the decision opens three more places on the same level."""
    await treat(api, clock, FIRST_INFUSION, 3, dlts=1)
    (cohort,) = (await read(api))["items"]
    assert (cohort["status"], cohort["slots"], cohort["free_slots"]) == ("needs_six", 3, 0)
    await decide(api, "expand_to_six")
    (cohort,) = (await read(api))["items"]
    assert (cohort["status"], cohort["slots"], cohort["free_slots"]) == ("enrolling", 6, 3)


async def test_a_toxic_level_is_closed_to_dosing(api, clock):
    """Two DLTs: toxic at once, and after the decision no level is open."""
    await treat(api, clock, FIRST_INFUSION, 2, dlts=2)
    (cohort,) = (await read(api))["items"]
    assert (cohort["status"], cohort["dosing_blocked"]) == ("toxic", True)
    await decide(api, "stop_trial")
    (cohort,) = (await read(api))["items"]
    assert cohort["is_open"] is False


async def test_the_expansion_is_a_cohort_of_its_own(api, clock):
    """Six places of its own; full and observed it is complete."""
    for day in (date(2026, 6, 3), date(2026, 8, 1), date(2026, 10, 1)):
        await treat(api, clock, day, 3)
        if day.month < 10:
            await decide(api, "escalate")
    opened = await decide(api, "open_expansion", dose_level="A")
    expansion = (await read(api))["items"][-1]
    assert (expansion["dose_level"], expansion["phase"]) == ("A", "expansion")
    assert (expansion["slots"], expansion["free_slots"]) == (6, 6)
    assert (expansion["status"], expansion["is_open"]) == ("enrolling", True)
    assert expansion["decision_id"] == opened["id"]
    start = date(2027, 1, 10)
    move_to(clock, start)
    for _ in range(6):
        await infuse(api, await enrolled_subject(api, start), start)
    assert (await read(api))["items"][-1]["status"] == "waiting"
    move_to(clock, start + timedelta(days=29))
    expansion = (await read(api))["items"][-1]
    assert (expansion["status"], expansion["evaluable"]) == ("complete", 6)
    await decide(api, "stop_level", dose_level="A")
    expansion = (await read(api))["items"][-1]
    assert (expansion["status"], expansion["dosing_blocked"]) == ("closed", True)


async def test_cohorts_come_in_pages(api, clock):
    """Each page goes on where the one before ended."""
    await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    first = await read(api, limit=1)
    second = await read(api, limit=1, cursor=first["next"])
    assert [page["items"][0]["dose_level"] for page in (first, second)] == ["A", "B"]
    assert second["next"] is None


async def test_cohorts_are_read_as_they_were(api, clock):
    """Before the enrolment the place was free."""
    clock.now = datetime.now(UTC)
    before = datetime.now(UTC)
    await enrolled_subject(api, clock.now.date() + timedelta(days=2))
    clock.now = datetime.now(UTC)
    assert (await read(api))["items"][0]["enrolled"] == 1
    assert (await read(api, as_of=before.isoformat()))["items"][0]["enrolled"] == 0


@pytest.mark.parametrize(
    ("role", "status"), [(Role.CELL_LABORATORY, 200), (Role.MONITOR, 200), (Role.SPONSOR, 403)]
)
async def test_who_may_read_cohorts(api, role, status):
    """The sponsor sees totals in the metrics, not the places of subjects."""
    assert (await api(role).get("/cohorts")).status_code == status
