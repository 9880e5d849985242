"""Infusions over HTTP: prescribed in order, started only where allowed, recorded at any time."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import Role
from tests.factories.dosing import (
    change_infusion,
    create_bags,
    give_infusion,
    infusions_of,
    prescribe,
)
from tests.factories.ladder import put_into_force
from tests.factories.signing import unsigned
from tests.factories.subjects import created, enrolled, leave, register


@pytest.fixture
async def subject(api):
    """A subject enrolled at level A, of one infusion."""
    return await enrolled(api)


@pytest.fixture
async def subject_b(api):
    """A subject enrolled at level B, of two infusions."""
    await put_into_force(api, DecisionAction.ESCALATE, "B")
    return await enrolled(api, "B")


async def order(api, subject_id, **body):
    """Try to prescribe an infusion."""
    body = {"planned_date": "2026-06-01"} | body
    return await api().post(infusions_of(subject_id), json=body)


def refusal(answer):
    """Return status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


def faults(answer):
    """Return where a body is at fault."""
    assert answer.status_code == 422, answer.text
    return [reason["pointer"] for reason in answer.json()["errors"]]


def codes(infusion):
    """Return the codes of an infusion's deviations."""
    return [deviation["code"] for deviation in infusion["deviations"]]


async def test_a_prescription_follows_from_weight_and_level(api, subject):
    """The recorded weight of 60 kg gives 120 million cells in 120 ml from two bags."""
    answer = await order(api, subject)
    infusion = unsigned(created(answer))
    assert answer.headers["etag"] == '"v1"'
    assert (infusion["number"], infusion["dose_level"]) == (1, "A")
    assert (infusion["weight_kg"], infusion["planned_cells"]) == (60, 120000000)
    assert (infusion["planned_volume_ml"], infusion["planned_bags"]) == (120, 2)
    assert (infusion["given"], infusion["bags"], infusion["deviations"]) == (False, [], [])
    assert (await api().get(f"{infusions_of(subject)}/1")).json() == infusion
    listed = (await api(Role.CELL_LABORATORY).get(infusions_of(subject))).json()
    # The cell laboratory reads no events, so it is told of no reactions.
    assert listed == {"items": [infusion | {"reactions": None}], "next": None}


async def test_a_weight_of_the_day_outweighs_the_recorded_one(api, subject):
    """50.1 kg need 100.2 ml, so a second bag."""
    infusion = created(await order(api, subject, weight_kg=50.1))
    assert (infusion["planned_volume_ml"], infusion["planned_bags"]) == (100.2, 2)


async def test_a_weight_is_needed_and_plausible(api):
    """Without any weight, or with one that nobody has, nothing is prescribed."""
    subject_id = await enrolled(api, weight_kg=None)
    missing = await order(api, subject_id)
    assert (refusal(missing), faults(missing)) == ((422, "weight_missing"), ["/body/weight_kg"])
    heavy = await order(api, subject_id, weight_kg=605)
    assert (refusal(heavy), faults(heavy)) == ((422, "weight_implausible"), ["/body/weight_kg"])


async def test_an_infusion_is_not_planned_before_consent(api, subject):
    """Consent comes first."""
    assert faults(await order(api, subject, planned_date="2025-12-19")) == ["/body/planned_date"]


async def test_only_investigators_prescribe(api, subject):
    """A coordinator records infusions but orders none, nor changes an order."""
    body = {"planned_date": "2026-06-01"}
    answer = await api(Role.STUDY_COORDINATOR).post(infusions_of(subject), json=body)
    assert answer.status_code == 403
    await prescribe(api, subject)
    refused = await change_infusion(api, subject, 1, weight_kg=70)
    assert refusal(refused) == (403, "prescriber_needed")


async def test_nobody_in_screening_is_infused(api):
    """An infusion needs an enrolment."""
    assert refusal(await order(api, await register(api))) == (409, "not_enrolled")


async def test_infusions_are_prescribed_in_order_and_not_too_many(api, subject_b):
    """The next number is the default; none is repeated, left out, or beyond the level."""
    assert refusal(await order(api, subject_b, number=2)) == (409, "infusion_skipped")
    assert created(await order(api, subject_b, number=1))["number"] == 1
    assert refusal(await order(api, subject_b, number=1)) == (409, "infusion_exists")
    assert created(await order(api, subject_b))["number"] == 2
    assert refusal(await order(api, subject_b)) == (409, "all_prescribed")


