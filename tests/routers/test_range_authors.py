"""Who ends whose reference ranges, and what is said of a laboratory that nobody has heard of."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.labs import measured
from tests.factories.people import set_up_site, working_at
from tests.factories.senders import create_sender
from tests.factories.subjects import created, register

PATH = "/reference-ranges"
ALT = {
    "laboratory": "WARD", "analyte": "ALT", "unit": "U/L", "low": 5, "high": 40,
    "effective_from": "2026-05-01",
}  # fmt: skip


async def add(client, **changes):
    """Record a range."""
    return created(await client.post(PATH, json=ALT | changes))


async def take_back(client, found):
    """Take a range back; return the answer."""
    return await client.post(f"{PATH}/{found['id']}/retraction", json={"reason": "A mistake."})


async def test_a_role_for_a_site_takes_back_its_own_ranges_alone(api):
    """What data management recorded of the site's laboratory, only the whole study takes back."""
    await set_up_site(api, "02")
    await create_sender(api, code="LIS-02", site="02")
    there = await working_at(api, "02", Role.STUDY_COORDINATOR, "cora")
    central = await add(api(Role.DATA_MANAGER), laboratory="LIS-02")
    own = await add(there, laboratory="LIS-02", effective_from="2026-06-01")
    refused = await take_back(there, central)
    assert (refused.status_code, refused.json()["code"]) == (403, "whole_study_only")
    created(await take_back(there, own))
    taken = created(await take_back(api(Role.STUDY_COORDINATOR), central))
    assert taken["retracted"] is True
    again = await take_back(api(Role.DATA_MANAGER), central)
    assert (again.status_code, again.json()["code"]) == (409, "range_ended")
    assert "name an earlier day" in again.json()["detail"]


@pytest.mark.parametrize("written", ["WARD", " WARD ", "WARD\u2003"])
async def test_white_space_makes_no_other_laboratory(api, written):
    """The range is of the ward, and the ward's results go by it, however they are padded."""
    made = await add(api(Role.DATA_MANAGER), laboratory=written)
    assert made["laboratory"] == "WARD"
    subject = await register(api)
    result = measured(subject, "ALT", 121, "U/L", source=written)
    lab = created(await api().post("/labs", json=result))
    shown = (await api().get(f"/labs/{lab['id']}")).json()
    assert [each["grade"] for each in shown["grades"]] == [2]
    answer = await api(Role.DATA_MANAGER).post(PATH, json=ALT)
    assert (answer.status_code, answer.json()["code"]) == (409, "range_exists")


@pytest.mark.parametrize("name", ["  ", "\t", 7, None])
async def test_a_laboratory_has_a_name(api, name):
    """Nothing but white space is none."""
    answer = await api(Role.DATA_MANAGER).post(PATH, json=ALT | {"laboratory": name})
    assert answer.status_code == 422


async def test_an_unheard_of_laboratory_is_pointed_out_and_not_refused(api):
    """A range may come before the first result; a misspelt name is seen at once."""
    data_manager = api(Role.DATA_MANAGER)
    first = await add(data_manager)
    assert first["known_laboratory"] is False
    result = measured(await register(api), "ALT", 121, "U/L", source="WARD")
    created(await api().post("/labs", json=result))
    assert (await add(data_manager, analyte="AST"))["known_laboratory"] is True
    misspelt = await add(data_manager, laboratory="ward")
    assert (misspelt["laboratory"], misspelt["known_laboratory"]) == ("ward", False)
    await create_sender(api, code="LIS-02")
    assert (await add(data_manager, laboratory="LIS-02"))["known_laboratory"] is True
    taken = created(await take_back(data_manager, misspelt))
    assert taken["known_laboratory"] is False
