"""Late results as JSON and as files: people are told, what laboratory systems send is kept."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.casebooks import bring_to, read, unlock
from tests.factories.labs import measured, neutrophils
from tests.factories.messages import resolve, waiting
from tests.factories.senders import BASE, create_sender
from tests.factories.subjects import register

SYSTEM, COORDINATOR = Role.LABORATORY_SYSTEM, Role.STUDY_COORDINATOR


async def two_subjects(api) -> tuple[str, str]:
    """Return a subject whose casebook is locked, and one whose casebook is open."""
    locked, open_ = await register(api), await register(api)
    await bring_to(api, locked, "locked")
    return locked, open_


async def count(session, table: str) -> int:
    """Count the rows of a table."""
    return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def test_a_batch_files_what_it_can_and_keeps_what_is_late(api):
    """Each result has its outcome, and the counts add up to what was received."""
    locked, open_ = await two_subjects(api)
    await create_sender(api)
    unsound = neutrophils(locked, unit="furlong", accession="A-2")
    batch = {"results": [neutrophils(open_), neutrophils(locked), unsound]}
    answer = await api(SYSTEM).post("/labs", json=batch)
    body = answer.json()
    assert [each["outcome"] for each in body["results"]] == ["created", "inbox", "refused"]
    assert [body[name] for name in ("received", "created", "inbox", "refused")] == [3, 1, 1, 1]
    (item,) = await waiting(api)
    assert body["results"][1]["inbox_item_id"] == item["id"]
    assert (item["door"], item["sender"], item["analyte"]) == ("json", "LIS-01", "ANC")


async def test_the_same_body_waits_once(api, session):
    """A laboratory system that sends again gets the same item, and nothing more is kept."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    first = await api(SYSTEM).post("/labs", json=neutrophils(locked))
    again = await api(SYSTEM).post("/labs", json=neutrophils(locked))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert await count(session, "inbound_message") == 1


async def test_a_person_is_told_of_each_late_result(api, session):
    """A single result is 423; in a batch it is refused alone; nothing waits."""
    locked, open_ = await two_subjects(api)
    client = api(COORDINATOR)
    assert (await client.post("/labs", json=neutrophils(locked))).status_code == 423
    batch = {"results": [neutrophils(locked), neutrophils(open_)]}
    found = (await client.post("/labs", json=batch)).json()["results"]
    assert [each["outcome"] for each in found] == ["refused", "created"]
    assert found[0]["code"] == "casebook_locked"
    assert await count(session, "inbox_item") == 0


async def test_an_unregistered_system_loses_nothing_either(api):
    """Its late result waits and is released under the source that it named."""
    locked, _ = await two_subjects(api)
    late = neutrophils(locked, source="ward")
    assert (await api(SYSTEM).post("/labs", json=late)).status_code == 202
    (item,) = await waiting(api)
    assert item["sender"] is None
    assert (await resolve(api, item, action="retry")).status_code == 423
    await unlock(api, locked)
    answer = await resolve(api, item, action="retry")
    assert answer.json()["item"]["status"] == "filed", answer.text
    (filed,) = (await api().get("/labs")).json()["items"]
    assert (filed["source"], filed["message_id"]) == ("ward", item["message_id"])


async def test_a_late_result_stands_by_the_moment_at_which_it_came(api, clock):
    """Released weeks later, it does not count as said later than what was sent meanwhile."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    await api(SYSTEM).post("/labs", json=neutrophils(locked))
    came = clock().isoformat().replace("+00:00", "Z")
    await unlock(api, locked)
    clock.advance(days=14)
    (item,) = await waiting(api)
    await resolve(api, item, action="retry")
    (filed,) = (await api().get("/labs")).json()["items"]
    assert filed["stated_at"] == came


async def test_what_is_here_already_is_released_as_a_duplicate(api):
    """A result that a person recorded for the system meanwhile is not filed twice."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    for _ in range(2):
        await api(SYSTEM).post("/labs", json=neutrophils(locked))
    other = {"results": [neutrophils(locked)]}
    await api(SYSTEM).post("/labs", json=other)
    await unlock(api, locked)
    first, second = await waiting(api)
    assert (await resolve(api, first, action="retry")).status_code == 200
    assert await waiting(api) == []
    client = api(Role.DATA_MANAGER)
    ended = (await client.get(f"{BASE}/lis/inbox/{second['id']}")).json()
    assert ended["status"] == "duplicate"


