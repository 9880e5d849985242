"""The ledger of bags over HTTP: every step is a line, and all volume is accounted for."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.vocabulary import Role
from tests.conftest import NOW
from tests.factories.casebooks import bring_to
from tests.factories.dosing import (
    as_planned,
    change_infusion,
    create_bags,
    give_infusion,
    infusions_of,
    prescribe,
)
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import owners_session
from tests.factories.subjects import created, enrolled

GIVEN = NOW - timedelta(hours=4)


async def ledger(api, bag_id, **query):
    """List the steps of a bag."""
    answer = await api(Role.CELL_LABORATORY).get(f"/product-bags/{bag_id}/movements", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return answer.json()["items"]


async def lines(api, bag_id):
    """Give step, volume and what was left after each."""
    found = await ledger(api, bag_id)
    return [(line["step"], line["volume_ml"], line["left_ml"]) for line in found]


async def move(api, bag_id, **values):
    """Let the cell laboratory change a bag."""
    client, path = api(Role.CELL_LABORATORY), f"/product-bags/{bag_id}"
    tag = (await client.get(path)).headers["etag"]
    body = {"reason": "Needed for a test."} | values
    answer = await client.patch(path, json=body, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def recount(api, bag_id, volume_ml):
    """Correct the volume of the bags of a bag's lot; give the answer."""
    client = api(Role.CELL_LABORATORY)
    path = f"/product-lots/{(await client.get(f'/product-bags/{bag_id}')).json()['lot_id']}"
    tag = (await client.get(path)).headers["etag"]
    body = {"bag_volume_ml": volume_ml, "reason": "Measured again."}
    return await client.patch(path, json=body, headers={"If-Match": tag})


async def test_every_step_of_a_bag_is_a_line(api):
    """Registered, allocated, returned and discarded: by whom, why, and how it stood after it."""
    infusion = await prescribe(api, await enrolled(api))
    (bag,) = await create_bags(api, 1)
    await move(api, bag, status="allocated", infusion_id=infusion["id"])
    await move(api, bag, status="available")
    await move(api, bag, status="discarded")
    found = await ledger(api, bag)
    assert [(line["step"], line["status_after"]) for line in found] == [
        ("registered", "available"), ("allocated", "allocated"),
        ("returned", "available"), ("discarded", "discarded"),
    ]  # fmt: skip
    assert [line["infusion_id"] for line in found] == [None, infusion["id"], infusion["id"], None]
    assert [line["left_ml"] for line in found] == [100, 100, 100, 0]
    assert {line["bag_id"] for line in found} == {bag}
    assert found[1]["reason"] == "Needed for a test."
    assert found[1]["role"] == "cell_laboratory"


async def test_what_is_not_given_is_discarded(api):
    """60 kg need 120 mL: one bag is emptied, of the second 80 mL are left and thrown away."""
    given = await give_infusion(api, await enrolled(api), GIVEN)
    first, second = (bag["id"] for bag in given["bags"])
    assert await lines(api, first) == [
        ("registered", 100, 100), ("allocated", 0, 100), ("infused", -100, 0), ("checked", 0, 0),
    ]  # fmt: skip
    assert await lines(api, second) == [
        ("registered", 100, 100), ("allocated", 0, 100), ("infused", -20, 80),
        ("remainder_discarded", -80, 0), ("checked", 0, 0),
    ]  # fmt: skip


async def test_a_corrected_volume_is_booked_as_a_difference(api):
    """Nothing is known at the start, then 120 mL, then 150, then none: the sum follows."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN, volume_ml=None)
    second = given["bags"][1]["id"]
    assert await lines(api, second) == [
        ("registered", 100, 100), ("allocated", 0, 100), ("infused", 0, 100), ("checked", 0, 100),
    ]  # fmt: skip
    booked = []
    for volume in (120, 150, 150, 0):
        before = await lines(api, second)
        answer = await change_infusion(api, subject, 1, volume_ml=volume)
        assert answer.status_code == 200, answer.text
        booked.append((await lines(api, second))[len(before) :])
    assert booked == [
        [("infused", -20, 80), ("remainder_discarded", -80, 0)],
        [("infused", -30, -30), ("remainder_discarded", 30, 0)],
        [],
        [("infused", 50, 50), ("remainder_discarded", -50, 0)],
    ]


async def test_more_than_the_bags_held_is_a_debt(api):
    """210 mL out of two bags of 100 are charged to the last one, and the chain says so."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN, volume_ml=210)
    assert (await lines(api, given["bags"][1]["id"]))[-2] == ("infused", -110, -10)
    chain = (await api().get(f"/subjects/{subject}/chain-of-identity")).json()
    assert [gap["code"] for gap in chain["infusions"][0]["gaps"]] == ["more_than_held"]


