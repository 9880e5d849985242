"""Deviations of no subject: of the site that reported them, or of the whole study."""

from datetime import datetime, timedelta

import pytest

from app.domain.vocabulary import Role
from tests.factories.labs import refusal
from tests.factories.people import holding, set_up_site, working_at
from tests.factories.subjects import created, register

REPORT = {
    "category": "documentation",
    "day": "2026-05-20",
    "severity": "minor",
    "description": "The delegation log was filed late.",
}
CHANGE = {"severity": "major", "reason": "Weighed again."}
PATH = "/deviations"


@pytest.fixture
async def there(api):
    """A sub-investigator of a second site."""
    await set_up_site(api, "02")
    return await working_at(api, "02", Role.SUB_INVESTIGATOR, "olga")


async def change(client, deviation):
    """Change a deviation in its first version; return the answer."""
    path = f"{PATH}/{deviation['id']}"
    return await client.patch(path, json=CHANGE, headers={"If-Match": '"v1"'})


async def note(client, deviation, **body):
    """Write a note; return the answer."""
    body = {"deviation_id": deviation["id"], "text": "Looked into."} | body
    return await client.post(f"{PATH}/notes", json=body)


async def listed(client, **wanted):
    """List the deviations of no subject, by id, with how many notes each has."""
    answer = await client.get(PATH, params=wanted)
    assert answer.status_code == 200, answer.text
    return {each["deviation_id"]: len(each["notes"]) for each in answer.json()["items"]}


async def test_a_sites_own_deviation_is_seen_there_and_by_the_whole_study(api, there, clock):
    """Its own people and those of the whole study read, note and change it; a third site does not.

    In the past, in the trail and for its notes the same holds.
    """
    mine = created(await there.post(PATH, json=REPORT))
    created(await note(there, mine, assessment="important"))
    await set_up_site(api, "03")
    third = await working_at(api, "03", Role.SUB_INVESTIGATOR, "otto")
    assert await listed(third) == {}
    assert (await third.get(f"{PATH}/{mine['id']}")).status_code == 404
    assert (await change(third, mine)).status_code == 404
    assert (await note(third, mine)).status_code == 404
    created(await note(api(Role.STUDY_COORDINATOR), mine))
    assert (await change(there, mine)).status_code == 200
    clock.now = datetime.fromisoformat(mine["recorded_at"]) + timedelta(days=1)
    for client, expected in ((api(), {mine["id"]: 2}), (there, {mine["id"]: 2}), (third, {})):
        assert await listed(client) == expected
        assert await listed(client, as_of=clock.now.isoformat()) == expected
        trail = await client.get("/audit/changes", params={"limit": 200})
        assert (mine["id"] in trail.text) is bool(expected)


async def test_what_is_of_the_whole_study_is_read_at_a_site_and_written_by_nobody_there(api, there):
    """Neither changed nor noted on nor assessed by a role for some sites."""
    shared = created(await api(Role.STUDY_COORDINATOR).post(PATH, json=REPORT))
    assert shared["site_id"] is None
    assert await listed(there) == {shared["id"]: 0}
    for answer in (await change(there, shared), await note(there, shared, assessment="important")):
        assert (answer.status_code, answer.json()["code"]) == (403, "whole_study_only")
    mixed = await holding(api, "mia", (Role.STUDY_COORDINATOR, None), (Role.SUB_INVESTIGATOR, "02"))
    answer = await note(mixed, shared, assessment="not_important")
    assert (answer.status_code, answer.json()["code"]) == (403, "investigator_needed")
    assert await listed(there) == {shared["id"]: 0}
    created(await note(mixed, shared))
    created(await note(api(), shared, assessment="important"))
    assert (await change(api(), shared)).status_code == 200


async def test_whoever_works_at_several_sites_names_one_of_them(api, there):
    """Without a name it would be anybody's; of a subject the site is known already."""
    both = await holding(api, "bo", (Role.STUDY_COORDINATOR, "01"), (Role.STUDY_COORDINATOR, "02"))
    assert refusal(await both.post(PATH, json=REPORT)) == (422, "site_needed", "/body/site")
    made = created(await both.post(PATH, json=REPORT | {"site": "02"}))
    assert await listed(there) == {made["id"]: 0}
    of_study = created(await api(Role.STUDY_COORDINATOR).post(PATH, json=REPORT | {"site": "02"}))
    assert of_study["site_id"] == made["site_id"] is not None
    foreign = await there.post(PATH, json=REPORT | {"site": "01"})
    assert refusal(foreign) == (422, "unknown_site", "/body/site")
    subject = await register(api, site="01")
    own = created(await both.post(PATH, json=REPORT | {"subject_id": subject}))
    assert own["site_id"] is None
    twice = await both.post(PATH, json=REPORT | {"subject_id": subject, "site": "01"})
    assert twice.status_code == 422
