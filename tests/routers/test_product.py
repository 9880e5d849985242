"""Lots and bags over HTTP: only what meets the protocol is released, and each bag is used once."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.dosing import LOT, create_bags, create_lot, prescribe
from tests.factories.subjects import created, enrolled


async def change(client, path, **body):
    """Change a record at its present version."""
    tag = (await client.get(path)).headers["etag"]
    body = {"reason": "Needed for a test."} | body
    return await client.patch(path, json=body, headers={"If-Match": tag})


@pytest.fixture
def laboratory(api):
    """The cell laboratory."""
    return api(Role.CELL_LABORATORY)


@pytest.fixture
async def infusion(api):
    """A prescribed infusion."""
    return await prescribe(api, await enrolled(api))


async def test_a_lot_is_kept_as_given(api, laboratory):
    """Numbers, dates and release tests come back exactly; the number is unique."""
    tests = {"sterility": "no growth", "endotoxin_eu_per_ml": 0.05, "mycoplasma": False}
    lot = await create_lot(api, lot_number="L-1", viability_percent=85, release_tests=tests)
    read = await api(Role.MONITOR).get(f"/product-lots/{lot['id']}")
    assert read.json() == lot
    assert (lot["viability_percent"], lot["release_tests"]) == (85, tests)
    assert lot["released"] is True
    again = await laboratory.post("/product-lots", json=LOT | {"lot_number": "L-1"})
    assert (again.status_code, again.json()["code"]) == (409, "lot_exists")
    listed = (await api(Role.MONITOR).get("/product-lots")).json()
    assert [item["id"] for item in listed["items"]] == [lot["id"]]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"viability_percent": 84.999}, "viability_too_low"),
        ({"cells_per_bag": 10000000}, "content_out_of_tolerance"),
        ({"bag_volume_ml": 111.2}, "content_out_of_tolerance"),
    ],
)
async def test_a_lot_below_specification_is_not_released(laboratory, fault, code):
    """It can be registered, but a release is refused, at once or later, and its loss too."""
    body = LOT | {"lot_number": "L-1"} | fault
    refused = await laboratory.post("/product-lots", json=body)
    assert refused.status_code == 409
    assert [reason["code"] for reason in refused.json()["errors"]] == [code]
    lot = created(await laboratory.post("/product-lots", json=body | {"released": False}))
    path = f"/product-lots/{lot['id']}"
    assert (await change(laboratory, path, released=True)).status_code == 409
    sound = {name: LOT[name] for name in fault}
    assert (await change(laboratory, path, released=True, **sound)).status_code == 200
    assert (await change(laboratory, path, **fault)).status_code == 409
    assert (await change(laboratory, path, released=False, **fault)).status_code == 200


async def test_a_bag_may_hold_ten_percent_more_or_less(api):
    """The tolerance of a dose, limits included, is the tolerance of a lot's content."""
    for cells in (90000000, 110000000):
        assert (await create_lot(api, cells_per_bag=cells))["cells_per_bag"] == cells


@pytest.mark.parametrize(
    ("fault", "pointer"),
    [
        ({"expires_on": "2025-12-31"}, "/body/expires_on"),
        ({"manufactured_on": "2026-06-02"}, "/body/manufactured_on"),
        ({"viability_percent": 100.5}, "/body/viability_percent"),
        ({"cells_per_bag": 0}, "/body/cells_per_bag"),
        ({"lot_number": " "}, "/body/lot_number"),
    ],
)
async def test_a_lot_must_make_sense(laboratory, fault, pointer):
    """Expiry before manufacture, future manufacture and impossible amounts are refused."""
    answer = await laboratory.post("/product-lots", json=LOT | {"lot_number": "L-1"} | fault)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_only_the_cell_laboratory_writes_product(api):
    """An investigator reads lots and bags, but neither registers nor changes them."""
    bag = (await create_bags(api, 1))[0]
    client = api(Role.PRINCIPAL_INVESTIGATOR)
    answer = await client.post("/product-lots", json=LOT | {"lot_number": "L-9"})
    assert answer.status_code == 403
    assert (await change(client, f"/product-bags/{bag}", status="discarded")).status_code == 403