async def test_bags_that_are_named_no_more_are_returned(api):
    """A bag that a change leaves out, and those of a cancelled infusion, are available again."""
    subject = await enrolled(api)
    await prescribe(api, subject)
    first, second = await create_bags(api)
    await change_infusion(api, subject, 1, bag_ids=[first, second])
    await change_infusion(api, subject, 1, bag_ids=[second])
    await change_infusion(api, subject, 1, cancelled=True)
    steps = [("registered", 100, 100), ("allocated", 0, 100), ("returned", 0, 100)]
    assert [await lines(api, bag) for bag in (first, second)] == [steps, steps]


async def test_an_infusion_counts_one_version_with_its_bags(api):
    """Lines in the ledger do not count as further changes of the infusion or of a bag."""
    subject = await enrolled(api)
    await prescribe(api, subject)
    bags = await create_bags(api)
    record = as_planned(GIVEN) | {"bag_ids": bags}
    answer = await change_infusion(api, subject, 1, **record)
    assert answer.json()["version"] == 2
    assert (await api().get(f"/product-bags/{bags[0]}")).json()["version"] <= 3


async def test_a_corrected_lot_recounts_its_bags(api):
    """Used bags give what they gave, the remainder follows; discarded and free ones follow too."""
    given = await give_infusion(api, await enrolled(api), GIVEN)
    first, second = (bag["id"] for bag in given["bags"])
    client = api(Role.CELL_LABORATORY)
    lot_id = given["bags"][0]["lot_id"]
    free, thrown = [
        created(await client.post("/product-bags", json={"lot_id": lot_id, "bag_number": number}))
        for number in ("B-8", "B-9")
    ]
    await move(api, thrown["id"], status="discarded")
    assert (await recount(api, first, 95)).status_code == 200
    assert (await lines(api, first))[-2:] == [("recounted", -5, -5), ("infused", 5, 0)]
    assert (await lines(api, second))[-3:] == [
        ("recounted", -5, -5), ("infused", -5, -10), ("remainder_discarded", 10, 0),
    ]  # fmt: skip
    assert (await lines(api, free["id"]))[-1] == ("recounted", -5, 95)
    assert (await lines(api, thrown["id"]))[-2:] == [("recounted", -5, -5), ("discarded", 5, 0)]


