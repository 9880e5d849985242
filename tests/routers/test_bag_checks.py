"""The check before an infusion over HTTP: by a scan or a second person, or nothing is stored."""

from datetime import datetime, timedelta

import pytest

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.dosing import (
    as_planned,
    change_infusion,
    check_bags,
    create_bags,
    infusions_of,
    prescribe,
)
from tests.factories.subjects import created, enrolled

GIVEN = NOW - timedelta(hours=4)
COORDINATOR, SECOND = Role.STUDY_COORDINATOR, Role.SUB_INVESTIGATOR


@pytest.fixture
async def subject(api):
    """An enrolled subject."""
    return await enrolled(api)


@pytest.fixture
async def infusion(api, subject):
    """An infusion with two bags, which the coordinator allocated."""
    await prescribe(api, subject)
    answer = await change_infusion(api, subject, 1, bag_ids=await create_bags(api))
    return answer.json()


async def check(api, bag, infusion, role=SECOND, **body):
    """Check a bag, by default as a second person."""
    body = {"infusion_id": infusion["id"], "method": "two_person"} | body
    return await api(role).post(f"/product-bags/{bag['id']}/checks", json=body)


def label(bag):
    """Give what the code on a bag's label reads."""
    return f"{bag['lot_number']}/{bag['bag_number']}"


async def steps(api, bag):
    """Name the steps of a bag."""
    found = (await api().get(f"/product-bags/{bag['id']}/movements")).json()["items"]
    return [line["step"] for line in found]


async def unchecked(api, subject):
    """Give the deviations of the first infusion that are about the check."""
    shown = (await api().get(f"{infusions_of(subject)}/1")).json()["deviations"]
    return [each for each in shown if each["code"] == "bag_check_missing"]


