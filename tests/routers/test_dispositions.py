"""Dispositions over HTTP: the legal exits, and why others are refused."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from app.domain.vocabulary import Role
from tests.factories.dosing import infuse
from tests.factories.events import adverse_event
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, eligible_subject, enrolled_subject

# record: the last visit is at week 24 after the last infusion, 168 days, within 7 days.
LAST_VISIT_FROM = 161


async def leave(api, subject, event, day="2026-06-01", role=Role.STUDY_COORDINATOR, **more):
    """Record an exit."""
    body = {"event": event, "event_date": str(day), "reason": "As the source says."} | more
    return await api(role).post(f"/subjects/{subject['id']}/disposition", json=body)


async def status(api, subject):
    """Read the derived status."""
    return (await api().get(f"/subjects/{subject['id']}")).json()["status"]


async def treated(api, clock):
    """Give a subject of level A the one infusion."""
    subject = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    return subject


async def test_a_screen_failure_ends_the_screening(api):
    """The record comes back whole, and the status follows."""
    subject = await eligible_subject(api)
    answer = await leave(api, subject, "screen_failed")
    assert answer.status_code == 201, answer.text
    assert answer.json()["event"] == "screen_failed"
    assert answer.json()["event_date"] == "2026-06-01"
    assert answer.json()["reason"] == "As the source says."
    assert await status(api, subject) == "screen_failed"


@pytest.mark.parametrize("event", ["completed", "lost_to_follow_up", "withdrew_treatment"])
async def test_a_subject_in_screening_cannot_leave_like_a_treated_one(api, event):
    """The refusal says how the subject stands."""
    answer = await leave(api, await eligible_subject(api), event, contact_attempts=3)
    assert (answer.status_code, answer.json()["code"]) == (409, "disposition_not_allowed")
    assert "screening" in answer.json()["detail"]


async def test_an_enrolled_subject_does_not_fail_screening(api):
    """Once enrolled, the exit has another name."""
    answer = await leave(api, await enrolled_subject(api), "screen_failed")
    assert answer.json()["code"] == "disposition_not_allowed"


async def test_nothing_follows_a_death(api, clock):
    """A dead subject neither withdraws nor dies again."""
    subject = await treated(api, clock)
    assert (await leave(api, subject, "died", FIRST_INFUSION)).status_code == 201
    for event in ("died", "withdrew_consent", "lost_to_follow_up"):
        answer = await leave(api, subject, event, FIRST_INFUSION, contact_attempts=3)
        assert answer.status_code == 409, answer.text
    assert await status(api, subject) == "died"


async def test_a_subject_is_lost_only_after_three_attempts(api, clock):
    """Two attempts are not enough; the field at fault is named."""
    subject = await treated(api, clock)
    day = FIRST_INFUSION
    for attempts in (None, 2):
        answer = await leave(api, subject, "lost_to_follow_up", day, contact_attempts=attempts)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/body/contact_attempts"
    assert (
        await leave(api, subject, "lost_to_follow_up", day, contact_attempts=3)
    ).status_code == 201


async def test_a_subject_completes_at_the_last_visit(api, clock):
    """One day before its window the completion is refused, on its first day it is taken."""
    subject = await treated(api, clock)
    first = FIRST_INFUSION + timedelta(days=LAST_VISIT_FROM)
    move_to(clock, first)
    early = await leave(api, subject, "completed", first - timedelta(days=1))
    assert (early.status_code, early.json()["code"]) == (409, "follow_up_not_over")
    assert (await leave(api, subject, "completed", first)).status_code == 201
    assert await status(api, subject) == "completed"


async def test_an_exit_before_a_given_infusion_is_refused(api, clock):
    """Somebody who was infused later had not left."""
    subject = await treated(api, clock)
    answer = await leave(api, subject, "withdrew_consent", FIRST_INFUSION - timedelta(days=1))
    assert (answer.status_code, answer.json()["code"]) == (409, "infusion_after_exit")


async def test_a_death_before_something_seen_is_refused(api, clock):
    """An event began the day after the alleged death."""
    subject = await treated(api, clock)
    move_to(clock, FIRST_INFUSION + timedelta(days=2))
    await adverse_event(api, subject, FIRST_INFUSION + timedelta(days=1))
    answer = await leave(api, subject, "died", FIRST_INFUSION)
    assert (answer.status_code, answer.json()["code"]) == (409, "observation_after_death")
    later = FIRST_INFUSION + timedelta(days=1)
    assert (await leave(api, subject, "died", later)).status_code == 201


@pytest.mark.parametrize(
    ("day", "code"), [("2026-06-02", "future_date"), ("2026-05-24", "before_screening")]
)
async def test_the_day_lies_between_screening_and_today(api, day, code):
    """One day off on either side is refused, and the field is named."""
    answer = await leave(api, await eligible_subject(api), "screen_failed", day)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == "/body/event_date"


@pytest.mark.parametrize("day", ["2026-05-25", "2026-06-01"])
async def test_the_day_of_screening_and_today_are_taken(api, day):
    """Both ends belong to the span."""
    answer = await leave(api, await eligible_subject(api), "screen_failed", day)
    assert answer.status_code == 201, answer.text


async def test_a_withdrawal_of_treatment_leaves_the_subject_in_follow_up(api, clock):
    """The subject can still be lost or withdraw consent later."""
    subject = await enrolled_subject(api)
    assert (await leave(api, subject, "withdrew_treatment")).status_code == 201
    assert await status(api, subject) == "withdrew_treatment"
    move_to(clock, date(2026, 7, 1))
    assert (await leave(api, subject, "withdrew_consent", "2026-07-01")).status_code == 201
    assert await status(api, subject) == "withdrew_consent"


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 201),
        (Role.SUB_INVESTIGATOR, 201),
        (Role.STUDY_COORDINATOR, 201),
        (Role.DATA_MANAGER, 403),
        (Role.SAFETY_COMMITTEE, 403),
    ],
)
async def test_who_may_record_an_exit(api, role, expected):
    """Investigators and the coordinator do; nobody else does."""
    answer = await leave(api, await eligible_subject(api), "screen_failed", role=role)
    assert answer.status_code == expected


async def test_a_stranger_is_not_found(api):
    """A subject that is not of this study cannot be told from one that is nowhere."""
    assert (await leave(api, {"id": str(uuid4())}, "screen_failed")).status_code == 404


async def test_a_fatal_event_counts_as_the_death_it_tells_of(api, clock):
    """The subject is dead for every conclusion, and the death can still be recorded itself."""
    subject = await enrolled_subject(api)
    await infuse(api, subject, FIRST_INFUSION)
    clock.advance(days=6)
    onset = clock().isoformat()
    event = {
        "subject_id": subject["id"], "term": "Stroke", "grade": 5, "onset_at": onset,
        "ended_at": onset, "outcome": "fatal", "seriousness": ["death"], "causality": "unrelated",
        "causality_disease": "definite",
    }  # fmt: skip
    made = await api().post("/adverse-events", json=event)
    assert made.status_code == 201, made.text
    clock.advance(days=60)
    path = f"/subjects/{subject['id']}"
    assert (await api().get(path)).json()["status"] == "died"
    cohort = (await api().get("/cohorts")).json()["items"][0]
    assert (cohort["evaluable"], cohort["subjects"][0]["state"]) == (0, "not_evaluable")
    prescribed = await api().post(f"{path}/infusions", json={"planned_date": "2026-08-10"})
    assert prescribed.status_code == 409
    day = made.json()["ended_at"][:10]
    died = {"event": "died", "event_date": day, "reason": "Death certificate."}
    assert (await api().post(f"{path}/disposition", json=died)).status_code == 201
