"""Enrolment over HTTP, against the lists of subjects and cohorts."""

from collections import Counter
from datetime import date

from app.domain.vocabulary import Role
from tests.factories.responses import day, treated_subject
from tests.factories.rows import move_to
from tests.factories.subjects import eligible_subject, enrolled_subject


async def enrolment(api):
    """Read the enrolment metrics."""
    answer = await api(Role.SPONSOR).get("/metrics/enrolment")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def leave(api, subject, event, on_day, **more):
    """Record how a subject left."""
    body = {"event": event, "event_date": on_day.isoformat(), "reason": "Recorded by a test."}
    path = f"/subjects/{subject['id']}/disposition"
    answer = await api(Role.SUB_INVESTIGATOR).post(path, json=body | more)
    assert answer.status_code == 201, answer.text


async def trial(api, clock):
    """Treat two, one of whom withdraws; enrol one; fail two screenings; keep one in screening."""
    treated = [await treated_subject(api, clock) for _ in range(2)]
    await enrolled_subject(api)
    failed = [await eligible_subject(api, disease="other"), await eligible_subject(api)]
    move_to(clock, day(40))
    await eligible_subject(api, date(2026, 7, 20))
    await leave(api, treated[0], "withdrew_consent", day(30))
    for subject in failed:
        await leave(api, subject, "screen_failed", day(1))


async def test_counts_follow_from_the_single_subjects(api, clock):
    """Statuses, levels and dispositions are recounted from the lists."""
    await trial(api, clock)
    subjects = (await api().get("/subjects")).json()["items"]
    cohorts = (await api().get("/cohorts")).json()["items"]
    metrics = await enrolment(api)
    assert metrics["screened"] == len(subjects) == 6
    assert {k: v for k, v in metrics["statuses"].items() if v} == Counter(
        x["status"] for x in subjects
    )
    assert metrics["enrolled"] == sum(x["dose_level"] is not None for x in subjects) == 3
    assert metrics["treated"] == sum(x["dosed"] for x in cohorts) == 2
    for cohort in cohorts:
        row = next(x for x in metrics["levels"] if x["level"] == cohort["dose_level"])
        for name in ("enrolled", "in_window", "unresolved", "evaluable", "not_evaluable"):
            assert row[name] == cohort[name], name
    assert {k: v for k, v in metrics["dispositions"].items() if v} == {
        "screen_failed": 2,
        "withdrew_consent": 1,
    }


async def test_the_plan_is_that_of_the_record(api):
    """15 in the public record; caps of 18, 6 and 24 beside it."""
    assert (await enrolment(api))["planned"] == {
        "registered": 15,
        "escalation_maximum": 18,
        "level_maximum": 6,
        "expansion": 6,
        "total_maximum": 24,
    }


async def test_failures_are_counted_by_the_criterion_they_rest_on(api, clock):
    """One does not have a disease of I3; the other fails nothing that is on record."""
    await trial(api, clock)
    found = (await enrolment(api))["screen_failures"]
    assert (found["subjects"], found["unattributed"]) == (2, 1)
    assert [(x["criterion"], x["subjects"]) for x in found["by_criterion"]] == [("I3", 1)]


async def test_months_are_the_finest_dates(api, clock):
    """Screened in May and July, first infusions in June, and totals that never fall."""
    await trial(api, clock)
    months = {x["month"]: x for x in (await enrolment(api))["months"]}
    assert (months["2026-05"]["screened"], months["2026-07"]["screened"]) == (5, 1)
    assert months["2026-06"]["first_treated"] == 2
    assert months["2026-06"]["screened_so_far"] == 5
    last = list(months.values())[-1]
    assert (last["screened_so_far"], last["first_treated_so_far"]) == (6, 2)
    assert sum(x["enrolled"] for x in months.values()) == last["enrolled_so_far"] == 3
