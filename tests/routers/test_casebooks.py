"""Casebooks over HTTP: each step by who may take it, and what a closed one refuses."""

import pytest

from app.domain.vocabulary import Role
from tests.factories import casebooks
from tests.factories.casebooks import bring_to, read, sign, step, unlock
from tests.factories.subjects import register


def state_of(answer) -> tuple[int, str, str]:
    """Give status, code and the present state of a refusal."""
    body = answer.json()
    return answer.status_code, body["code"], body["errors"][0]["code"]


async def change(api, subject_id):
    """Weigh a subject again."""
    body = {"weight_kg": 61, "reason": "Weighed again."}
    path = f"/subjects/{subject_id}"
    client = api(Role.STUDY_COORDINATOR)
    version = (await client.get(path)).headers["etag"]
    return await client.patch(path, json=body, headers={"If-Match": version})


async def test_a_casebook_goes_its_way_and_comes_back(api):
    """It is frozen, signed, locked, and opened by two; each step shows in its history."""
    subject_id = await register(api)
    assert (await read(api, subject_id))["state"] == "open"
    await bring_to(api, subject_id, "locked")
    found = await read(api, subject_id)
    assert found["state"] == "locked"
    assert found["digest"] == found["frozen_digest"] == found["signature"]["digest"]
    assert found["signature"]["role"] == "principal_investigator"
    assert found["signature"]["void"] is False
    await unlock(api, subject_id)
    found = await read(api, subject_id)
    assert found["state"] == "open"
    assert [each["action"] for each in found["history"]] == [
        "freeze", "lock", "request_unlock", "approve_unlock",
    ]  # fmt: skip
    assert [each["role"] for each in found["history"]] == [
        "data_manager", "data_manager", "data_manager", "principal_investigator",
    ]  # fmt: skip
    assert {each["reason"] for each in found["history"]} == {"Test."}
    assert (await change(api, subject_id)).status_code == 200
    assert (await read(api, subject_id))["signature"]["void"] is True


@pytest.mark.parametrize("state", casebooks.CLOSED)
async def test_a_closed_casebook_refuses_a_change(api, state):
    """The answer is 423, names the state and says what to do; nothing is stored."""
    subject_id = await register(api)
    await bring_to(api, subject_id, state)
    before = await read(api, subject_id)
    answer = await change(api, subject_id)
    stored = "locked" if state == "locked" else "frozen"
    assert state_of(answer) == (423, "casebook_locked", stored)
    assert answer.json()["detail"].endswith(".")
    assert await read(api, subject_id) == before


async def test_freezing_again_what_did_not_change_keeps_the_signature(api):
    """A signature is bound to the records, not to the freezing."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "signed")
    assert (await step(api, subject_id, "unfreeze")).status_code == 200
    assert (await read(api, subject_id))["state"] == "open"
    assert (await step(api, subject_id, "freeze")).status_code == 200
    assert (await read(api, subject_id))["state"] == "signed"


async def test_a_changed_casebook_has_to_be_signed_again(api):
    """After a change the signature is void, so that the casebook cannot be locked."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "signed")
    assert (await step(api, subject_id, "unfreeze")).status_code == 200
    assert (await change(api, subject_id)).status_code == 200
    assert (await step(api, subject_id, "freeze")).status_code == 200
    found = await read(api, subject_id)
    assert (found["state"], found["signature"]["void"]) == ("frozen", True)
    assert state_of(await step(api, subject_id, "lock")) == (409, "casebook_state", "frozen")
    assert (await sign(api, subject_id)).status_code == 201
    assert (await step(api, subject_id, "lock")).status_code == 200


