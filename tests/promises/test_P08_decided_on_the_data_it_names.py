"""P08: a decision is computed on the data it names, and no fact slips in between."""

import asyncio

import pytest
from sqlalchemy import select

from app.domain.vocabulary import Role
from app.models import AdverseEvent
from app.services.locks import lock_study, share_study
from tests.factories.events import adverse_event, dose_limiting_event
from tests.factories.ladder import propose, read_ladder, treat, verdict
from tests.factories.rows import at, writing
from tests.factories.subjects import FIRST_INFUSION, eligible_subject, enrol

A_WHILE = 0.4  # seconds, several times what an undisturbed request takes


async def tolerated(api, clock):
    """Treat level A so that the committee may escalate."""
    return await treat(api, clock, FIRST_INFUSION, 3)


async def proposed(api):
    """Propose to escalate."""
    answer = await propose(api, "escalate")
    assert answer.status_code == 201, answer.text
    return answer.json()


async def waits(task) -> bool:
    """Tell whether a request is still waiting after a while."""
    done, _ = await asyncio.wait({task}, timeout=A_WHILE)
    return not done


async def test_a_dlt_before_the_decision_is_in_its_snapshot(committing_api, clock):
    """The event and its adjudication are named with their versions."""
    subjects = await tolerated(committing_api, clock)
    event = await dose_limiting_event(committing_api, subjects[1], FIRST_INFUSION)
    answer = await propose(committing_api, "expand_to_six")
    (subject,) = [each for each in answer.json()["evidence"]["subjects"] if each["has_dlt"]]
    assert subject["subject_id"] == subjects[1]["id"]
    assert {"id": str(event), "version": 1} in subject["evidence"]
    assert answer.json()["recommendation"]["levels"][0]["tally"]["dlts"] == 1


async def test_a_dlt_after_the_proposal_makes_its_digest_stale(committing_api, clock):
    """The committee cannot confirm what is no longer so."""
    subjects = await tolerated(committing_api, clock)
    decision = await proposed(committing_api)
    await dose_limiting_event(committing_api, subjects[0], FIRST_INFUSION)
    answer = await verdict(committing_api, decision)
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_moved")
    assert (await read_ladder(committing_api))["digest"] != decision["digest"]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_verdict_waits_for_a_fact_that_is_being_written(committing_api, clock, kept):
    """If the event is stored the verdict finds it; if it is given up the verdict stands."""
    subjects = await tolerated(committing_api, clock)
    decision = await proposed(committing_api)
    try:
        async with writing(committing_api) as (session, actor):
            await share_study(session, actor.study_id)
            session.add(candidate(actor.study_id, subjects[0]))
            await session.flush()
            task = asyncio.create_task(verdict(committing_api, decision))
            assert await waits(task)
            if not kept:
                raise GivenUpError
    except GivenUpError:
        pass
    answer = await task
    assert answer.status_code == (409 if kept else 201), answer.text
    opened = (await read_ladder(committing_api))["state"]["open_level"]
    assert opened == ("A" if kept else "B")


async def test_control_without_the_lock_nobody_waits(committing_api, clock):
    """The control: a writer who does not share the study's lock is passed by, unseen."""
    subjects = await tolerated(committing_api, clock)
    decision = await proposed(committing_api)
    async with writing(committing_api) as (session, actor):
        session.add(candidate(actor.study_id, subjects[0]))
        await session.flush()
        answer = await verdict(committing_api, decision)
        assert answer.status_code == 201, answer.text


class GivenUpError(Exception):
    """The writer gives up."""


def candidate(study_id, subject):
    """Make an event that is proposed as dose-limiting."""
    return AdverseEvent(
        study_id=study_id, subject_id=subject["id"], term="Hypoxia", soc="Respiratory",
        ctcae_version="5.0", grade=3, onset_at=at(FIRST_INFUSION, 12),
        aware_at=at(FIRST_INFUSION, 13), seriousness=[], causality="probable",
        action_taken="none", outcome="recovered",
    )  # fmt: skip


async def test_facts_that_count_wait_for_a_decision(committing_api, clock):
    """While a decision is being taken no event, adjudication, exit or enrolment is stored."""
    api = committing_api
    subjects = await tolerated(api, clock)
    event = await adverse_event(api, subjects[0], FIRST_INFUSION)
    applicant = await eligible_subject(api)
    async with writing(api) as (session, actor):
        await lock_study(session, actor.study_id)
        tasks = [
            asyncio.create_task(request)
            for request in (
                record_event(api, subjects[1]),
                sign(api, event),
                leave(api, subjects[2]),
                enrol(api, applicant),
            )
        ]
        for task in tasks:
            assert await waits(task)
        before = (await session.scalars(select(AdverseEvent.id))).all()
        assert before == [event]
    recorded, signed, left, enrolled = await asyncio.gather(*tasks)
    assert (recorded.status_code, signed.status_code, left.status_code) == (201, 201, 201)
    assert enrolled.status_code == 409


async def record_event(api, subject):
    """Record an event over HTTP."""
    body = {
        "subject_id": subject["id"],
        "term": "Hypoxia",
        "grade": 3,
        "onset_at": at(FIRST_INFUSION, 12).isoformat(),
        "aware_at": at(FIRST_INFUSION, 13).isoformat(),
        "seriousness": [],
        "causality": "probable",
        "action_taken": "none",
        "outcome": "recovered",
    }
    return await api(Role.SUB_INVESTIGATOR).post("/adverse-events", json=body)


async def sign(api, event):
    """Adjudicate an event over HTTP."""
    body = {"adverse_event_version": 1, "is_dlt": True, "rationale": "Severe and related."}
    return await api().post(f"/adverse-events/{event}/dlt-adjudications", json=body)


async def leave(api, subject):
    """Record an exit over HTTP."""
    body = {"event": "withdrew_consent", "event_date": "2026-07-01", "reason": "Moved away."}
    return await api().post(f"/subjects/{subject['id']}/disposition", json=body)
