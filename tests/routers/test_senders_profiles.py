"""Profile versions over HTTP: whole, explained, never changed, the last one counts."""

import pytest

from app.core.serialization import digest
from app.domain.vocabulary import Role
from tests.factories.senders import SENDERS, create_sender
from tests.factories.subjects import created

REASON = "The laboratory changed its system."


async def add(api, sender: dict, profile: object, **more: object):
    """Add a profile version."""
    body = {"profile": profile, "reason": REASON} | more
    return await api(Role.DATA_MANAGER).post(f"{SENDERS}/{sender['id']}/profiles", json=body)


async def versions(api, sender: dict) -> list[dict]:
    """List the versions of a sender's profile."""
    return (await api().get(f"{SENDERS}/{sender['id']}/profiles")).json()["items"]


async def test_a_version_is_added_whole_and_counts(api):
    """What the document leaves out is stored, too; its digest and its reason are kept."""
    sender = await create_sender(api)
    document = {"unit_component": 2, "codes": [{"system": "", "code": "WBC#", "analyte": "WBC"}]}
    made = created(await add(api, sender, document))
    assert (made["number"], made["reason"], made["sender_id"]) == (2, REASON, sender["id"])
    assert made["document"]["unit_component"] == 2
    assert made["document"]["codes"] == [document["codes"][0] | {"panel": None}]
    assert made["document"]["time_zone"] == "Asia/Shanghai"
    assert made["digest"] == digest(made["document"])
    first, second = await versions(api, sender)
    assert second == made
    assert (first["number"], first["reason"]) == (1, "Registered with the sender.")
    found = (await api().get(f"{SENDERS}/{sender['id']}")).json()
    assert found["profile_number"] == 2
    assert created(await add(api, sender, made["document"]))["digest"] == made["digest"]


async def test_a_shipped_profile_is_taken_by_its_name(api):
    """It is stored whole, so that a later release does not change how messages are read."""
    sender = await create_sender(api)
    made = created(await add(api, sender, "china_oul_r24"))
    assert made["document"]["unit_component"] == 2
    assert made["document"]["accession_fields"] == ["SPM-2", "OBR-2.3", "OBR-3"]


@pytest.mark.parametrize(
    ("profile", "pointer"),
    [
        ("no_such_profile", "/body/profile"),
        (None, "/body/profile"),
        ([], "/body/profile"),
        ({"unit_component": 0}, "/body/profile/unit_component"),
        ({"time_zone": "Mars/Olympus"}, "/body/profile/time_zone"),
        ({"no_such": 1}, "/body/profile/no_such"),
    ],
)
async def test_a_profile_that_does_not_fit_is_refused(api, profile, pointer):
    """The refusal points into the document, at registration and later."""
    sender = await create_sender(api)
    answer = await add(api, sender, profile)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert len(await versions(api, sender)) == 1
    body = {"code": "LIS-02", "name": "New", "profile": profile}
    registered = await api(Role.DATA_MANAGER).post(SENDERS, json=body)
    assert registered.status_code == 422
    assert [error["pointer"] for error in registered.json()["errors"]] == [pointer]


async def test_a_change_of_an_outdated_version_is_refused(api):
    """Who names the version that was changed does not undo what came meanwhile."""
    sender = await create_sender(api)
    assert (await add(api, sender, {}, based_on=1)).status_code == 201
    late = await add(api, sender, {}, based_on=1)
    assert (late.status_code, late.json()["code"]) == (409, "profile_changed_meanwhile")
    assert (await add(api, sender, {}, based_on=2)).status_code == 201


async def test_a_change_needs_a_reason(api):
    """A version says why it was added."""
    sender = await create_sender(api)
    assert (await add(api, sender, {}, reason=" ")).status_code == 422
    assert (await add(api, {"id": "0" * 8}, {})).status_code == 404