async def test_a_data_managers_signature_locks_nothing(api):
    """Only the principal investigator answers for the records."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "frozen")
    await sign(api, subject_id, Role.DATA_MANAGER)
    assert (await read(api, subject_id))["state"] == "frozen"
    assert (await step(api, subject_id, "lock")).status_code == 409


async def test_each_step_has_its_role(api):
    """An investigator does not freeze, a coordinator does nothing of it."""
    subject_id = await register(api)
    for role in (Role.PRINCIPAL_INVESTIGATOR, Role.STUDY_COORDINATOR, Role.MONITOR):
        assert (await step(api, subject_id, "freeze", role)).status_code == 403
    assert (await step(api, subject_id, "freeze")).status_code == 200


async def test_unlocking_takes_a_second_person_of_the_other_role(api):
    """Whoever asked cannot approve, nor can another person of the same role."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "locked")
    assert (await step(api, subject_id, "approve_unlock")).json()["code"] == "unlock_not_requested"
    asked = await step(api, subject_id, "request_unlock")
    assert asked.json()["signature"]["meaning"] == "approved"
    assert asked.json()["casebook"]["unlock_request"]["requested_role"] == "data_manager"
    again = await step(api, subject_id, "request_unlock", Role.PRINCIPAL_INVESTIGATOR)
    assert again.json()["code"] == "unlock_requested"
    same = await step(api, subject_id, "approve_unlock", Role.DATA_MANAGER)
    assert (same.status_code, same.json()["code"]) == (409, "unlock_two_persons")
    refused = await step(api, subject_id, "reject_unlock")
    assert refused.status_code == 200
    assert refused.json()["signature"] is None
    assert refused.json()["casebook"]["unlock_request"] is None
    asked = await step(api, subject_id, "request_unlock", Role.PRINCIPAL_INVESTIGATOR)
    assert asked.status_code == 200
    approved = await step(api, subject_id, "approve_unlock", Role.DATA_MANAGER)
    assert approved.json()["casebook"]["state"] == "open"
    assert approved.json()["signature"]["role"] == "data_manager"


async def test_an_old_approval_opens_no_later_lock(api):
    """A casebook that is locked again has to be asked for again."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "locked")
    await unlock(api, subject_id)
    await bring_to(api, subject_id, "frozen")
    assert (await step(api, subject_id, "lock")).status_code == 200
    answer = await step(api, subject_id, "approve_unlock")
    assert answer.json()["code"] == "unlock_not_requested"


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("open", "unfreeze"),
        ("open", "lock"),
        ("open", "request_unlock"),
        ("frozen", "freeze"),
        ("frozen", "lock"),
        ("signed", "freeze"),
        ("signed", "approve_unlock"),
        ("locked", "freeze"),
        ("locked", "unfreeze"),
        ("locked", "lock"),
    ],
)
async def test_a_step_from_elsewhere_is_a_conflict(api, state, action):
    """The answer is 409 and names the present state."""
    subject_id = await register(api)
    await bring_to(api, subject_id, state)
    assert state_of(await step(api, subject_id, action)) == (409, "casebook_state", state)


async def test_the_list_shows_what_was_ever_closed(api):
    """A subject whose casebook was never closed is not listed."""
    open_, frozen, locked = [await register(api) for _ in range(3)]
    await bring_to(api, frozen, "frozen")
    await bring_to(api, locked, "locked")
    items = (await api(Role.AUDITOR).get("/locks")).json()["items"]
    assert [(each["subject_id"], each["state"]) for each in items] == [
        (frozen, "frozen"), (locked, "locked"),
    ]  # fmt: skip
    assert open_ not in {each["subject_id"] for each in items}


async def test_nobody_closes_an_unknown_subjects_casebook(api):
    """An unknown subject answers 404."""
    answer = await step(api, "01930000-0000-7000-8000-000000000001", "freeze")
    assert answer.status_code == 404


async def test_an_open_casebook_is_not_signed(api):
    """A signature that waits for the freeze would sign what nobody had closed."""
    subject_id = await register(api)
    refused = await sign(api, subject_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "casebook_open")
    await bring_to(api, subject_id, "frozen")
    assert (await sign(api, subject_id)).status_code == 201