async def test_nothing_is_prescribed_after_an_exit(api, clock, subject):
    """Treatment that ended does not go on."""
    await leave(api, subject, "withdrew_treatment", clock())
    assert refusal(await order(api, subject)) == (409, "treatment_not_open")


async def test_an_order_changes_until_the_start(api, clock, subject):
    """A prescriber moves the day and weighs again, which calculates the dose anew (C6)."""
    await prescribe(api, subject)
    answer = await change_infusion(
        api, subject, 1, Role.SUB_INVESTIGATOR, weight_kg=75, planned_date="2026-06-02"
    )
    changed = answer.json()
    assert (changed["planned_date"], changed["planned_cells"]) == ("2026-06-02", 150000000)
    assert (changed["planned_volume_ml"], changed["version"]) == (150, 2)
    bags = await create_bags(api)
    await change_infusion(api, subject, 1, bag_ids=bags, started_at=clock().isoformat())
    late = await change_infusion(api, subject, 1, Role.SUB_INVESTIGATOR, weight_kg=60)
    assert refusal(late) == (409, "infusion_started")


async def test_a_changed_weight_asks_for_a_new_dose(api, subject):
    """From ten percent on the view says so; it blocks nothing (C6)."""
    assert created(await order(api, subject, weight_kg=54.6))["new_dose_needed"] is False
    changed = await change_infusion(api, subject, 1, Role.SUB_INVESTIGATOR, weight_kg=54.5)
    assert changed.json()["new_dose_needed"] is True


async def test_an_infusion_by_the_protocol_has_no_deviation(api, clock, subject):
    """Premedication half an hour ahead, the planned volume, two bags; the bags are used up."""
    infusion = await give_infusion(api, subject, clock() - timedelta(hours=1))
    assert (infusion["given"], infusion["deviations"]) == (True, [])
    assert (infusion["volume_ml"], infusion["cells"]) == (120, None)
    assert infusion["nominal_cells"] == 120000000
    assert [bag["status"] for bag in infusion["bags"]] == ["infused", "infused"]
    assert (await api().get(f"/subjects/{subject}")).json()["status"] == "in_follow_up"


async def test_a_bag_is_used_once_across_all_subjects(api, clock, subject):
    """A second subject does not get an infused or allocated bag, and learns nothing about it."""
    bags = await create_bags(api, 3)
    await prescribe(api, subject)
    await change_infusion(api, subject, 1, bag_ids=bags[:1], started_at=clock().isoformat())
    await change_infusion(api, subject, 1, bag_ids=bags[:2])
    other = await enrolled(api)
    await prescribe(api, other)
    refused = await change_infusion(api, other, 1, bag_ids=bags[1:])
    assert refusal(refused) == (409, "bag_not_available")
    assert subject not in refused.text
    assert "S-001" not in refused.text
    assert (await change_infusion(api, other, 1, bag_ids=bags[2:])).status_code == 200
    taken = await change_infusion(api, subject, 1, bag_ids=bags)
    assert refusal(taken) == (409, "bag_not_available")


async def test_bags_follow_the_infusion(api, clock, subject):
    """They can be exchanged until they are infused, and a cancelled infusion gives them back."""
    first, second = await create_bags(api)
    await prescribe(api, subject)
    await change_infusion(api, subject, 1, bag_ids=[first])
    changed = (await change_infusion(api, subject, 1, bag_ids=[second])).json()
    assert [bag["id"] for bag in changed["bags"]] == [second]
    cancelled = (await change_infusion(api, subject, 1, cancelled=True)).json()
    assert (cancelled["cancelled"], cancelled["bags"]) == (True, [])
    left = (await api().get("/product-bags?status=available")).json()["items"]
    assert {bag["id"] for bag in left} == {first, second}
    assert refusal(await change_infusion(api, subject, 1, bag_ids=[first])) == (
        409,
        "infusion_cancelled",
    )
    again = {"cancelled": False, "bag_ids": [first], "started_at": clock().isoformat()}
    assert (await change_infusion(api, subject, 1, **again)).status_code == 200
    assert refusal(await change_infusion(api, subject, 1, bag_ids=[])) == (409, "bags_missing")


