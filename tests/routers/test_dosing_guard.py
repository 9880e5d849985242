"""Whether anybody may be dosed: holds and toxic levels stop orders and starts, never the record."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.escalation_rules import DecisionAction
from tests.dosing_factories import (
    change_infusion,
    create_bags,
    decide,
    enrolled,
    give_infusion,
    infusions_of,
    prescribe,
)
from tests.trial_subjects import dose_limiting_event


async def cohort(api):
    """Enrol four subjects on level A, as after an expansion to six."""
    return [await enrolled(api) for _ in range(4)]


@pytest.fixture
async def subjects(api):
    """Four subjects enrolled on level A."""
    return await cohort(api)


async def make_toxic(api, clock, subjects):
    """Give two subjects their infusion and record a DLT of each."""
    for subject in subjects:
        at = clock() - timedelta(days=2)
        await give_infusion(api, subject, at)
        await dose_limiting_event(api, {"id": subject}, at.date())


async def start(api, subject, bags, at):
    """Try to record the start of the first infusion."""
    return await change_infusion(api, subject, 1, bag_ids=bags, started_at=at.isoformat())


def refusal(answer):
    """Return status, code and the codes of the reasons."""
    body = answer.json()
    return answer.status_code, body["code"], [reason["code"] for reason in body["errors"]]


TOXIC = (409, "dosing_not_allowed", ["level_toxic"])


async def test_a_toxic_level_is_not_dosed(api, clock, subjects):
    """After two DLTs nothing is prescribed on the level and nothing prescribed is started."""
    first, second, prescribed, waiting = subjects
    await prescribe(api, prescribed)
    await make_toxic(api, clock, [first, second])
    refused = await api().post(infusions_of(waiting), json={"planned_date": "2026-06-01"})
    assert refusal(refused) == TOXIC
    bags = await create_bags(api)
    assert refusal(await start(api, prescribed, bags, clock())) == TOXIC
    left = (await api().get("/product-bags?status=available")).json()["items"]
    assert {bag["id"] for bag in left} >= set(bags)


async def test_one_dlt_stops_nothing(api, clock, subjects):
    """The level goes on with its second cohort."""
    await make_toxic(api, clock, subjects[:1])
    assert (await give_infusion(api, subjects[1], clock(), stopped_at=None))["given"] is True


async def test_a_hold_stops_starts_until_it_is_lifted(api, clock, subjects):
    """The committee's hold forbids the dose, its resume allows it again."""
    subject = subjects[0]
    await prescribe(api, subject)
    bags = await create_bags(api)
    await decide(api, DecisionAction.HOLD)
    refused = await start(api, subject, bags, clock())
    assert refusal(refused) == (409, "dosing_not_allowed", ["hold_in_force"])
    await decide(api, DecisionAction.RESUME)
    assert (await start(api, subject, bags, clock())).status_code == 200


async def test_what_was_given_before_the_dlts_were_known_is_recorded(
    committing_api, committing_database, clock
):
    """An infusion is judged by what was known when it began, so no infusion stays unrecorded."""
    api = committing_api

    async def present():
        """Set the test's clock to that of the database, which says when facts became known."""
        async with committing_database.session() as session:
            clock.now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return clock.now

    first, second, given, waiting = await cohort(api)
    await present()
    for subject in (given, waiting):
        await prescribe(api, subject, planned_date=clock().date().isoformat())
    began_at = await present()
    await make_toxic(api, clock, [first, second])
    known_at = await present()
    bags = await create_bags(api)
    assert refusal(await start(api, waiting, bags, known_at)) == TOXIC
    await present()
    assert refusal(await start(api, waiting, bags, known_at)) == TOXIC
    late = await start(api, given, bags, began_at)
    assert late.status_code == 200, late.text
    more = await change_infusion(api, given, 1, volume_ml=120, note="Filed from the source.")
    assert more.json()["given"] is True
