"""Product that was unfit: what was given is recorded, and speaks as deviation and as gap."""

from datetime import datetime, timedelta

import pytest

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.dosing import (
    as_planned,
    change_infusion,
    check_bags,
    create_bags,
    give_infusion,
    infusions_of,
    prescribe,
)
from tests.factories.subjects import enrolled

GIVEN = NOW - timedelta(hours=4)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
async def subject(api):
    """An enrolled subject with an ordered infusion."""
    found = await enrolled(api)
    await prescribe(api, found)
    return found


async def change_lot(api, bag_id, **values):
    """Let the laboratory change the lot of a bag; give the moment at which that was recorded."""
    client = api(Role.CELL_LABORATORY)
    path = f"/product-lots/{(await client.get(f'/product-bags/{bag_id}')).json()['lot_id']}"
    tag = (await client.get(path)).headers["etag"]
    body = {"reason": "Tested again."} | values
    answer = await client.patch(path, json=body, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    trail = (await client.get("/audit/changes", params={"record_id": answer.json()["id"]})).json()
    return datetime.fromisoformat(trail["items"][-1]["recorded_at"])


async def faults(api, subject):
    """Give the sentences about unfit product, on the infusion and in the list, and the gaps."""
    shown = (await api().get(f"{infusions_of(subject)}/1")).json()["deviations"]
    listed = (await api().get("/deviations", params={"subject": subject})).json()["items"]
    found, again = (
        [(each["key"], each["severity"], each["sentence"]) for each in items
         if each["code"] == "product_unfit"]
        for items in (shown, listed)
    )  # fmt: skip
    assert found == again
    chain = (await api().get(f"/subjects/{subject}/chain-of-identity")).json()
    gaps = [gap["code"] for gap in chain["infusions"][0]["gaps"]]
    assert chain["unbroken"] is (gaps == [])
    return found, [code for code in gaps if code != "bag_not_checked"]


async def test_what_was_given_before_a_recall_is_recorded(api, clock, subject):
    """Entered after the recall, and fit when it was given: the look-back is for the rest."""
    bags = await create_bags(api)
    allocated = (await change_infusion(api, subject, 1, bag_ids=bags)).json()
    recalled = await change_lot(api, bags[0], released=False)
    clock.now = recalled + 2 * MOMENT
    record = {"started_at": (recalled - MOMENT).isoformat(), "volume_ml": 120}
    answer = await change_infusion(api, subject, 1, **record)
    assert answer.status_code == 200, answer.text
    assert [bag["status"] for bag in answer.json()["bags"]] == ["infused"] * 2
    assert allocated["id"] == answer.json()["id"]
    assert await faults(api, subject) == ([], [])


async def test_a_start_after_a_recall_is_refused_today_and_recorded_later(api, clock, subject):
    """Today it can still be stopped; what happened yesterday is entered, and departs."""
    (bag,) = await create_bags(api, 1)
    shown = (await change_infusion(api, subject, 1, bag_ids=[bag])).json()["bags"][0]
    recalled = await change_lot(api, bag, released=False)
    clock.now = recalled + 2 * MOMENT
    record = {"started_at": (recalled + MOMENT).isoformat(), "volume_ml": 100}
    refused = await change_infusion(api, subject, 1, **record)
    assert (refused.status_code, refused.json()["code"]) == (409, "lot_not_usable")
    label = f"{shown['lot_number']}/{shown['bag_number']}"
    messages = [(each["code"], each["message"]) for each in refused.json()["errors"]]
    assert messages == [("lot_not_released", f"Bag {label}: The lot was not released.")]
    clock.advance(days=1)
    assert (await change_infusion(api, subject, 1, **record)).status_code == 200
    sentence = f"Infusion 1 began with unfit product. Bag {label}: The lot was not released."
    assert await faults(api, subject) == (
        [("product_unfit:1", "major", sentence)],
        ["lot_not_released"],
    )


async def test_late_entry_names_a_recalled_bag(api, clock, subject):
    """Bag and start come in together, days after the recall."""
    bags = await create_bags(api)
    await change_lot(api, bags[0], released=False)
    clock.advance(days=3)
    answer = await change_infusion(api, subject, 1, bag_ids=bags, **as_planned(GIVEN))
    assert answer.status_code == 200, answer.text


async def test_nothing_is_infused_before_it_was_made(api, clock, subject):
    """That is no departure but a mistake, also days later."""
    bags = await create_bags(api, manufactured_on="2026-06-01")
    clock.advance(days=3)
    early = as_planned(GIVEN - timedelta(days=1))
    refused = await change_infusion(api, subject, 1, bag_ids=bags, **early)
    assert {each["code"] for each in refused.json()["errors"]} == {"lot_not_made"}


async def test_expiry_follows_a_corrected_start(api, clock, subject):
    """Fit on the day that was first recorded, expired on the real one."""
    clock.advance(days=10)
    bags = await create_bags(api, expires_on="2026-06-03")
    answer = await change_infusion(api, subject, 1, bag_ids=bags, **as_planned(NOW))
    await check_bags(api, answer.json(), NOW - timedelta(minutes=5))
    assert await faults(api, subject) == ([], [])
    moved = as_planned(NOW + timedelta(days=5))
    assert (await change_infusion(api, subject, 1, **moved)).status_code == 200
    found, gaps = await faults(api, subject)
    assert ([key for key, _, _ in found], gaps) == (["product_unfit:1"], ["lot_expired"] * 2)


async def test_a_corrected_viability_counts_and_a_later_recall_does_not(api):
    """What the test should have said was true all along; that the lot was released then, too."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN)
    await change_lot(api, given["bags"][0]["id"], released=False, viability_percent=50)
    found, gaps = await faults(api, subject)
    assert (len(found), gaps) == (1, ["viability_too_low"] * 2)


@pytest.mark.parametrize(("measured", "gaps"), [(85, []), (84.9, ["viability_too_low"])])
async def test_the_viability_of_the_infusion_counts(api, measured, gaps):
    """At 85 percent it was fit, below it was not."""
    subject = await enrolled(api)
    await give_infusion(api, subject, GIVEN, viability_percent=measured)
    found, shown = await faults(api, subject)
    assert (len(found), shown) == (len(gaps), gaps)


async def test_fitness_is_read_as_it_was_known(api, clock):
    """Before the viability was corrected nobody knew."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN)
    moment = await change_lot(api, given["bags"][0]["id"], released=False, viability_percent=50)
    clock.now = moment + timedelta(days=1)
    path = f"/subjects/{subject}/chain-of-identity"
    past = {"as_of": (moment - MOMENT).isoformat()}
    assert (await api().get(path, params=past)).json()["unbroken"] is True
    assert (await api().get(path)).json()["unbroken"] is False