async def test_what_differs_by_then_waits_on(api):
    """Other content under the same specimen is for a person to compare."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    for value in (1.2, 1.3):
        await api(SYSTEM).post("/labs", json=neutrophils(locked, value=value))
    await unlock(api, locked)
    first, second = await waiting(api)
    await resolve(api, first, action="retry")
    (left,) = await waiting(api)
    assert (left["id"], [each["code"] for each in left["reasons"]]) == (
        second["id"], ["contradiction"],
    )  # fmt: skip


@pytest.mark.parametrize("action", ["assign", "separate", "map_code"])
async def test_a_late_result_takes_no_other_step(api, action):
    """It names its subject and its analyte, so it can only be tried again or rejected."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    await api(SYSTEM).post("/labs", json=neutrophils(locked))
    (item,) = await waiting(api)
    more = {"assign": {"subject_id": locked}, "map_code": {"analyte": "ANC"}}.get(action, {})
    answer = await resolve(api, item, action=action, **more)
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_offered")
    assert (await resolve(api, item, action="reject")).json()["item"]["status"] == "rejected"
    assert (await read(api, locked))["waiting"] == []


async def upload(client, *rows: str):
    """Send a file of platelets."""
    content = "subject,analyte,value,unit,collected_at\n" + "\n".join(rows)
    headers = {"Content-Type": "text/csv"}
    return await client.post(f"{BASE}/lis/csv", content=content, headers=headers)


async def test_a_file_of_a_system_is_stored_with_its_late_rows_waiting(api, session):
    """Rows of open casebooks are filed; the late one is filed when it is released."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    rows = [f"{number},PLT,98,10*9/L,2026-05-20 08:15" for number in ("S-001", "S-002")]
    report = (await upload(api(SYSTEM), *rows)).json()
    assert (report["new"], report["inbox"], report["stored"]) == (1, 1, True)
    (item,) = await waiting(api)
    await unlock(api, locked)
    answer = await resolve(api, item, action="retry")
    assert answer.json()["item"]["status"] == "filed", answer.text
    assert await count(session, "lab_result") == 2


async def test_a_file_of_a_person_with_a_late_row_is_refused_whole(api, session):
    """The answer is 423 if nothing else is wrong with it, and 422 if something is."""
    await two_subjects(api)
    late, good = (f"{number},PLT,98,10*9/L,2026-05-20 08:15" for number in ("S-001", "S-002"))
    answer = await upload(api(COORDINATOR), late, good)
    assert (answer.status_code, answer.json()["code"]) == (423, "casebook_locked")
    assert answer.json()["report"]["refused"] == 1
    bad = good.replace("10*9/L", "furlong")
    assert (await upload(api(COORDINATOR), late, bad)).status_code == 422
    assert await count(session, "lab_result") == 0


async def test_a_subject_that_left_meanwhile_keeps_the_result_waiting(api):
    """What the open casebook says against it is the reason from then on."""
    locked, _ = await two_subjects(api)
    await create_sender(api)
    late = measured(locked, "PLT", 98, "10*9/L", collected_at="2026-05-30T01:00:00Z")
    await api(SYSTEM).post("/labs", json=late)
    await unlock(api, locked)
    exit_ = {"event": "withdrew_consent", "event_date": "2026-05-25", "reason": "Test."}
    answer = await api(COORDINATOR).post(f"/subjects/{locked}/disposition", json=exit_)
    assert answer.status_code == 201, answer.text
    (item,) = await waiting(api)
    assert (await resolve(api, item, action="retry")).status_code == 200
    (left,) = await waiting(api)
    assert [each["code"] for each in left["reasons"]] == ["not_observable"]
