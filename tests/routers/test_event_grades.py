"""The grades of an event over HTTP: who stated which when, the worst, and corrections."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.dosing import create_bags, infuse
from tests.factories.events import adverse_event
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, created, enrolled_subject, register
from tests.routers.test_adverse_events import change

EVENT = {
    "term": "Hypertension",
    "grade": 2,
    "onset_at": "2026-05-31T23:00:00+08:00",
    "action_taken": "none",
    "outcome": "recovering",
}


@pytest.fixture
async def report(api):
    """Record an event of a subject who consented."""
    subject = await register(api)

    async def made(**changes) -> dict:
        body = {"subject_id": subject} | EVENT | changes
        return created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body))

    return made


async def test_the_grades_of_an_event_with_who_and_why(api, report):
    """Two, four, two: the worst is four until somebody says that it never was."""
    event = await report()
    worse = (await change(api(Role.SUB_INVESTIGATOR), event, grade=4)).json()
    better = (await change(api(Role.STUDY_COORDINATOR), worse, grade=2)).json()
    path = f"/adverse-events/{event['id']}/grades"
    found = (await api(Role.MONITOR).get(path)).json()
    assert (found["grade"], found["worst_grade"]) == (2, 4)
    assert [(item["grade"], item["version"], item["role"]) for item in found["items"]] == [
        (2, 1, "study_coordinator"), (4, 2, "sub_investigator"), (2, 3, "study_coordinator"),
    ]  # fmt: skip
    assert all(item["recorded_by"] for item in found["items"])
    assert found["items"][1]["until"] == found["items"][2]["since"]
    assert found["items"][2]["reason"] == "Corrected after review."
    again = (await change(api(), better, grade=4)).json()
    await change(api(), again, grade=3, corrects_grade=True)
    found = (await api(Role.MONITOR).get(path)).json()
    assert [item["mistaken"] for item in found["items"]] == [False, False, False, True, False]
    assert found["worst_grade"] == 4


async def test_a_correction_without_another_grade_is_refused(api, report):
    """Nothing is stored; a death that is taken back is a correction by itself."""
    event = await report()
    refused = await change(api(), event, grade=2, corrects_grade=True)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_other_grade")
    assert (await api().get(f"/adverse-events/{event['id']}")).json()["version"] == 1
    dead = await report(
        term="Sepsis",
        grade=5,
        outcome="fatal",
        seriousness=["death"],
        ended_at="2026-05-31T23:30:00+08:00",
    )
    alive = await change(
        api(), dead, grade=4, outcome="recovering", seriousness=["hospitalization"], ended_at=None
    )
    assert alive.status_code == 200, alive.text
    assert alive.json()["worst_grade"] == 4


async def test_another_term_leaves_no_grade_that_it_lacks(api, report):
    """Sepsis of grade four became viremia, which ends at three: four never was, also not before."""
    event = await report(term="Sepsis", grade=4)
    refused = await change(api(), event, term="Viremia", grade=2)
    assert (refused.status_code, refused.json()["code"]) == (422, "worst_grade_not_in_term")
    assert (await api().get(f"/adverse-events/{event['id']}")).json()["version"] == 1
    said = await change(api(), event, term="Viremia", grade=2, corrects_grade=True)
    assert (said.status_code, said.json()["worst_grade"]) == (200, 2)
    event = await report(term="Fever", grade=4)
    event = (await change(api(), event, grade=2)).json()
    said = await change(api(), event, term="Viremia", corrects_grade=True)
    assert (said.status_code, said.json()["worst_grade"]) == (200, 2)


async def test_the_worst_grade_is_read_as_it_was(api, report, session, clock):
    """Before it got worse the worst was what it was then."""
    event = await report()
    before = await session.scalar(text("SELECT clock_timestamp()"))
    await change(api(), event, grade=3)
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    path = f"/adverse-events/{event['id']}"
    then = (await api().get(f"{path}/grades", params={"as_of": before.isoformat()})).json()
    assert (then["grade"], then["worst_grade"], len(then["items"])) == (2, 2, 1)
    assert (await api().get(path)).json()["worst_grade"] == 3


async def test_summaries_count_the_worst_grade(api, clock):
    """A participant whose event went from three to one is counted with a grade 3 event."""
    subject = await enrolled_subject(api)
    await create_bags(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    event = {"id": str(await adverse_event(api, subject, FIRST_INFUSION)), "version": 1}
    clock.advance(days=1)

    async def counted() -> list:
        metrics = (await api(Role.SPONSOR).get("/metrics/safety")).json()
        return [metrics["terms"], metrics["special_interest"]]

    before = await counted()
    assert "Infusion related reaction" in str(before)
    changed = await change(api(), event, grade=1)
    assert changed.status_code == 200, changed.text
    assert await counted() == before
    await change(api(), {**event, "version": 2}, grade=3)
    await change(api(), {**event, "version": 3}, grade=2, corrects_grade=True)
    assert await counted() == before