async def test_bags_are_registered_and_named_once(api, subject):
    """An unknown or repeated bag is refused in place."""
    (bag,) = await create_bags(api, 1)
    await prescribe(api, subject)
    assert faults(await change_infusion(api, subject, 1, bag_ids=[bag, bag])) == ["/body/bag_ids"]
    assert faults(await change_infusion(api, subject, 1, bag_ids=[subject])) == ["/body/bag_ids"]


async def test_a_start_needs_bags_of_a_lot_that_is_still_fit(api, clock, subject):
    """No bag, or a release taken back after the allocation, stops the start."""
    await prescribe(api, subject)
    start = {"started_at": clock().isoformat()}
    assert refusal(await change_infusion(api, subject, 1, **start)) == (409, "bags_missing")
    (bag,) = await create_bags(api, 1)
    await change_infusion(api, subject, 1, bag_ids=[bag])
    laboratory = api(Role.CELL_LABORATORY)
    lot_id = (await laboratory.get(f"/product-bags/{bag}")).json()["lot_id"]
    body = {"released": False, "reason": "Sterility test repeated."}
    recall = await laboratory.patch(
        f"/product-lots/{lot_id}", json=body, headers={"If-Match": '"v1"'}
    )
    assert recall.status_code == 200
    refused = await change_infusion(api, subject, 1, **start)
    assert refusal(refused) == (409, "lot_not_usable")
    assert [reason["code"] for reason in refused.json()["errors"]] == ["lot_not_released"]
    assert (await api().get(f"{infusions_of(subject)}/1")).json()["started_at"] is None


async def test_a_lot_is_judged_on_the_day_of_the_start(api, clock, subject):
    """An infusion recorded late may come from a lot that has expired since."""
    clock.advance(days=10)
    await prescribe(api, subject)
    (bag,) = await create_bags(api, 1, expires_on="2026-06-03")
    at = clock() - timedelta(days=8)
    late = await change_infusion(api, subject, 1, bag_ids=[bag], started_at=at.isoformat())
    assert late.status_code == 200, late.text
    assert late.json()["bags"][0]["status"] == "infused"


async def test_infusions_start_in_order(api, clock, subject_b):
    """The second waits for the first, comes after it, and a cancelled one is passed over."""
    await prescribe(api, subject_b)
    await prescribe(api, subject_b, planned_date="2026-06-08")
    bags = await create_bags(api, 2)
    second = {"bag_ids": bags[:1], "started_at": clock().isoformat()}
    early = await change_infusion(api, subject_b, 2, **second)
    assert refusal(early) == (409, "earlier_infusion_open")
    first = {"bag_ids": bags[1:], "started_at": clock().isoformat()}
    assert (await change_infusion(api, subject_b, 1, **first)).status_code == 200
    same = await change_infusion(api, subject_b, 2, **second)
    assert refusal(same) == (409, "before_earlier_infusion")
    clock.advance(days=7)
    second["started_at"] = clock().isoformat()
    assert (await change_infusion(api, subject_b, 2, **second)).status_code == 200
    moved = await change_infusion(api, subject_b, 1, started_at=clock().isoformat())
    assert refusal(moved) == (409, "after_later_infusion")


async def test_a_passed_over_infusion_stays_cancelled(api, clock, subject_b):
    """Once a later one has started, the cancelled one before it cannot come back."""
    await prescribe(api, subject_b)
    await prescribe(api, subject_b)
    await change_infusion(api, subject_b, 1, cancelled=True)
    start = {"bag_ids": await create_bags(api), "started_at": clock().isoformat()}
    assert (await change_infusion(api, subject_b, 2, **start)).status_code == 200
    back = await change_infusion(api, subject_b, 1, cancelled=False)
    assert refusal(back) == (409, "after_later_infusion")
    both = await change_infusion(api, subject_b, 2, cancelled=True)
    assert refusal(both) == (409, "cancelled_or_started")


async def test_an_exit_ends_infusions_from_the_next_day_on(api, clock, subject):
    """What was given up to the day of the exit may still be recorded, nothing after it."""
    await prescribe(api, subject)
    await leave(api, subject, "withdrew_treatment", clock() - timedelta(days=2))
    bags = await create_bags(api)
    at = clock() - timedelta(days=1)
    after = await change_infusion(api, subject, 1, bag_ids=bags, started_at=at.isoformat())
    assert refusal(after) == (409, "treatment_ended")
    at -= timedelta(days=1)
    before = await change_infusion(api, subject, 1, bag_ids=bags, started_at=at.isoformat())
    assert before.status_code == 200, before.text


