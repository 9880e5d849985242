"""Two subjects, one bag, at the same time: real transactions, and exactly one gets it."""

import asyncio

from app.domain.vocabulary import Role
from tests.factories.dosing import create_bags, infusions_of, prescribe
from tests.factories.subjects import enrolled


async def test_one_bag_goes_to_one_infusion(committing_api):
    """Of simultaneous starts with the same bags one succeeds, whatever the order of the names."""
    api = committing_api
    subjects = []
    for _ in range(3):
        subjects.append(await enrolled(api))
        await prescribe(api, subjects[-1])
    for _ in range(3):
        bags = await create_bags(api)

        async def take(subject, bags=bags):
            path = f"{infusions_of(subject)}/1"
            body = {"bag_ids": bags, "reason": "Thawed for the infusion."}
            tag = (await api().get(path)).headers["etag"]
            return await api().patch(path, json=body, headers={"If-Match": tag})

        answers = await asyncio.gather(*(take(subject) for subject in subjects))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        refused = [answer.json()["code"] for answer in answers if answer.status_code == 409]
        assert refused == ["bag_not_available"] * 2
        bags.reverse()
    held = [(await api().get(f"{infusions_of(subject)}/1")).json()["bags"] for subject in subjects]
    shown = [bag["id"] for bags in held for bag in bags]
    assert len(shown) == len(set(shown)) > 0


async def test_laboratory_and_clinic_do_not_take_the_same_bag(committing_api):
    """An allocation by the laboratory and one by the clinic exclude each other, too."""
    api = committing_api
    infusions = [await prescribe(api, await enrolled(api)) for _ in range(2)]
    (bag,) = await create_bags(api, 1)
    allocation = {"status": "allocated", "infusion_id": infusions[0]["id"], "reason": "Ordered."}
    use = {"bag_ids": [bag], "reason": "Thawed."}
    tag = {"If-Match": '"v1"'}
    answers = await asyncio.gather(
        api(Role.CELL_LABORATORY).patch(f"/product-bags/{bag}", json=allocation, headers=tag),
        api().patch(f"{infusions_of(infusions[1]['subject_id'])}/1", json=use, headers=tag),
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert codes[1] in (409, 412)
