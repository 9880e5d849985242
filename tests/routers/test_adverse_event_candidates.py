"""Candidates over HTTP: results that got worse and are no event yet."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.dosing import dose
from tests.factories.labs import neutrophils
from tests.factories.subjects import register
from tests.routers.test_adverse_events import change


@pytest.fixture
async def subject(api, session) -> str:
    """A treated subject whose neutrophils fell from grade 3 to grade 4."""
    subject = await register(api)
    await dose(api, subject)
    for day, value in (("2026-05-03", 0.8), ("2026-05-11", 0.4)):
        body = neutrophils(subject, value=value, collected_at=f"{day}T08:00:00+08:00")
        answer = await api().post("/labs", json=body)
        assert answer.status_code == 201, answer.text
    return subject


async def candidates(api, query: str = "") -> list[dict]:
    """Read the candidates."""
    answer = await api(Role.SAFETY_COMMITTEE).get(f"/adverse-events/candidates{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_a_result_is_a_candidate_until_the_event_is_recorded(api, subject):
    """It names subject, term, grades, evidence and protocol; the right event takes it away."""
    (found,) = await candidates(api)
    (_, worse) = (await api().get("/labs")).json()["items"]
    assert found["subject_id"] == subject
    assert found["subject_number"] == "S-001"
    assert found["term"] == "Neutrophil count decreased"
    assert (found["baseline_grade"], found["grade"]) == (3, 4)
    assert found["evidence"] == [worse["id"]]
    assert found["protocol_version"] == 1
    body = {
        "subject_id": subject,
        "term": found["term"],
        "grade": 3,
        "onset_at": found["onset_at"],
    }
    event = (await api().post("/adverse-events", json=body)).json()
    (found,) = await candidates(api)
    assert found["adverse_event_id"] == event["id"]
    event = (await change(api(), event, grade=4)).json()
    assert await candidates(api) == []
    await change(api(), event, retracted=True)
    assert len(await candidates(api)) == 1


async def test_candidates_of_one_subject(api, subject):
    """Another subject has none."""
    other = await register(api)
    assert await candidates(api, f"?subject={other}") == []
    assert len(await candidates(api, f"?subject={subject}")) == 1


async def test_who_may_read_candidates(api, subject):
    """Whoever reads events."""
    answer = await api(Role.CELL_LABORATORY).get("/adverse-events/candidates")
    assert answer.status_code == 403