async def test_bags_of_a_closed_casebook_are_not_recounted(api):
    """Where a bag went is of the casebook, so it is opened first; nothing is half booked."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN)
    before = [await lines(api, bag["id"]) for bag in given["bags"]]
    await bring_to(api, subject, "frozen")
    refused = await recount(api, given["bags"][0]["id"], 95)
    assert (refused.status_code, refused.json()["code"]) == (423, "casebook_locked")
    assert [await lines(api, bag["id"]) for bag in given["bags"]] == before


async def forget(api, *bag_ids):
    """Take the lines of bags away, as if they were from before the ledger began."""
    async with owners_session(api) as session:
        await session.execute(text("ALTER TABLE bag_movement DISABLE TRIGGER USER"))
        query = text("DELETE FROM bag_movement WHERE bag_id = ANY (:bags)")
        await session.execute(query, {"bags": list(bag_ids)})
        for trigger in ("refuse", "lock_inserts", "lock_updates"):
            name = f"bag_movement_{trigger}"
            await session.execute(text(f"ALTER TABLE bag_movement ENABLE ALWAYS TRIGGER {name}"))
        await session.commit()


async def test_the_ledger_of_an_older_bag_begins_with_its_next_step(api):
    """It stands as it stood before, with all it held; how it came there is in the trail."""
    infusion = await prescribe(api, await enrolled(api))
    (bag,) = await create_bags(api, 1)
    await forget(api, bag)
    assert await ledger(api, bag) == []
    await move(api, bag, status="allocated", infusion_id=infusion["id"])
    found = await ledger(api, bag)
    assert [(line["step"], line["status_after"]) for line in found] == [
        ("opened", "available"), ("allocated", "allocated"),
    ]  # fmt: skip
    await forget(api, bag)
    await move(api, bag, status="discarded")
    assert await lines(api, bag) == [("opened", 100, 100), ("discarded", -100, 0)]
    assert (await ledger(api, bag))[0]["status_after"] == "allocated"


async def test_an_infusion_from_before_the_ledger_accuses_nobody(api):
    """Its bags were not to be checked yet; a later correction accounts for them all the same."""
    subject = await enrolled(api)
    given = await give_infusion(api, subject, GIVEN)
    bags = [bag["id"] for bag in given["bags"]]
    await forget(api, *bags)
    for volume, left in ((None, []), (110, [("infused", -10, 90)])):
        if volume is not None:
            await change_infusion(api, subject, 1, volume_ml=volume)
        shown = (await api().get(f"{infusions_of(subject)}/1")).json()
        assert shown["deviations"] == []
        chain = (await api().get(f"/subjects/{subject}/chain-of-identity")).json()
        assert {gap["code"] for gap in chain["infusions"][0]["gaps"]} == {"before_ledger"}
        assert (await lines(api, bags[1]))[1:2] == left
    assert (await lines(api, bags[1]))[0] == ("opened", 100, 100)


async def test_the_ledger_is_read_as_it_was(api, clock):
    """Of a past moment it has the lines of that moment; an absent bag is not there."""
    infusion = await prescribe(api, await enrolled(api))
    (bag,) = await create_bags(api, 1)
    await move(api, bag, status="allocated", infusion_id=infusion["id"])
    await move(api, bag, status="available")
    found = await ledger(api, bag)
    clock.now = datetime.fromisoformat(found[-1]["recorded_at"]) + timedelta(days=1)
    assert await ledger(api, bag, as_of=found[1]["recorded_at"]) == found[:2]
    absent = "/product-bags/01930000-0000-7000-8000-000000000000/movements"
    assert (await api().get(absent)).status_code == 404


@pytest.mark.parametrize(
    "statement", ["UPDATE bag_movement SET volume_ml = 1", "DELETE FROM bag_movement"]
)
async def test_nobody_changes_a_line(api, statement):
    """The database refuses to change or remove what was booked, the owner's own SQL included."""
    (bag,) = await create_bags(api, 1)
    async with owners_session(api) as session:
        attempt = await session.begin_nested()
        with pytest.raises(DBAPIError, match="records are kept"):
            await session.execute(text(statement))
        await attempt.rollback()
    assert len(await ledger(api, bag)) == 1


async def test_a_laboratory_of_one_site_recounts_the_bags_of_all(api):
    """What another site's subject was given is settled too, though nobody there is shown."""
    given = await give_infusion(api, await enrolled(api), GIVEN)
    first, second = (bag["id"] for bag in given["bags"])
    await set_up_site(api, "02")
    client = await working_at(api, "02", Role.CELL_LABORATORY, "cleo")
    path = f"/product-lots/{given['bags'][0]['lot_id']}"
    body = {"bag_volume_ml": 95, "reason": "Measured again."}
    answer = await client.patch(path, json=body, headers={"If-Match": '"v1"'})
    assert answer.status_code == 200, answer.text
    assert [(await lines(api, bag))[-1][2] for bag in (first, second)] == [0, 0]


async def test_simultaneous_corrections_book_each_volume_once(committing_api):
    """Two people correct the volume at the same time: one is told, and the ledger sums to zero."""
    subject = await enrolled(committing_api)
    given = await give_infusion(committing_api, subject, GIVEN)
    path = f"{infusions_of(subject)}/1"
    tag = (await committing_api().get(path)).headers["etag"]

    async def correct(volume_ml):
        body = {"volume_ml": volume_ml, "reason": "Read from the pump."}
        return await committing_api().patch(path, json=body, headers={"If-Match": tag})

    answers = await asyncio.gather(correct(130), correct(140))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (kept,) = [answer.json()["volume_ml"] for answer in answers if answer.status_code == 200]
    chain = (await committing_api().get(f"/subjects/{subject}/chain-of-identity")).json()
    bags = chain["infusions"][0]["bags"]
    assert [bag["bag_id"] for bag in bags] == [bag["id"] for bag in given["bags"]]
    assert [(bag["infused_ml"], bag["left_ml"]) for bag in bags] == [(100, 0), (kept - 100, 0)]
