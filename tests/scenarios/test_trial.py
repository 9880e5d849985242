"""Whole trials over HTTP, from the first consent to what they were run for."""

from datetime import date, timedelta

from tests.conftest import STUDY
from tests.factories.ladder import decide, treat, verdict
from tests.factories.rows import move_to
from tests.factories.subjects import enrol
from tests.scenarios.trial_steps import (
    close_windows,
    expand,
    judge,
    read,
    recover,
    screen,
    suffer,
    treat_cohort,
)

SUMMARY = f"http://test/api/v1/studies/{STUDY}"
DAY = date(2026, 6, 8)
SECOND, THIRD, FOURTH, FIFTH = (DAY + timedelta(weeks=weeks) for weeks in (6, 12, 19, 28))


async def step(api) -> tuple[str, str | None]:
    """Read what the ladder recommends, and for which level."""
    ladder = await read(api, "/escalation")
    return ladder["recommendation"], ladder["target_level"] or ladder["level"]


def tally(ladder, level):
    """Count the DLTs among the evaluable subjects of a level."""
    found = next(each for each in ladder["ladder"] if each["level"] == level)["tally"]
    return found["dlts"], found["evaluable"]


async def test_a_trial_from_the_first_consent_to_a_response(api, clock):
    """1/3 on A expands, 1/6 escalates, B and C are tolerated, C expands, and a subject recovers."""
    first, *_ = await treat_cohort(api, clock, DAY, ready=screen)
    eligibility = await read(api, f"/subjects/{first['id']}/eligibility")
    assert (eligibility["verdict"], eligibility["unknown"]) == ("eligible", [])

    # A window is open: nobody can know yet, and a fourth subject has to wait.
    ladder = await read(api, "/escalation")
    assert ladder["recommendation"] == "hold"
    assert "escalate" not in ladder["admissible_actions"]
    assert [blocker["code"] for blocker in ladder["blocked_by"]] == ["in_window"]
    fourth = await screen(api, DAY + timedelta(days=3))
    assert (await enrol(api, fourth)).status_code == 409

    event = await suffer(api, first, DAY)
    candidate = await read(api, f"/adverse-events/{event['id']}")
    assert candidate["dlt"]["state"] == "pending"
    close_windows(clock)
    assert (await step(api))[0] == "hold"
    await judge(api, event, is_dlt=True)
    assert await step(api) == ("expand_to_six", "A")
    assert tally(await read(api, "/escalation"), "A") == (1, 3)
    await decide(api, "expand_to_six")

    await treat_cohort(api, clock, SECOND)
    close_windows(clock)
    assert tally(await read(api, "/escalation"), "A") == (1, 6)
    for level, day in (("B", THIRD), ("C", FOURTH)):
        assert await step(api) == ("escalate", level)
        await decide(api, "escalate")
        subjects = await treat_cohort(api, clock, day)
        assert {subject["enrolment"]["dose_level"] for subject in subjects} == {level}
        close_windows(clock)
    ladder = await read(api, "/escalation")
    assert ladder["recommendation"] == "level_tolerated"
    assert (ladder["mtd"], ladder["highest_tolerated"]) == ("not_reached", "C")

    proposed = await expand(api, "C")
    assert proposed.status_code == 201, proposed.text
    assert (await verdict(api, proposed.json())).json()["status"] == "in_force"
    [subject] = await treat_cohort(api, clock, FIFTH, size=1, ready=screen)
    assert (subject["enrolment"]["phase"], subject["enrolment"]["dose_level"]) == ("expansion", "C")

    last = FIFTH + timedelta(weeks=3)
    move_to(clock, last + timedelta(days=29))
    await recover(api, subject, last)
    response = await read(api, f"/subjects/{subject['id']}/response")
    week4 = next(
        each["standing"]
        for each in response["endpoints"]
        if each["reading"]["primary"] and each["reading"]["week"] == 4
    )
    assert (week4["category"], week4["since_day"]) == (
        "CR",
        (last + timedelta(days=21)).isoformat(),
    )
    await the_books_agree(api)


async def the_books_agree(api):
    """Check the study's own counts and its trail against what was done."""
    summary = await read(api, SUMMARY)
    assert sum(summary["subjects"].values()) == 14
    assert summary["subjects"]["screening"] == 1
    safety = await read(api, "/metrics/safety")
    assert safety["protocol_digest"] == summary["protocol_digest"]
    decisions = (await read(api, "/escalation/decisions"))["items"]
    assert [(each["action"], each["dose_level"]) for each in decisions] == [
        ("expand_to_six", "A"),
        ("escalate", "B"),
        ("escalate", "C"),
        ("open_expansion", "C"),
    ]
    assert all(each["proposed_by"] != each["verdict"]["given_by"] for each in decisions)
    operations = (await read(api, "/audit/operations?command=give_verdict"))["items"]
    assert len(operations) == 4


async def test_two_toxicities_close_a_level_and_fill_the_one_below(api, clock):
    """0/3 on A escalates; 2/3 on B is toxic; A, filled to six, becomes the MTD."""
    await treat(api, clock, DAY, 3)
    assert await step(api) == ("escalate", "B")
    await decide(api, "escalate")
    first, second, _ = await treat_cohort(api, clock, SECOND)
    for subject in (first, second):
        await judge(api, await suffer(api, subject, SECOND), is_dlt=True)
    close_windows(clock)
    ladder = await read(api, "/escalation")
    assert tally(ladder, "B") == (2, 3)
    assert ladder["recommendation"] == "stop_level"
    await decide(api, "stop_level")
    assert await step(api) == ("refill_lower", "A")
    assert (await enrol(api, await screen(api, clock.now.date()))).status_code == 409
    await decide(api, "refill_lower")
    await treat(api, clock, THIRD, 3)
    ladder = await read(api, "/escalation")
    assert (ladder["mtd"], ladder["highest_tolerated"]) == ("A", "A")
    await decide(api, "declare_mtd")
    assert (await read(api, "/escalation"))["state"]["declared_mtd"] == "A"
    assert (await expand(api, "B")).status_code == 409


async def test_toxicity_on_the_lowest_level_ends_the_trial(api, clock):
    """2/3 on A: there is nothing below, so the trial stops, and nobody is enrolled any more."""
    subjects = await treat_cohort(api, clock, DAY)
    for subject in subjects[:2]:
        await judge(api, await suffer(api, subject, DAY), is_dlt=True)
    close_windows(clock)
    ladder = await read(api, "/escalation")
    assert tally(ladder, "A") == (2, 3)
    assert ladder["recommendation"] == "stop_trial"
    await decide(api, "stop_trial")
    assert (await read(api, SUMMARY))["decisions"]["stopped"] is True
    assert (await enrol(api, await screen(api, clock.now.date()))).status_code == 409
