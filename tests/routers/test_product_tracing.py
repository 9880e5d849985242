"""From a subject back to its lots, and from a lot to its subjects and what happened to them."""

from datetime import datetime, timedelta

import pytest

from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.dosing import (
    as_planned,
    change_infusion,
    check_bags,
    create_bags,
    create_lot,
    give_infusion,
    infuse,
    prescribe,
)
from tests.factories.events import adverse_event, dose_limiting_event
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import at, move_to
from tests.factories.subjects import FIRST_INFUSION, created, enrolled, enrolled_subject

GIVEN = at(FIRST_INFUSION, 10)


@pytest.fixture(autouse=True)
def evening(clock):
    """It is the evening of the first infusion."""
    clock.now = at(FIRST_INFUSION, 20)


async def chain_of(api, subject_id, role=Role.CELL_LABORATORY, **query):
    """Read a subject's chain of identity."""
    client = api(role)
    answer = await client.get(f"/subjects/{subject_id}/chain-of-identity", params=query)
    assert answer.status_code == 200, answer.text
    assert misfits(client._transport.app, "read_chain_of_identity", answer) == []
    return answer.json()


async def look_back(api, lot_id, client=None, **query):
    """Follow a lot."""
    client = client or api(Role.SAFETY_COMMITTEE)
    answer = await client.get(f"/product-lots/{lot_id}/look-back", params=query)
    assert answer.status_code == 200, answer.text
    assert misfits(client._transport.app, "read_look_back", answer) == []
    return answer.json()


