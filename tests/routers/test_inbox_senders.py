"""Messages of systems that nobody expected leave the inbox one by one, and nothing else with it."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.messages import (
    filed,
    laboratory,
    local,
    of,
    resolve,
    resolved,
    send,
    undecodable,
    waiting,
)
from tests.factories.senders import SENDERS, change
from tests.factories.subjects import created, register
from tests.interop.hl7v2.samples import PLT, message, msh, obr, obx, pid


@pytest.fixture
async def subject(api):
    """The id of subject S-001."""
    return await register(api)


@pytest.fixture
async def lab(api, subject):
    """The client of a laboratory system that has to call itself HOSPITAL-A."""
    return await laboratory(api, sending_facility="HOSPITAL-A")


def named(facility: str, number: int, *results: str) -> bytes:
    """Build a message about S-001 that names another system."""
    head = msh(control_id=f"M-{number}", fields={4: facility})
    return message(head, pid(), obr(f"A-{number}"), *(results or (obx(PLT, "98"),)))


def codes(item) -> list[str]:
    """Return why an item waits."""
    return [reason["code"] for reason in item["reasons"]]


async def sender_of(api, item) -> str:
    """Return the address of an item's sender."""
    return f"{SENDERS}/{item['sender_id']}"


async def test_another_try_files_nothing_of_an_unexpected_system(api, lab, database):
    """As long as it is registered otherwise, every such message waits."""
    for number in (1, 2):
        await send(lab, named("HOSPITAL-B", number))
    first, _ = await waiting(api)
    outcome = await resolved(api, first, action="retry")
    assert (outcome["item"], outcome["results"]["open"], outcome["others"]["open"]) == (first, 1, 1)
    assert [codes(item) for item in await waiting(api)] == [["unexpected_sender"]] * 2
    assert await filed(database) == []


async def test_one_message_of_another_system_is_accepted(api, lab, database):
    """The decision is about this message; the others of that system go on waiting."""
    for number in (1, 2):
        await send(lab, named("HOSPITAL-B", number, obx(PLT, "98"), local()))
    first, second = await waiting(api)
    outcome = await resolved(api, first, action="accept_sender")
    assert (outcome["item"]["status"], outcome["item"]["resolution"]) == ("filed", "accept_sender")
    assert outcome["results"] == {"filed": 1, "duplicates": 0, "open": 1}
    assert outcome["others"] == {"filed": 0, "duplicates": 0, "open": 0}
    assert [row[3] for row in await filed(database)] == ["A-1"]
    left, rest = await waiting(api)
    assert (left, codes(rest)) == (second, ["unmapped_code"])
    # What was accepted once is not asked about again.
    outcome = await resolved(api, rest, action="map_code", analyte="ANC")
    assert outcome["item"]["status"] == "filed"
    assert await waiting(api) == [second]


async def test_a_changed_registration_lets_them_in(api, lab, database):
    """Only the messages that name what is registered now."""
    for number, facility in enumerate(("HOSPITAL-B", "HOSPITAL-B", "HOSPITAL-C")):
        await send(lab, named(facility, number))
    first, *_ = await waiting(api)
    path = await sender_of(api, first)
    await change(api(Role.DATA_MANAGER), path, 1, sending_facility="HOSPITAL-B")
    outcome = await resolved(api, first, action="retry")
    assert outcome["item"]["status"] == "filed"
    assert outcome["others"] == {"filed": 1, "duplicates": 0, "open": 1}
    (left,) = await waiting(api)
    assert codes(left) == ["unexpected_sender"]
    assert {row[3] for row in await filed(database)} == {"A-0", "A-1"}


async def test_a_message_that_can_be_read_now_is_checked_as_well(api, lab, database):
    """What waited for its character set does not slip past the question who sent it."""
    raw = undecodable(obx(PLT, "98")).replace(b"HOSPITAL-A", b"HOSPITAL-B")
    await send(lab, raw)
    (item,) = await waiting(api)
    answer = await resolve(api, item, action="accept_sender")
    assert (answer.status_code, answer.json()["code"]) == (409, "sender_expected")
    body = {"profile": {"charset": "cp1252"}, "reason": "The laboratory says so."}
    created(await api(Role.DATA_MANAGER).post(f"{await sender_of(api, item)}/profiles", json=body))
    outcome = await resolved(api, item, action="retry")
    assert codes(outcome["item"]) == ["unexpected_sender"]
    assert await filed(database) == []


async def test_a_result_is_not_accepted_by_its_sender(api, lab):
    """Only a whole message waits for that."""
    await send(lab, named("HOSPITAL-A", 1, local()))
    (item,) = await waiting(api)
    answer = await resolve(api, item, action="accept_sender")
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_offered")


async def test_a_mapping_leaves_what_waits_for_more(api, lab, subject, database):
    """Of other messages it files what waited for the mapping alone; the rest is tried by hand."""
    await send(lab, named("HOSPITAL-A", 1, local()))
    await send(lab, of("MRN-7", local(), control_id="M-2", accession="A-2"))
    path = f"/subjects/{subject}/identifiers"
    body = {"kind": "patient", "value": "MRN-7"}
    first, second = await waiting(api)
    assert set(codes(second)) == {"unknown_patient", "unmapped_code"}
    created(await api(Role.STUDY_COORDINATOR).post(path, json=body))
    outcome = await resolved(api, first, action="map_code", analyte="ANC")
    assert outcome["others"] == {"filed": 0, "duplicates": 0, "open": 0}
    assert await waiting(api) == [second]
    outcome = await resolved(api, second, action="retry")
    assert outcome["item"]["status"] == "filed"
    assert len(await filed(database)) == 2


async def test_an_assignment_leaves_what_waits_for_more(api, lab, subject, database):
    """Of other messages of the patient it files what nothing else stands against."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    await send(lab, of("MRN-7", obx(PLT, "99"), control_id="M-2", accession="A-2"))
    await send(lab, of("MRN-7", local(), control_id="M-3", accession="A-3"))
    first, _, third = await waiting(api)
    outcome = await resolved(api, first, action="assign", subject_id=subject)
    assert outcome["others"] == {"filed": 1, "duplicates": 0, "open": 0}
    assert await waiting(api) == [third]
    assert {row[3] for row in await filed(database)} == {"A-1", "A-2"}
