"""Whether anybody may be dosed: holds and toxic levels stop orders and starts, never the record."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.escalation_rules import DecisionAction
from tests.factories.dosing import (
    change_infusion,
    create_bags,
    give_infusion,
    infusions_of,
    prescribe,
)
from tests.factories.events import dose_limiting_event
from tests.factories.ladder import put_into_force
from tests.factories.subjects import enrolled, leave


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
    await put_into_force(api, DecisionAction.HOLD)
    refused = await start(api, subject, bags, clock())
    assert refusal(refused) == (409, "dosing_not_allowed", ["hold_in_force"])
    await put_into_force(api, DecisionAction.RESUME)
    assert (await start(api, subject, bags, clock())).status_code == 200


async def test_a_hold_stops_orders_for_today_and_later(api, subjects):
    """Only what was given in the past may still be entered."""
    await put_into_force(api, DecisionAction.HOLD)
    for day in ("2026-06-01", "2026-06-08"):
        refused = await api().post(infusions_of(subjects[0]), json={"planned_date": day})
        assert refusal(refused) == (409, "dosing_not_allowed", ["hold_in_force"])


async def test_an_infusion_of_the_past_is_entered_during_a_hold(api, clock, subjects):
    """Neither its prescription nor its start is refused, and before the hold it was allowed."""
    await put_into_force(api, DecisionAction.HOLD)
    late = await give_infusion(api, subjects[0], clock() - timedelta(days=1))
    assert (late["given"], late["deviations"]) == (True, [])


async def test_late_entry_ends_with_the_subjects_exit(api, clock, subjects):
    """By day: what was given up to the exit is entered, nothing is planned after it."""
    subject = subjects[0]
    await leave(api, subject, "withdrew_treatment", clock() - timedelta(days=5))
    after = {"planned_date": "2026-05-28"}
    refused = await api().post(infusions_of(subject), json=after)
    assert refusal(refused)[:2] == (409, "treatment_ended")
    late = await give_infusion(api, subject, clock() - timedelta(days=5))
    assert late["given"] is True


async def test_a_dose_against_the_hold_is_recorded_and_shown(api, clock, session, subjects):
    """What began while dosing was known to be forbidden is a major deviation by itself."""
    await put_into_force(api, DecisionAction.HOLD)
    clock.now = await database_time(session) + timedelta(days=3)
    began_at = clock() - timedelta(days=1)
    given = await give_infusion(api, subjects[0], began_at)
    assert given["given"] is True
    (found,) = given["deviations"]
    assert (found["key"], found["severity"]) == ("dosed_while_not_allowed:1", "major")
    assert found["sentence"] == (
        "Infusion 1 began although dosing was not allowed: "
        "The committee holds the trial until it resumes it."
    )
    assert found["evidence"] == [given["id"]]
    listed = (await api().get(infusions_of(subjects[0]))).json()["items"]
    assert listed[0]["deviations"] == [found]


async def database_time(session):
    """Read the clock of the database, which says when facts became known."""
    return (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()


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
