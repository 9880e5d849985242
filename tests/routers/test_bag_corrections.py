"""Bags that leave an infusion: exchanged, thawed in vain, or recorded as infused by mistake."""

from datetime import timedelta

import pytest

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.dosing import (
    as_planned,
    change_infusion,
    check_bags,
    create_bags,
    give_infusion,
    prescribe,
)
from tests.factories.subjects import enrolled
from tests.routers.test_bag_ledger import ledger, lines, move

GIVEN = NOW - timedelta(hours=4)
THAWED = {"thawed_at": (NOW - timedelta(hours=5)).isoformat()}


@pytest.fixture
async def subject(api):
    """An enrolled subject."""
    return await enrolled(api)


async def status(api, bag_id):
    """Tell how a bag stands."""
    return (await api().get(f"/product-bags/{bag_id}")).json()["status"]


async def chain_of(api, subject):
    """Read the chain of a subject's one infusion."""
    (infusion,) = (await api().get(f"/subjects/{subject}/chain-of-identity")).json()["infusions"]
    return infusion


async def test_a_wrong_bag_is_taken_back(api, subject):
    """Its volume comes back and all of it is discarded; the right one is infused and asked for."""
    given = await give_infusion(api, subject, GIVEN)
    first, wrong = (bag["id"] for bag in given["bags"])
    (right,) = await create_bags(api, 1)
    why = "The label was read from the wrong bag."
    answer = await change_infusion(api, subject, 1, bag_ids=[first, right], reason=why)
    assert answer.status_code == 200, answer.text
    assert {(bag["id"], bag["status"]) for bag in answer.json()["bags"]} == {
        (first, "infused"), (right, "infused"),
    }  # fmt: skip
    assert await status(api, wrong) == "discarded"
    assert (await lines(api, wrong))[2:] == [
        ("infused", -20, 80), ("remainder_discarded", -80, 0), ("checked", 0, 0),
        ("infusion_retracted", 20, 20), ("discarded", -20, 0),
    ]  # fmt: skip
    line = (await ledger(api, wrong))[5]
    assert (line["infusion_id"], line["reason"]) == (given["id"], why)
    assert (await lines(api, right))[1:] == [
        ("allocated", 0, 100), ("infused", -20, 80), ("remainder_discarded", -80, 0),
    ]  # fmt: skip
    chain = await chain_of(api, subject)
    assert [bag["bag_id"] for bag in chain["taken_back"]] == [wrong]
    amounts = ("status", "infused_ml", "discarded_ml", "left_ml")
    assert [chain["taken_back"][0][name] for name in amounts] == ["discarded", 0, 100, 0]
    assert sum(bag["infused_ml"] for bag in chain["bags"]) == 120
    assert [gap["code"] for gap in chain["gaps"]] == ["bag_not_checked"]
    checked = {"id": given["id"], "bags": [{"id": right}]}
    await check_bags(api, checked, GIVEN - timedelta(minutes=5))
    assert (await chain_of(api, subject))["gaps"] == []


async def test_a_later_volume_is_booked_on_the_right_bags(api, subject):
    """The bag that was taken back stays as it is, whatever else is corrected."""
    given = await give_infusion(api, subject, GIVEN)
    first, wrong = (bag["id"] for bag in given["bags"])
    assert (await change_infusion(api, subject, 1, bag_ids=[first])).status_code == 200
    assert (await lines(api, first))[-1] == ("infused", -20, -20)
    before = await lines(api, wrong)
    assert (await change_infusion(api, subject, 1, volume_ml=90)).status_code == 200
    assert (await lines(api, first))[-2:] == [
        ("infused", 30, 10), ("remainder_discarded", -10, 0),
    ]  # fmt: skip
    assert await lines(api, wrong) == before


async def test_a_bag_that_was_taken_back_goes_into_nobody(api, subject):
    """Nobody knows whose hands it went through; and an infusion never loses its last bag."""
    given = await give_infusion(api, subject, GIVEN)
    first, wrong = (bag["id"] for bag in given["bags"])
    refused = await change_infusion(api, subject, 1, bag_ids=[])
    assert (refused.status_code, refused.json()["code"]) == (409, "bags_missing")
    assert await status(api, first) == "infused"
    await change_infusion(api, subject, 1, bag_ids=[first])
    other = await enrolled(api)
    await prescribe(api, other)
    refused = await change_infusion(api, other, 1, bag_ids=[wrong])
    assert (refused.status_code, refused.json()["code"]) == (409, "bag_not_available")


@pytest.mark.parametrize("how", ["cancelled", "exchanged"])
async def test_a_thawed_bag_is_never_kept(api, subject, how):
    """Cancelled or exchanged after the thawing, it is discarded by the same act (C6)."""
    await prescribe(api, subject)
    bags = await create_bags(api, 3)
    await change_infusion(api, subject, 1, bag_ids=bags[:2], **THAWED)
    change = {"cancelled": True} if how == "cancelled" else {"bag_ids": bags[1:]}
    answer = await change_infusion(api, subject, 1, **change)
    assert answer.status_code == 200, answer.text
    second = "discarded" if how == "cancelled" else "allocated"
    assert [await status(api, bag) for bag in bags[:2]] == ["discarded", second]
    assert (await lines(api, bags[0]))[-1] == ("discarded", -100, 0)
    other = await enrolled(api)
    await prescribe(api, other)
    refused = await change_infusion(api, other, 1, bag_ids=bags[:1])
    assert (refused.status_code, refused.json()["code"]) == (409, "bag_not_available")


async def test_the_laboratory_does_not_keep_a_thawed_bag_either(api, subject):
    """It cannot put it back into the stock, but it can discard it."""
    await prescribe(api, subject)
    (bag,) = await create_bags(api, 1)
    await change_infusion(api, subject, 1, bag_ids=[bag], **THAWED)
    client, path = api(Role.CELL_LABORATORY), f"/product-bags/{bag}"
    tag = (await client.get(path)).headers["etag"]
    body = {"status": "available", "reason": "Not needed."}
    refused = await client.patch(path, json=body, headers={"If-Match": tag})
    assert (refused.status_code, refused.json()["code"]) == (409, "bag_thawed")
    assert await status(api, bag) == "allocated"
    assert (await move(api, bag, status="discarded"))["status"] == "discarded"


async def test_a_discarded_bag_is_not_dropped_silently(api, subject):
    """Named with the start it is refused by its label, though it was of this very infusion."""
    await prescribe(api, subject)
    bags = await create_bags(api)
    first = (await change_infusion(api, subject, 1, bag_ids=bags)).json()["bags"][0]
    await move(api, first["id"], status="discarded")
    refused = await change_infusion(api, subject, 1, bag_ids=bags, **as_planned(GIVEN))
    assert (refused.status_code, refused.json()["code"]) == (409, "bag_not_available")
    assert f"{first['lot_number']}/{first['bag_number']}" in refused.json()["detail"]
    rest = [bag for bag in bags if bag != first["id"]]
    answer = await change_infusion(api, subject, 1, bag_ids=rest, **as_planned(GIVEN))
    assert [bag["id"] for bag in answer.json()["bags"]] == rest