async def test_a_chain_names_every_hand(api):
    """Lot, bag, who allocated, who checked and how, what was given and what was thrown away."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN)
    chain = await chain_of(api, subject)
    assert (chain["subject_id"], chain["subject_number"]) == (subject, "S-001")
    assert chain["unbroken"] is True
    (infusion,) = chain["infusions"]
    assert (infusion["infusion_id"], infusion["number"]) == (given["id"], 1)
    assert (infusion["volume_ml"], infusion["day"], infusion["gaps"]) == (120, "2026-06-03", [])
    first, second = infusion["bags"]
    assert first["label"] == f"{first['lot_number']}/B-1"
    amounts = ("filled_ml", "infused_ml", "discarded_ml", "left_ml")
    assert [first[name] for name in amounts] == [100, 100, 0, 0]
    assert [second[name] for name in amounts] == [100, 20, 80, 0]
    steps = [(step["step"], step["role"], step["method"]) for step in second["steps"]]
    assert steps == [
        ("registered", "cell_laboratory", None),
        ("allocated", "study_coordinator", None),
        ("infused", "study_coordinator", None),
        ("remainder_discarded", "study_coordinator", None),
        ("checked", "sub_investigator", "two_person"),
    ]


async def test_before_the_infusion_the_chain_has_no_gap(api):
    """A subject without infusions, and one whose bags wait for the check."""
    subject = await enrolled(api)
    assert (await chain_of(api, subject))["infusions"] == []
    await prescribe(api, subject, planned_date=FIRST_INFUSION.isoformat())
    await change_infusion(api, subject, 1, bag_ids=await create_bags(api))
    chain = await chain_of(api, subject)
    assert chain["unbroken"] is True
    assert [bag["status"] for bag in chain["infusions"][0]["bags"]] == ["allocated"] * 2


async def test_every_gap_breaks_the_chain(api):
    """Nobody checked the bags, nobody wrote down the volume; another one has no bag at all."""
    subject = await enrolled(api)
    await prescribe(api, subject, planned_date=FIRST_INFUSION.isoformat())
    record = as_planned(GIVEN) | {"bag_ids": await create_bags(api, 1), "volume_ml": None}
    assert (await change_infusion(api, subject, 1, **record)).status_code == 200
    chain = await chain_of(api, subject)
    assert chain["unbroken"] is False
    codes = [gap["code"] for gap in chain["infusions"][0]["gaps"]]
    assert codes == ["volume_missing", "bag_not_checked"]
    other = await enrolled_subject(api)
    await infuse(api, other, FIRST_INFUSION)
    (infusion,) = (await chain_of(api, other["id"]))["infusions"]
    assert [gap["code"] for gap in infusion["gaps"]] == ["bag_missing"]


async def test_a_chain_is_read_as_it_was(api, clock):
    """Before the checks were entered it had gaps, and it says so of that moment."""
    subject = await enrolled(api)
    await prescribe(api, subject, planned_date=FIRST_INFUSION.isoformat())
    record = as_planned(GIVEN) | {"bag_ids": await create_bags(api)}
    answer = await change_infusion(api, subject, 1, **record)
    steps = (await chain_of(api, subject))["infusions"][0]["bags"][1]["steps"]
    await check_bags(api, answer.json(), GIVEN)
    clock.now = datetime.fromisoformat(steps[-1]["recorded_at"]) + timedelta(days=1)
    assert (await chain_of(api, subject))["unbroken"] is True
    then = await chain_of(api, subject, as_of=steps[-1]["recorded_at"])
    assert then["unbroken"] is False
    assert then["infusions"][0]["bags"][1]["steps"] == steps


async def test_a_lot_leads_to_its_subjects_and_what_happened(api, clock):
    """One got it and has a DLT and a later event; one waits; one got another lot."""
    treated = await enrolled_subject(api)
    given = await give_infusion(api, treated["id"], GIVEN)
    lot_id = given["bags"][0]["lot_id"]
    day_before = FIRST_INFUSION - timedelta(days=1)
    before = await adverse_event(api, treated, day_before, ended_at=at(day_before, 13))
    toxic = await dose_limiting_event(api, treated, FIRST_INFUSION)
    waiting = await enrolled(api)
    await prescribe(api, waiting, planned_date=FIRST_INFUSION.isoformat())
    body = {"lot_id": lot_id, "bag_number": "B-9"}
    bag = created(await api(Role.CELL_LABORATORY).post("/product-bags", json=body))
    await change_infusion(api, waiting, 1, bag_ids=[bag["id"]])
    await give_infusion(api, (await enrolled_subject(api))["id"], GIVEN)
    move_to(clock, FIRST_INFUSION + timedelta(days=3))
    later = await adverse_event(api, treated, FIRST_INFUSION + timedelta(days=2), grade=2)
    found = await look_back(api, lot_id)
    assert found["lot"]["id"] == lot_id
    assert [each["status"] for each in found["bags"]] == ["infused", "infused", "allocated"]
    assert [each["subject_id"] for each in found["subjects"]] == [treated["id"], waiting]
    first, second = found["subjects"]
    assert (first["subject_number"], first["dose_level"]) == ("S-001", "A")
    assert first["exposed_on"] == FIRST_INFUSION.isoformat()
    assert [each["number"] for each in first["infusions"]] == [1]
    events = [(each["id"], each["days_since"], each["dlt"]["state"]) for each in first["events"]]
    assert events == [(str(toxic), 0, "dlt"), (str(later), 2, "not_a_candidate")]
    assert str(before) not in str(found)
    assert first["response"]["category"] == "not_due"
    assert (second["exposed_on"], second["events"]) == (None, [])


@pytest.mark.parametrize(("days", "is_shown"), [(-1, False), (0, True), (None, True)])
async def test_what_began_before_and_lasted_is_shown_with_its_worst_grade(
    api, clock, days, is_shown
):
    """A rash of grade 1 that the infusion made a grade 3; one that was over by then is left out."""
    treated = await enrolled_subject(api)
    over = at(FIRST_INFUSION + timedelta(days=days), 13) if days is not None else None
    began = FIRST_INFUSION - timedelta(days=2)
    rash = await adverse_event(api, treated, began, grade=1, ended_at=over)
    given = await give_infusion(api, treated["id"], GIVEN)
    move_to(clock, FIRST_INFUSION + timedelta(days=2))
    answer = await api().patch(
        f"/adverse-events/{rash}",
        json={"grade": 3, "reason": "Got worse overnight."},
        headers={"If-Match": '"v1"'},
    )
    assert answer.status_code == 200, answer.text
    (subject,) = (await look_back(api, given["bags"][0]["lot_id"]))["subjects"]
    shown = [
        (each["id"], each["grade"], each["began_before"], each["days_since"])
        for each in subject["events"]
    ]
    assert shown == ([(str(rash), 3, True, -2)] if is_shown else [])


async def test_an_exit_is_part_of_what_happened(api):
    """Whoever looks back sees that a subject left, and when."""
    treated = await enrolled_subject(api)
    given = await give_infusion(api, treated["id"], GIVEN)
    left = {"event": "withdrew_consent", "event_date": "2026-06-03", "reason": "Told by phone."}
    created(await api().post(f"/subjects/{treated['id']}/disposition", json=left))
    (subject,) = (await look_back(api, given["bags"][0]["lot_id"]))["subjects"]
    assert subject["exits"] == [{"event": "withdrew_consent", "day": "2026-06-03"}]


async def test_a_lot_that_nobody_got_leads_to_nobody(api):
    """Its bags are listed; a lot that is not there is not found."""
    lot = await create_lot(api)
    assert (await look_back(api, lot["id"]))["subjects"] == []
    absent = "/product-lots/01930000-0000-7000-8000-000000000000/look-back"
    assert (await api(Role.MONITOR).get(absent)).status_code == 404


async def test_a_look_back_is_read_as_it_was(api, clock):
    """Before the bag was allocated the lot led to nobody."""
    treated = await enrolled_subject(api)
    given = await give_infusion(api, treated["id"], GIVEN)
    bag = given["bags"][0]
    lines = (await api().get(f"/product-bags/{bag['id']}/movements")).json()["items"]
    clock.now = datetime.fromisoformat(lines[-1]["recorded_at"]) + timedelta(days=1)
    then = await look_back(api, bag["lot_id"], as_of=lines[0]["recorded_at"])
    assert (then["subjects"], [each["status"] for each in then["bags"]]) == ([], ["available"])
    assert len((await look_back(api, bag["lot_id"]))["subjects"]) == 1


async def test_events_are_not_shown_to_the_cell_laboratory(api):
    """It follows its product by bags and chains; who was hurt by it is for others to read."""
    lot = await create_lot(api)
    path = f"/product-lots/{lot['id']}/look-back"
    assert (await api(Role.CELL_LABORATORY).get(path)).status_code == 403
    assert (await api(Role.SPONSOR).get(path)).status_code == 403


async def test_another_site_sees_the_bags_and_not_the_subjects(api):
    """A lot serves every site; the subjects of another one are not shown."""
    given = await give_infusion(api, (await enrolled_subject(api))["id"], GIVEN)
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.MONITOR, "mona")
    found = await look_back(api, given["bags"][0]["lot_id"], client)
    assert (found["subjects"], len(found["bags"])) == ([], 2)
    chain = f"/subjects/{given['subject_id']}/chain-of-identity"
    assert (await client.get(chain)).status_code == 404
