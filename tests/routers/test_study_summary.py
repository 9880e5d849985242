"""Where a study stands, in one answer for every role."""

import re

import pytest

from app.domain.vocabulary import Role
from tests.conftest import STUDY
from tests.documented import misfits
from tests.factories.events import dose_limiting_event
from tests.factories.responses import day, treated_subject
from tests.factories.rows import move_to
from tests.factories.subjects import eligible_subject

PATH = f"http://test/api/v1/studies/{STUDY}"


async def summary(api, role=Role.PRINCIPAL_INVESTIGATOR, **query):
    """Read the summary."""
    answer = await api(role).get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_new_study_enrols_on_its_lowest_level(api):
    """Nobody is there, three places are open on A, and nothing was decided."""
    found = await summary(api)
    assert (found["key"], found["time_zone"]) == (STUDY, "Asia/Shanghai")
    assert set(found["subjects"].values()) == {0}
    assert found["open_cohort"] == {"dose_level": "A", "phase": "escalation", "slots_open_now": 3}
    assert (found["recommendation"], found["level"], found["permitted"]) == ("enrol", "A", True)
    assert found["decisions"] == {
        "on_hold": False,
        "stopped": False,
        "closed_levels": [],
        "declared_mtd": None,
        "expansion_level": None,
        "proposal_open": False,
    }
    active = (await api().get("/protocol")).json()
    assert (found["protocol_version"], found["protocol_digest"]) == (
        active["number"],
        active["digest"],
    )


async def test_the_answer_is_as_documented(api, app):
    """Every part has its documented shape."""
    assert misfits(app, "read_study", await api().get(PATH)) == []


async def test_it_agrees_with_the_ladder(api, clock):
    """Two DLTs on A: the recommendation and the open places are those of the escalation."""
    for _ in range(2):
        subject = await treated_subject(api, clock)
        await dose_limiting_event(api, subject, day(1))
    await eligible_subject(api)
    move_to(clock, day(2))
    found, ladder = await summary(api), (await api().get("/escalation")).json()
    for name in ("recommendation", "level", "target_level", "permitted"):
        assert found[name] == ladder[name]
    assert (found["recommendation"], found["open_cohort"]["slots_open_now"]) == ("stop_trial", 0)
    assert {status: n for status, n in found["subjects"].items() if n} == {
        "screening": 1,
        "in_follow_up": 2,
    }


async def test_a_study_without_an_open_cohort_says_so(api):
    """After the trial was stopped no cohort is open and the decision is named."""
    digest = (await api().get("/escalation")).json()["digest"]
    body = {"digest": digest, "action": "stop_trial", "rationale": "The product is withdrawn."}
    answer = await api().post("/escalation/decisions", json=body)
    assert answer.status_code == 201, answer.text
    found = await summary(api)
    assert found["open_cohort"] is None
    assert found["decisions"]["stopped"] is True


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_may_read_it_and_none_learns_of_a_subject(api, clock, role):
    """It holds counts and levels only: no number, and no id but the study's."""
    subject = await treated_subject(api, clock)
    await dose_limiting_event(api, subject, day(1))
    answer = await api(role).get(PATH)
    assert answer.status_code == 200, answer.text
    assert subject["number"] not in answer.text
    ids = re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+", answer.text)
    assert ids == [answer.json()["study_id"]]