@pytest.mark.parametrize(
    ("record", "pointer"),
    [
        ({"started_at": "2026-06-01T04:00:01Z"}, "/body/started_at"),
        ({"premedication_at": "2026-06-01T05:00:00Z"}, "/body/premedication_at"),
        ({"volume_ml": 120}, "/body/volume_ml"),
        ({"stopped_at": "2026-06-01T03:00:00Z"}, "/body/stopped_at"),
        ({"started_at": "2025-12-19T03:00:00Z"}, "/body/started_at"),
        ({"started_at": "2026-06-01T03:00:00"}, "/body/started_at"),
        (
            {"started_at": "2026-06-01T03:00Z", "stopped_at": "2026-06-01T02:59Z"},
            "/body/stopped_at",
        ),
        ({"started_at": "2026-06-01T03:00Z", "thawed_at": "2026-06-01T03:01Z"}, "/body/thawed_at"),
        ({"volume_ml": -1}, "/body/volume_ml"),
        ({"volume_ml": 10001}, "/body/volume_ml"),
        ({"viability_percent": 101}, "/body/viability_percent"),
        ({"premedication_drug": "aspirin"}, "/body/premedication_drug"),
        ({"cancelled": None}, "/body/cancelled"),
        ({"bag_ids": None}, "/body/bag_ids"),
        ({"planned_cells": 1}, "/body/planned_cells"),
    ],
)
async def test_what_cannot_have_happened_is_refused(api, subject, record, pointer):
    """The future, an impossible order, amounts without a start, null where something must be."""
    await prescribe(api, subject)
    bags = await create_bags(api)
    body = record | ({"bag_ids": bags} if "bag_ids" not in record else {})
    assert faults(await change_infusion(api, subject, 1, **body)) == [pointer]
    assert (await api().get(f"{infusions_of(subject)}/1")).json()["version"] == 1


async def test_interruptions_lie_within_the_infusion(api, clock, subject):
    """They are kept in order, the last may still last; overlaps and outsiders are refused."""
    start = clock() - timedelta(hours=2)

    def pause(begin, end):
        to = None if end is None else (start + timedelta(minutes=end)).isoformat()
        begun = (start + timedelta(minutes=begin)).isoformat()
        return {"from": begun, "to": to, "reason": "Flushing."}

    await give_infusion(api, subject, start)
    bad = [
        (0, [pause(-1, 5)]), (0, [pause(5, 5)]), (0, [pause(5, 4)]), (0, [pause(40, 46)]),
        (0, [pause(46, None)]), (1, [pause(5, 10), pause(9, 12)]),
        (0, [pause(5, None), pause(10, 12)]), (0, [pause(5, 121)]),
    ]  # fmt: skip
    for place, pauses in bad:
        answer = await change_infusion(api, subject, 1, interruptions=pauses)
        assert set(faults(answer)) == {f"/body/interruptions/{place}"}
    kept = await change_infusion(
        api, subject, 1, interruptions=[pause(5, 10), pause(10, 12), pause(40, None)]
    )
    shown = (await api().get(f"{infusions_of(subject)}/1")).json()["interruptions"]
    assert shown == kept.json()["interruptions"]
    assert [item["to"] is None for item in shown] == [False, False, True]
    stopped = await change_infusion(
        api, subject, 1, stopped_at=(start + timedelta(minutes=30)).isoformat()
    )
    assert faults(stopped) == ["/body/interruptions/2"]


async def test_a_start_is_corrected_but_not_taken_back(api, clock, subject):
    """The bags are used; volume 0 says that nothing entered, which leaves a start and no dose."""
    at = clock() - timedelta(hours=3)
    await give_infusion(api, subject, at)
    assert refusal(await change_infusion(api, subject, 1, started_at=None)) == (
        409,
        "start_is_final",
    )
    earlier = (at - timedelta(minutes=5)).isoformat()
    assert (await change_infusion(api, subject, 1, started_at=earlier)).status_code == 200
    nothing = (await change_infusion(api, subject, 1, volume_ml=0)).json()
    assert (nothing["given"], codes(nothing)) == (
        False,
        ["dose_out_of_tolerance", "premedication_late"],
    )