async def test_a_scan_of_the_right_label_is_a_check(api, infusion):
    """Whoever allocated the bag may scan it: the label speaks, not the person."""
    bag = infusion["bags"][0]
    answer = await check(api, bag, infusion, COORDINATOR, method="scan", scanned_code=label(bag))
    line = created(answer)
    assert (line["step"], line["method"], line["status_after"]) == ("checked", "scan", "allocated")
    assert (line["infusion_id"], line["volume_ml"], line["left_ml"]) == (infusion["id"], 0, 100)
    assert line["checked_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert line["role"] == "study_coordinator"
    assert await steps(api, bag) == ["registered", "allocated", "checked"]


@pytest.mark.parametrize("code", ["other", "bag", "lot", "case"])
async def test_a_wrong_label_is_refused(api, infusion, code):
    """The other bag's code, half a code or another spelling: 409, and nothing is stored."""
    bag, other = infusion["bags"]
    scanned = {
        "other": label(other),
        "bag": bag["bag_number"],
        "lot": bag["lot_number"],
        "case": label(bag).lower(),
    }[code]
    refused = await check(api, bag, infusion, method="scan", scanned_code=scanned)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_label")
    assert await steps(api, bag) == ["registered", "allocated"]


async def test_a_label_that_two_bags_share_is_no_check(api, infusion):
    """A lot named like another one's bag could make two codes alike; then a scan proves nothing."""
    bag = infusion["bags"][0]
    client = api(Role.CELL_LABORATORY)
    own = (await client.get(f"/product-lots/{bag['lot_id']}")).json()
    names = ("manufactured_on", "expires_on", "viability_percent", "cells_per_bag", "bag_volume_ml")
    twin = {name: own[name] for name in names} | {"lot_number": f"{bag['lot_number']}/X"}
    lot = created(await client.post("/product-lots", json=twin))
    created(await client.post("/product-bags", json={"lot_id": lot["id"], "bag_number": "Y"}))
    body = {"lot_id": bag["lot_id"], "bag_number": "X/Y"}
    same = created(await client.post("/product-bags", json=body))
    answer = await client.patch(
        f"/product-bags/{same['id']}",
        json={"status": "allocated", "infusion_id": infusion["id"], "reason": "Ordered."},
        headers={"If-Match": '"v1"'},
    )
    assert answer.status_code == 200, answer.text
    scan = {"method": "scan", "scanned_code": f"{bag['lot_number']}/X/Y"}
    refused = await check(api, same, infusion, **scan)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_label")


async def test_the_second_person_is_another_one(api, infusion):
    """Whoever allocated the bag does not check it by word; another person does."""
    bag = infusion["bags"][0]
    refused = await check(api, bag, infusion, COORDINATOR)
    assert (refused.status_code, refused.json()["code"]) == (409, "second_person_needed")
    assert await steps(api, bag) == ["registered", "allocated"]
    assert created(await check(api, bag, infusion))["method"] == "two_person"


async def test_the_last_allocation_says_who_is_first(api, subject, infusion):
    """Allocated by one, returned, allocated by another: that other one is the first person now."""
    bag = infusion["bags"][0]
    await change_infusion(api, subject, 1, bag_ids=[])
    ids = [each["id"] for each in infusion["bags"]]
    await change_infusion(api, subject, 1, role=SECOND, bag_ids=ids)
    refused = await check(api, bag, infusion, SECOND)
    assert refused.json()["code"] == "second_person_needed"
    created(await check(api, bag, infusion, COORDINATOR))


async def test_a_bag_of_another_infusion_is_refused(api, infusion):
    """A free bag, one of somebody else's infusion and an absent one are not this infusion's."""
    bag = infusion["bags"][0]
    (free,) = await create_bags(api, 1)
    other = await prescribe(api, await enrolled(api))
    for wrong, meant in (({"id": free}, infusion), (bag, other)):
        refused = await check(api, wrong, meant)
        assert (refused.status_code, refused.json()["code"]) == (409, "bag_of_another_infusion")
    nowhere = {"id": "01930000-0000-7000-8000-000000000000"}
    assert (await check(api, nowhere, infusion)).status_code == 404
    assert (await check(api, bag, nowhere)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"method": "scan"},
        {"method": "scan", "scanned_code": None},
        {"method": "scan", "scanned_code": ""},
        {"method": "two_person", "scanned_code": "L-1/B-1"},
        {"method": "glance"},
        {"checked_at": (NOW + timedelta(seconds=1)).isoformat()},
    ],
)
async def test_a_check_has_to_make_sense(api, infusion, body):
    """A scan has a code, a second person none, and nobody checks in the future."""
    refused = await check(api, infusion["bags"][0], infusion, **body)
    assert refused.status_code == 422, refused.text


@pytest.mark.parametrize("role", [Role.CELL_LABORATORY, Role.MONITOR, Role.DATA_MANAGER])
async def test_only_who_records_infusions_checks(api, infusion, role):
    """The check is made where the infusion is given."""
    assert (await check(api, infusion["bags"][0], infusion, role)).status_code == 403


async def test_an_infusion_with_unchecked_bags_departs(api, subject, infusion):
    """It is recorded all the same, and shows as major until every bag has its check."""
    first, second = infusion["bags"]
    created(await check(api, first, infusion, checked_at=GIVEN.isoformat()))
    assert await unchecked(api, subject) == []
    answer = await change_infusion(api, subject, 1, **as_planned(GIVEN))
    assert answer.status_code == 200, answer.text
    (found,) = await unchecked(api, subject)
    assert (found["key"], found["severity"]) == ("bag_check_missing:1", "major")
    assert found["sentence"] == f"Infusion 1 began with unchecked product: {label(second)}."
    assert found["evidence"] == [infusion["id"], second["id"]]
    listed = (await api().get("/deviations", params={"subject": subject})).json()["items"]
    assert [each["key"] for each in listed if each["code"] == found["code"]] == [found["key"]]
    created(await check(api, second, infusion, checked_at=GIVEN.isoformat()))
    assert await unchecked(api, subject) == []


async def test_a_check_after_the_start_helps_nothing(api, subject, infusion):
    """It is kept as what it is; the departure stays, until a corrected start explains it."""
    await change_infusion(api, subject, 1, **as_planned(GIVEN))
    late = GIVEN + timedelta(seconds=1)
    await check_bags(api, infusion, late)
    assert len(await unchecked(api, subject)) == 1
    corrected = (GIVEN + timedelta(minutes=1)).isoformat()
    answer = await change_infusion(api, subject, 1, started_at=corrected)
    assert answer.status_code == 200, answer.text
    assert await unchecked(api, subject) == []