async def test_bags_are_filtered(api):
    """Bags are listed by lot and by status."""
    first, second = await create_bags(api, 2)
    await create_bags(api, 1)
    client = api(Role.CELL_LABORATORY)
    lot_id = (await client.get(f"/product-bags/{first}")).json()["lot_id"]
    await change(client, f"/product-bags/{second}", status="discarded")
    of_lot = (await client.get(f"/product-bags?lot_id={lot_id}")).json()["items"]
    assert [bag["id"] for bag in of_lot] == [first, second]
    left = (await client.get(f"/product-bags?lot_id={lot_id}&status=available")).json()["items"]
    assert [bag["id"] for bag in left] == [first]


async def test_a_bag_needs_a_lot_and_a_number_of_its_own(api, laboratory):
    """An unknown lot is 422, a repeated number 409."""
    body = {"lot_id": "01930000-0000-7000-8000-000000000000", "bag_number": "B-1"}
    assert (await laboratory.post("/product-bags", json=body)).status_code == 422
    body["lot_id"] = (await create_lot(api))["id"]
    created(await laboratory.post("/product-bags", json=body))
    again = await laboratory.post("/product-bags", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "bag_exists")


async def test_the_life_of_a_bag(api, laboratory, infusion):
    """Available, allocated, available again, discarded; then it is over."""
    bag = f"/product-bags/{(await create_bags(api, 1))[0]}"
    taken = await change(laboratory, bag, status="allocated", infusion_id=infusion["id"])
    assert taken.status_code == 200, taken.text
    assert (taken.json()["status"], taken.json()["infusion_id"]) == ("allocated", infusion["id"])
    path = f"/subjects/{infusion['subject_id']}/infusions/1"
    shown = await api().get(path)
    assert [item["bag_number"] for item in shown.json()["bags"]] == ["B-1"]
    assert shown.json()["version"] == 2
    freed = await change(laboratory, bag, status="available")
    assert (freed.json()["status"], freed.json()["infusion_id"]) == ("available", None)
    assert (await api().get(path)).json()["bags"] == []
    gone = await change(laboratory, bag, status="discarded")
    assert gone.json()["status"] == "discarded"
    assert gone.json()["discarded_at"].startswith("2026-06-01T04:00")
    for step in ({"status": "available"}, {"status": "allocated", "infusion_id": infusion["id"]}):
        refused = await change(laboratory, bag, **step)
        assert (refused.status_code, refused.json()["code"]) == (409, "bag_step_not_allowed")


async def test_nobody_infuses_a_bag_by_hand(api, laboratory, infusion):
    """The status infused comes with the infusion's start only."""
    bag = f"/product-bags/{(await create_bags(api, 1))[0]}"
    refused = await change(laboratory, bag, status="infused")
    assert (refused.status_code, refused.json()["code"]) == (409, "bag_step_not_allowed")
    without = await change(laboratory, bag, status="allocated")
    assert without.json()["errors"][0]["pointer"] == "/body/infusion_id"
    alone = await change(laboratory, bag, infusion_id=infusion["id"])
    assert alone.json()["errors"][0]["pointer"] == "/body/infusion_id"


@pytest.mark.parametrize(
    ("lot", "code"),
    [
        ({"released": False}, "lot_not_released"),
        ({"expires_on": "2026-05-31"}, "lot_expired"),
        ({"expires_on": "2026-06-14"}, "lot_expired"),
    ],
)
async def test_an_unfit_lot_is_not_allocated(api, laboratory, infusion, lot, code):
    """Unreleased, expired today, or expired by the planned day: the bag stays where it is."""
    path = f"/subjects/{infusion['subject_id']}/infusions/1"
    await change(api(Role.SUB_INVESTIGATOR), path, planned_date="2026-06-15")
    bag = f"/product-bags/{(await create_bags(api, 1, **lot))[0]}"
    refused = await change(laboratory, bag, status="allocated", infusion_id=infusion["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "lot_not_usable")
    assert [reason["code"] for reason in refused.json()["errors"]] == [code]
    assert (await laboratory.get(bag)).json()["status"] == "available"


async def test_the_last_day_of_a_lot_counts(api, laboratory, infusion):
    """A lot may be infused on the very day it expires."""
    bag = f"/product-bags/{(await create_bags(api, 1, expires_on='2026-06-01'))[0]}"
    taken = await change(laboratory, bag, status="allocated", infusion_id=infusion["id"])
    assert taken.status_code == 200