async def test_deviations_never_block_and_go_with_their_cause(api, clock, subject):
    """A low volume and no premedication are stored, shown, and gone when corrected."""
    at = clock() - timedelta(days=20)
    infusion = await give_infusion(
        api, subject, at, volume_ml=107.9, premedication_at=None, premedication_drug=None
    )
    assert codes(infusion) == ["dose_out_of_tolerance", "premedication_missing"]
    dose = infusion["deviations"][0]
    assert (dose["key"], dose["severity"]) == ("dose_out_of_tolerance:1", "major")
    assert dose["evidence"] == [infusion["id"]]
    assert dose["sentence"] == "Infusion 1 gave 107.9 mL instead of 120 mL."
    corrected = await change_infusion(
        api, subject, 1, volume_ml=108, premedication_drug="dexamethasone",
        premedication_at=(at - timedelta(minutes=29)).isoformat(),
    )  # fmt: skip
    assert codes(corrected.json()) == ["premedication_late"]
    other = await change_infusion(api, subject, 1, premedication_drug="other")
    assert codes(other.json()) == ["premedication_missing"]


async def test_a_cell_count_outweighs_the_nominal_content(api, clock, subject):
    """The planned volume with too few cells is a deviation."""
    infusion = await give_infusion(api, subject, clock(), stopped_at=None, cells=107000000)
    assert codes(infusion) == ["dose_out_of_tolerance"]


@pytest.mark.parametrize(("days", "expected"), [(4, ["infusion_interval"]), (5, []), (9, [])])
async def test_the_interval_is_seven_days_give_or_take_two(api, clock, subject_b, days, expected):
    """Day 4 is early, days 5 and 9 are in time; the first infusion stays without blame."""
    first = clock()
    clock.advance(days=30)
    await give_infusion(api, subject_b, first)
    second = await give_infusion(api, subject_b, first + timedelta(days=days))
    assert codes(second) == expected
    assert codes((await api().get(f"{infusions_of(subject_b)}/1")).json()) == []


async def test_nothing_is_lost_to_a_crossing_change(api, subject):
    """Even a change of bags alone moves the version, so a stale one is refused."""
    first, second = await create_bags(api)
    await prescribe(api, subject)
    client, path = api(Role.STUDY_COORDINATOR), f"{infusions_of(subject)}/1"
    for bag, status in ((first, 200), (second, 412)):
        body = {"bag_ids": [bag], "reason": "Bag thawed."}
        answer = await client.patch(path, json=body, headers={"If-Match": '"v1"'})
        assert answer.status_code == status
    body = {"bag_ids": [second], "reason": "Bag thawed."}
    assert (await client.patch(path, json=body)).status_code == 428
    assert [bag["id"] for bag in (await client.get(path)).json()["bags"]] == [first]


async def test_foreign_and_absent_infusions_are_not_found(api, subject):
    """An infusion of another number or subject is 404, read or changed."""
    await prescribe(api, subject)
    other = await register(api)
    for path in (f"{infusions_of(subject)}/2", f"{infusions_of(other)}/1"):
        assert (await api().get(path)).status_code == 404
    body = {"cancelled": True, "reason": "Not given."}
    path = f"{infusions_of(subject)}/2"
    answer = await api().patch(path, json=body, headers={"If-Match": '"v1"'})
    assert answer.status_code == 404
    assert (
        await api().get(infusions_of("01930000-0000-7000-8000-000000000000"))
    ).status_code == 404


async def test_an_infusion_is_read_as_it_was(api, clock, session, subject):
    """With as_of the earlier bags and the missing start are shown."""
    await prescribe(api, subject)
    bags = await create_bags(api)
    await change_infusion(api, subject, 1, bag_ids=bags[:1])
    moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await change_infusion(api, subject, 1, bag_ids=bags, started_at=clock().isoformat())
    clock.now = moment + timedelta(days=1)
    path = f"{infusions_of(subject)}/1?as_of={moment.isoformat().replace('+', '%2B')}"
    then = (await api().get(path)).json()
    assert ([bag["id"] for bag in then["bags"]], then["started_at"]) == (bags[:1], None)
    assert then["bags"][0]["status"] == "allocated"
    now = (await api().get(f"{infusions_of(subject)}/1")).json()
    assert [bag["status"] for bag in now["bags"]] == ["infused", "infused"]