async def test_a_check_is_known_from_its_recording_on(api, clock, subject, infusion):
    """As of a moment before it was entered, the infusion still departs."""
    await change_infusion(api, subject, 1, **as_planned(GIVEN))
    bags = infusion["bags"]
    entered = [
        created(await check(api, bag, infusion, checked_at=GIVEN.isoformat())) for bag in bags
    ]
    moments = [datetime.fromisoformat(line["recorded_at"]) for line in entered]
    clock.now = moments[-1] + timedelta(days=1)
    found = []
    for moment in moments:
        past = {"as_of": moment.isoformat()}
        shown = (await api().get(f"{infusions_of(subject)}/1", params=past)).json()
        found.append([each["evidence"][1:] for each in shown["deviations"]
                      if each["code"] == "bag_check_missing"])  # fmt: skip
    assert found == [[[bags[1]["id"]]], []]


async def test_a_check_is_on_the_timeline(api, subject, infusion):
    """At the moment of the check, with the bag, the infusion and the way it was made."""
    bag = infusion["bags"][1]
    line = created(await check(api, bag, infusion, checked_at=GIVEN.isoformat()))
    path = f"/subjects/{subject}/timeline"
    found = (await api().get(path, params={"kind": "bag_checked"})).json()["items"]
    assert [(each["title"], each["record_id"]) for each in found] == [
        ("Bag B-2 checked for Infusion 1: two person", line["id"])
    ]
    assert datetime.fromisoformat(found[0]["at"]) == GIVEN


@pytest.mark.parametrize(("day", "status"), [("2026-01-01", 201), ("2025-12-31", 422)])
async def test_nothing_is_checked_before_it_was_made(api, infusion, day, status):
    """On the day that the lot was made it may be, by the trial's calendar."""
    answer = await check(api, infusion["bags"][0], infusion, checked_at=f"{day}T12:00:00+08:00")
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["code"] == "check_before_lot"
        assert await steps(api, infusion["bags"][0]) == ["registered", "allocated"]


async def test_a_check_before_the_recorded_allocation_is_refused(api, clock, subject, infusion):
    """It was entered before the start, so nobody knew earlier which bag it would be."""
    bag = infusion["bags"][0]
    lines = (await api().get(f"/product-bags/{bag['id']}/movements")).json()["items"]
    allocated = datetime.fromisoformat(lines[1]["recorded_at"])
    clock.now = allocated + timedelta(hours=3)
    start = allocated + timedelta(hours=2)
    answer = await change_infusion(api, subject, 1, started_at=start.isoformat())
    assert answer.status_code == 200, answer.text
    early = (allocated - timedelta(minutes=1)).isoformat()
    refused = await check(api, bag, infusion, checked_at=early)
    assert (refused.status_code, refused.json()["code"]) == (422, "check_before_allocation")
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/body/checked_at"]
    line = created(await check(api, bag, infusion, checked_at=allocated.isoformat()))
    assert datetime.fromisoformat(line["checked_at"]) == allocated
    assert datetime.fromisoformat(line["recorded_at"]) > allocated


async def test_an_early_claim_does_not_count_once_the_start_is_known(api, clock, subject, infusion):
    """Entered while nobody knew the start, it stays on record and proves nothing."""
    bag = infusion["bags"][0]
    early = (NOW - timedelta(days=30)).isoformat()
    created(await check(api, bag, infusion, checked_at=early))
    lines = (await api().get(f"/product-bags/{bag['id']}/movements")).json()["items"]
    start = datetime.fromisoformat(lines[1]["recorded_at"]) + timedelta(hours=1)
    clock.now = start + timedelta(hours=1)
    answer = await change_infusion(api, subject, 1, started_at=start.isoformat())
    assert answer.status_code == 200, answer.text
    (found,) = await unchecked(api, subject)
    assert bag["id"] in found["evidence"]
