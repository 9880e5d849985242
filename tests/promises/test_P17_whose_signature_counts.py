"""P17: only the investigator's signature on exactly this casebook locks it; two persons unlock it.

What others sign, what is signed elsewhere, and what was signed before the records changed do not
count. Whoever asked for an unlock does not approve it, whatever else they are.
"""

import pytest
from sqlalchemy import text

from app.core.database import API_ROLE
from app.domain.vocabulary import Role
from app.services import casebooks
from tests.factories.casebooks import bring_to, read, sign, step
from tests.factories.people import grant, holding, newcomer, speaking_for
from tests.factories.rows import writing
from tests.factories.signing import try_to_sign
from tests.factories.subjects import register

PI, DM = Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER


async def by_data_manager(api, subject_id: str):
    """Sign the casebook as the data manager, who may sign other records."""
    return await sign(api, subject_id, DM)


async def on_another_subject(api, _subject_id: str):
    """Sign somebody else's casebook."""
    other = await register(api)
    await bring_to(api, other, "frozen")
    return await sign(api, other)


async def on_another_record(api, subject_id: str):
    """Sign something else that goes by the subject's id."""
    return await try_to_sign(api(), "eligibility", subject_id)


NOT_THIS = [by_data_manager, on_another_subject, on_another_record]


async def lock_by_sql(api, subject_id: str) -> str | None:
    """Lock a casebook by hand, in the role of the API; give the SQLSTATE of the refusal."""
    async with writing(api, reason="By hand.") as (session, _):
        await session.execute(text(f"SET LOCAL ROLE {API_ROLE}"))
        query = text("UPDATE casebook SET state = 'locked' WHERE subject_id = :id")
        try:
            await session.execute(query, {"id": subject_id})
        except Exception as error:  # noqa: BLE001 - whatever the driver calls it
            return error.orig.sqlstate
        finally:
            await session.rollback()
    return None


@pytest.mark.parametrize("other", NOT_THIS)
async def test_another_signature_does_not_count(api, other):
    """Not the data manager's, not one on another subject or record: by no door is it locked."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "frozen")
    assert (await other(api, subject_id)).status_code in (201, 403)
    assert (await read(api, subject_id))["state"] == "frozen"
    refused = await step(api, subject_id, "lock")
    assert (refused.status_code, refused.json()["code"]) == (409, "casebook_state")
    assert await lock_by_sql(api, subject_id) == "55000"
    assert (await sign(api, subject_id)).status_code == 201
    assert (await step(api, subject_id, "lock")).status_code == 200


async def test_a_signature_of_before_the_last_freeze_does_not_count(api):
    """Unfrozen, changed and frozen again, the casebook needs another signature."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "signed")
    assert (await step(api, subject_id, "unfreeze")).status_code == 200
    record = await api().get(f"/subjects/{subject_id}")
    body = {"weight_kg": 61, "reason": "Weighed again."}
    headers = {"If-Match": record.headers["etag"]}
    changed = await api().patch(f"/subjects/{subject_id}", json=body, headers=headers)
    assert changed.status_code == 200, changed.text
    await bring_to(api, subject_id, "frozen")
    assert (await read(api, subject_id))["state"] == "frozen"
    assert (await step(api, subject_id, "lock")).json()["code"] == "casebook_state"
    assert await lock_by_sql(api, subject_id) == "55000"


async def change_past_the_wall(api) -> None:
    """Change a record of a closed casebook as only the owner of the tables can."""
    async with writing(api, reason="By hand.") as (session, _):
        for query in (
            "ALTER TABLE subject DISABLE TRIGGER subject_lock_updates",
            "UPDATE subject SET weight_kg = 61",
            "ALTER TABLE subject ENABLE ALWAYS TRIGGER subject_lock_updates",
        ):
            await session.execute(text(query))
        await session.commit()


async def test_what_changed_behind_the_signature_is_not_locked(api):
    """The lock compares what is there with what was signed, whoever changed it, however."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "signed")
    await change_past_the_wall(api)
    refused = await step(api, subject_id, "lock")
    assert (refused.status_code, refused.json()["code"]) == (409, "casebook_changed")
    assert (await read(api, subject_id))["state"] != "locked"


async def both_halves(api, subject_id: str) -> tuple[int, str]:
    """Let somebody who is investigator and data manager ask and approve; give the refusal."""
    person = await holding(api, "tess", (DM, None), (PI, None))
    for action in ("request_unlock", "approve_unlock"):
        body = {"subject_id": subject_id, "action": action, "reason": "Alone."}
        answer = await person.post("/locks", json=body)
    return answer.status_code, answer.json().get("code", "")


async def test_one_person_does_not_unlock_in_two_roles(api):
    """Whoever asked is not the second person in another role either."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "locked")
    assert await both_halves(api, subject_id) == (409, "unlock_two_persons")
    assert (await read(api, subject_id))["state"] == "locked"


async def test_two_persons_of_one_role_do_not_unlock(api):
    """A second data manager is another person and the same interest."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "locked")
    await grant(api, DM, person=newcomer("dora"))
    assert (await step(api, subject_id, "request_unlock")).status_code == 200
    body = {"subject_id": subject_id, "action": "approve_unlock", "reason": "Me too."}
    answer = await speaking_for(api, "dora").post("/locks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "unlock_two_persons")
    assert (await read(api, subject_id))["state"] == "locked"


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize("action", ["request_unlock", "approve_unlock"])
async def test_without_a_reason_nothing_is_unlocked(api, action, reason):
    """Neither half is taken without one."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "locked")
    if action == "approve_unlock":
        assert (await step(api, subject_id, "request_unlock")).status_code == 200
    body = {"subject_id": subject_id, "action": action}
    body |= {} if reason is None else {"reason": reason}
    role = DM if action == "request_unlock" else PI
    assert (await api(role).post("/locks", json=body)).status_code == 422
    assert (await read(api, subject_id))["state"] == "locked"


async def test_control_a_lock_that_does_not_compare_locks_anything(api, monkeypatch):
    """The control: a service that takes the frozen digest for what is there locks the change."""
    subject_id = await register(api)
    await bring_to(api, subject_id, "signed")
    frozen = (await read(api, subject_id))["frozen_digest"]
    await change_past_the_wall(api)

    async def remembered(_session, _actor, _subject_id, _past) -> str:
        return frozen

    monkeypatch.setattr(casebooks, "casebook_digest", remembered)
    assert (await step(api, subject_id, "lock")).status_code == 200
