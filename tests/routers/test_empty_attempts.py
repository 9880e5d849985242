"""Infusions that were begun and gave nothing: cancelled, made up for, and never out of sight."""

from datetime import timedelta

import pytest

from app.domain.escalation_rules import DecisionAction
from tests.factories.dosing import change_infusion, give_infusion, infusions_of, prescribe
from tests.factories.events import adverse_event
from tests.factories.ladder import put_into_force
from tests.factories.subjects import enrolled


@pytest.fixture
async def subject(api, clock):
    """A subject of level A whose only infusion was begun and gave nothing."""
    subject = await enrolled(api)
    await give_infusion(api, subject, clock() - timedelta(hours=1), volume_ml=0)
    return subject


def refusal(answer):
    """Return status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def counted(api, subject):
    """Read how the subject counts on level A."""
    cohorts = (await api().get("/cohorts")).json()["items"]
    return next(x for each in cohorts for x in each["subjects"] if x["subject_id"] == subject)


async def test_an_empty_attempt_is_cancelled_and_made_up_for(api, clock, subject):
    """It uses up none of the planned infusions, and its bags stay used."""
    body = {"planned_date": "2026-06-01"}
    assert refusal(await api().post(infusions_of(subject), json=body)) == (409, "all_prescribed")
    cancelled = await change_infusion(api, subject, 1, cancelled=True)
    assert cancelled.status_code == 200, cancelled.text
    assert {bag["status"] for bag in cancelled.json()["bags"]} == {"infused"}
    schedule = (await api().get(f"/subjects/{subject}/schedule")).json()
    assert [x["status"] for x in schedule["infusions"]] == ["cancelled", "upcoming"]
    given = await give_infusion(api, subject, clock(), stopped_at=None)
    assert (given["number"], given["given"]) == (2, True)
    assert refusal(await api().post(infusions_of(subject), json=body)) == (409, "all_prescribed")
    assert (await api().get(f"/subjects/{subject}")).json()["status"] == "in_follow_up"


async def test_the_last_of_several_is_made_up_for(api, clock):
    """After one given and one empty infusion of two the treatment is still open."""
    await put_into_force(api, DecisionAction.ESCALATE, "B")
    subject = await enrolled(api, "B")
    await give_infusion(api, subject, clock() - timedelta(days=7))
    await give_infusion(api, subject, clock() - timedelta(hours=1), volume_ml=0)
    assert (await change_infusion(api, subject, 2, cancelled=True)).status_code == 200
    assert (await api().get(f"/subjects/{subject}")).json()["status"] == "on_treatment"
    assert (await prescribe(api, subject))["number"] == 3


@pytest.mark.parametrize("volume", [None, 1])
async def test_what_may_have_been_given_is_not_cancelled(api, clock, volume):
    """Only a recorded volume of 0 says that nothing was given, and it stays so."""
    subject = await enrolled(api)
    await give_infusion(api, subject, clock(), stopped_at=None, volume_ml=volume)
    refused = await change_infusion(api, subject, 1, cancelled=True)
    assert refusal(refused) == (409, "cancelled_or_started")
    both = await change_infusion(api, subject, 1, cancelled=True, volume_ml=0)
    assert both.status_code == 200
    more = await change_infusion(api, subject, 1, volume_ml=1)
    assert refusal(more) == (409, "cancelled_or_started")


async def test_a_reaction_after_an_empty_attempt_is_seen(api, clock, subject):
    """It has to be adjudicated; a subject who got nothing is not dosed, and no treatment began."""
    await adverse_event(api, {"id": subject}, clock().date(), term="Anaphylaxis", grade=4)
    found = await counted(api, subject)
    assert (found["state"], found["open_items"]) == ("not_dosed", 1)
    (event,) = (await api().get(f"/adverse-events?subject={subject}")).json()["items"]
    assert (event["dlt"]["state"], event["treatment_emergent"]) == ("pending", False)


async def test_a_death_after_an_empty_attempt_holds_the_trial(api, clock, subject):
    """Triggers count from the attempt, too."""
    await adverse_event(
        api, {"id": subject}, clock().date(), grade=5, outcome="fatal", seriousness=["death"]
    )
    held = (await api().get("/escalation")).json()["held_by"]
    assert [trigger["code"] for trigger in held] == ["related_death"]


async def test_a_missed_infusion_is_named(api, clock):
    """The open window says what it waits for."""
    subject = await enrolled(api)
    await prescribe(api, subject)
    clock.advance(days=3)
    reasons = (await counted(api, subject))["reasons"]
    assert reasons[1]["message"] == (
        "Infusion 1 is neither given nor cancelled; record it or cancel it."
    )


async def test_treatment_begins_with_what_may_have_been_given(api, clock):
    """Before its volume is filed an infusion counts; on record as empty it began nothing."""
    subject = await enrolled(api)
    await give_infusion(api, subject, clock(), stopped_at=None, volume_ml=None)
    event = await adverse_event(api, {"id": subject}, clock().date())

    async def emergent() -> bool:
        return (await api().get(f"/adverse-events/{event}")).json()["treatment_emergent"]

    assert await emergent() is True
    assert (await change_infusion(api, subject, 1, volume_ml=0)).status_code == 200
    assert await emergent() is False
