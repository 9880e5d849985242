"""Reactions beside the infusion that they followed, for those who may read events."""

from datetime import timedelta

import pytest

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.dosing import give_infusion
from tests.factories.subjects import created, enrolled

START = NOW - timedelta(days=3)


@pytest.fixture
async def subject(api) -> str:
    """A subject who shivered two hours after the infusion."""
    subject = await enrolled(api)
    await give_infusion(api, subject, START)
    onset = (START + timedelta(hours=2)).isoformat()
    body = {"subject_id": subject, "term": "Chills", "grade": 2, "onset_at": onset}
    created(await api(Role.STUDY_COORDINATOR).post("/adverse-events", json=body))
    return subject


async def reactions(api, subject: str, role: Role):
    """Read the reactions to the first infusion."""
    answer = await api(role).get(f"/subjects/{subject}/infusions/1")
    assert answer.status_code == 200, answer.text
    return answer.json()["reactions"]


async def test_a_reaction_stands_beside_its_infusion(api, subject):
    """Term, grade and onset, with the event's own id; a retracted event is gone."""
    (found,) = await reactions(api, subject, Role.SUB_INVESTIGATOR)
    assert (found["term"], found["grade"]) == ("Chills", 2)
    path = f"/adverse-events/{found['adverse_event_id']}"
    event = await api().get(path)
    assert event.json()["onset_at"] == found["onset_at"]
    body = {"retracted": True, "reason": "Another person's."}
    tag = {"If-Match": event.headers["etag"]}
    assert (await api().patch(path, json=body, headers=tag)).status_code == 200
    assert await reactions(api, subject, Role.SUB_INVESTIGATOR) == []


async def test_who_reads_no_events_sees_no_reactions(api, subject):
    """The cell laboratory reads the infusion and is told nothing of events."""
    assert await reactions(api, subject, Role.CELL_LABORATORY) is None
