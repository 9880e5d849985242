"""Bags serve every site: their balance is everybody's, whom they were for only the own site's."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.conftest import NOW
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
SECRET = "Mrs. Lin was too ill to come."
NAMES = ("infusion_id", "actor_name", "role", "method", "checked_at")
OWN = (*NAMES, "reason")


@pytest.fixture
async def second(api):
    """The second site's id."""
    return await set_up_site(api, "02")


def is_blank(step, names):
    """Tell whether a step names nobody."""
    return all(step[name] is None for name in names)


async def test_the_steps_for_another_site_name_nobody(api, second):
    """Volumes, states and times are those of the whole study; hands, reasons and checks are not."""
    given = await give_infusion(api, await enrolled(api, site="01"), GIVEN, reason=SECRET)
    client = await working_at(api, "02", Role.STUDY_COORDINATOR, "olga")
    path = f"/product-bags/{given['bags'][1]['id']}/movements"
    whole, seen = [(await each.get(path)).json()["items"] for each in (api(), client)]
    assert SECRET in str(whole)
    assert len(seen) == len(whole) == 5
    assert seen[0] == whole[0]
    assert all(is_blank(line, OWN) for line in seen[1:])
    hidden = dict.fromkeys(OWN)
    assert [line | hidden for line in whole[1:]] == seen[1:]
    assert [line["left_ml"] for line in seen] == [100, 100, 80, 0, 0]


async def test_a_look_back_names_no_infusion_of_another_site(api, second):
    """The bags of the lot and what became of them, without whom they were for."""
    given = await give_infusion(api, await enrolled(api, site="01"), GIVEN)
    client = await working_at(api, "02", Role.MONITOR, "mona")
    path = f"/product-lots/{given['bags'][0]['lot_id']}/look-back"
    bags = (await client.get(path)).json()["bags"]
    assert [(bag["status"], bag["infusion_id"]) for bag in bags] == [("infused", None)] * 2
    whole = (await api(Role.MONITOR).get(path)).json()["bags"]
    assert {bag["infusion_id"] for bag in whole} == {given["id"]}


async def test_a_chain_shows_what_another_site_did_as_nobodys(api, second):
    """Held for a subject of the first site, returned, given at the second: the sum is the same."""
    bags = await create_bags(api)
    first = await enrolled(api, site="01")
    await prescribe(api, first)
    await change_infusion(api, first, 1, bag_ids=bags, reason=SECRET)
    await change_infusion(api, first, 1, bag_ids=[], reason=SECRET)
    subject = await enrolled(api, site="02")
    await prescribe(api, subject)
    answer = await change_infusion(api, subject, 1, bag_ids=bags, **as_planned(GIVEN))
    assert answer.status_code == 200, answer.text
    client = await working_at(api, "02", Role.STUDY_COORDINATOR, "olga")
    path = f"/subjects/{subject}/chain-of-identity"
    whole, seen = [(await each.get(path)).json()["infusions"][0] for each in (api(), client)]
    for mine, all_of_it in zip(seen["bags"], whole["bags"], strict=True):
        assert [step["step"] for step in mine["steps"][:3]] == [
            "registered", "allocated", "returned",
        ]  # fmt: skip
        assert all(is_blank(step, NAMES) for step in mine["steps"][1:3])
        assert not any(is_blank(step, NAMES) for step in mine["steps"][3:])
        assert mine | {"steps": []} == all_of_it | {"steps": []}
    assert seen["gaps"] == whole["gaps"]
    assert SECRET not in (await client.get(f"/product-bags/{bags[0]}/movements")).text


async def test_the_database_hides_the_steps_for_another_site(api, second):
    """As the API's role, bound to the second site: what names an infusion of the first is gone."""
    await give_infusion(api, await enrolled(api, site="01"), GIVEN)
    found = {}
    async with owners_session(api) as session:
        study = await session.scalar(text("SELECT study_id FROM study"))
        for sites in ("", f"{{{second}}}"):
            for name, value in (("study", f"{{{study}}}"), ("site", sites)):
                await session.execute(
                    text("SELECT set_config(:name, :value, true)"),
                    {"name": f"app.{name}_ids", "value": value},
                )
            await session.execute(text("SET LOCAL ROLE msc_icaht_api"))
            query = "SELECT count(*), count(infusion_id) FROM bag_movement"
            found[sites] = tuple((await session.execute(text(query))).one())
            await session.execute(text("SET LOCAL ROLE postgres"))
    assert found == {"": (9, 7), f"{{{second}}}": (2, 0)}


@pytest.mark.parametrize("status", ["available", "discarded"])
async def test_a_bag_of_another_site_is_not_there_to_be_moved(api, second, status):
    """Whoever named a bag is told about a bag."""
    subject = await enrolled(api, site="01")
    await prescribe(api, subject)
    (bag,) = await create_bags(api, 1)
    await change_infusion(api, subject, 1, bag_ids=[bag])
    client = await working_at(api, "02", Role.CELL_LABORATORY, "cleo")
    path = f"/product-bags/{bag}"
    tag = (await client.get(path)).headers["etag"]
    body = {"status": status, "reason": "Not needed."}
    refused = await client.patch(path, json=body, headers={"If-Match": tag})
    assert refused.status_code == 404
    absent = await client.patch(
        "/product-bags/01930000-0000-7000-8000-000000000000", json=body, headers={"If-Match": tag}
    )
    assert refused.json()["detail"] == absent.json()["detail"]
    assert (await api().get(path)).json()["status"] == "allocated"


async def test_a_laboratory_of_one_site_moves_bags_of_its_own(api, second):
    """Returned by the first site, allocated, returned and discarded by the second."""
    (bag,) = await create_bags(api, 1)
    first = await enrolled(api, site="01")
    await prescribe(api, first)
    await change_infusion(api, first, 1, bag_ids=[bag])
    await change_infusion(api, first, 1, bag_ids=[])
    subject = await enrolled(api, site="02")
    infusion = created(
        await api(Role.SUB_INVESTIGATOR).post(
            infusions_of(subject), json={"planned_date": "2026-06-01", "weight_kg": 60}
        )
    )
    client, path = await working_at(api, "02", Role.CELL_LABORATORY, "cleo"), f"/product-bags/{bag}"
    for step in (
        {"status": "allocated", "infusion_id": infusion["id"]},
        {"status": "available"},
        {"status": "discarded"},
    ):
        tag = (await client.get(path)).headers["etag"]
        body = {"reason": "Planned."} | step
        answer = await client.patch(path, json=body, headers={"If-Match": tag})
        assert answer.status_code == 200, answer.text
    items = (await client.get(f"{path}/movements")).json()["items"]
    assert [line["left_ml"] for line in items] == [100] * 5 + [0]
