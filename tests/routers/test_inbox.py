"""The inbox as people see it: what waits and why, what was sent, and who may know whose it is."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.core.keyring import SECRET_BYTES, Keyring
from app.domain.vocabulary import Role
from tests.factories.messages import (
    INBOX,
    laboratory,
    local,
    of,
    resolved,
    send,
    undecodable,
    waiting,
)
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import PLT, obx


@pytest.fixture
async def lab(api):
    """The client of a laboratory system of the site of subject S-001."""
    await register(api)
    return await laboratory(api)


def codes(item) -> list[str]:
    """Return why an item waits."""
    return [reason["code"] for reason in item["reasons"]]


async def read(api, item, role=Role.STUDY_COORDINATOR):
    """Read an item in a role."""
    answer = await api(role).get(f"{INBOX}/{item['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_item_says_why_it_waits_and_nothing_that_identifies(api, lab):
    """Each reason has a code and a sentence; the patient's number and name are nowhere."""
    await send(lab, of("MRN-7", local()))
    (item,) = await waiting(api)
    assert codes(item) == ["unmapped_code", "unknown_patient"]
    assert all(reason["message"].endswith(".") for reason in item["reasons"])
    assert (item["kind"], item["sender"], item["results"], item["position"]) == (
        "result", "LIS-01", 1, 0,
    )  # fmt: skip
    assert (item["code"], item["code_system"], item["unit"]) == ("ANC-L", "L", "10*9/L")
    assert (item["specimen"], item["subject_id"], item["analyte"]) == ("A-1", None, None)
    assert "MRN-7" not in str(item)
    assert "Zhang" not in str(item)


async def test_the_oldest_comes_first_page_by_page(api, lab):
    """Pages follow each other in the order of arrival."""
    for number in range(3):
        await send(lab, of("MRN-7", local(f"C{number}"), control_id=f"M-{number}"))
    first = (await api(Role.MONITOR).get(INBOX, params={"limit": 2})).json()
    second = await api(Role.MONITOR).get(INBOX, params={"cursor": first["next"]})
    assert [item["code"] for item in first["items"]] == ["C0", "C1"]
    assert [item["code"] for item in second.json()["items"]] == ["C2"]
    assert second.json()["next"] is None


async def test_the_list_is_filtered(api, lab):
    """By status, reason, sender and kind; open items are what is shown without asking."""
    await send(lab, of("S-001", obx(PLT, "98"), local()))
    await send(lab, undecodable(obx(PLT, "60"), control_id="M-3"))
    await send(lab, of("MRN-7", obx(PLT, "40"), control_id="M-2", accession="A-2"))
    everything = await waiting(api)
    plain = next(item for item in everything if codes(item) == ["unknown_patient"])
    await resolved(api, plain, action="reject")
    assert await waiting(api) == [item for item in everything if item != plain]
    assert [item["id"] for item in await waiting(api, status="rejected")] == [plain["id"]]
    assert {item["code"] for item in await waiting(api, reason="unmapped_code")} == {"ANC-L"}
    assert await waiting(api, sender="LIS-01") == await waiting(api)
    assert await waiting(api, kind="task") == []


async def test_a_sender_that_is_not_there_is_no_empty_inbox(api, lab):
    """A code with a slip is refused, because an empty list would calm somebody."""
    answer = await api(Role.DATA_MANAGER).get(INBOX, params={"sender": "LIS-99"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sender")


async def test_an_item_shows_what_was_sent(api, lab):
    """Code, value, unit, range, flags, status and times are in the sender's own words."""
    await send(lab, of("MRN-7", local(fields={7: "1.8-6.3", 8: "L~A"})))
    (item,) = await waiting(api)
    sent = (await read(api, item))["sent"]
    assert sent["codes"] == [{"code": "ANC-L", "system": "L", "text": "Local"}]
    assert (sent["values"], sent["unit"], sent["reference_range"]) == (
        [["1.2"]],
        "10*9/L",
        "1.8-6.3",
    )
    assert (sent["flags"], sent["status"], sent["accession"]) == (["L", "A"], "F", "A-1")
    assert sent["collected"] == "20260601073000+0800"


@pytest.mark.parametrize(
    ("role", "knows"),
    [
        (Role.STUDY_COORDINATOR, True),
        (Role.PRINCIPAL_INVESTIGATOR, True),
        (Role.DATA_MANAGER, False),
        (Role.MONITOR, False),
        (Role.AUDITOR, False),
    ],
)
async def test_only_roles_of_identity_see_whose_it_is(api, lab, role, knows):
    """Others get the result without the patient's identifiers, and never a name."""
    await send(lab, of("MRN-7", local()))
    (item,) = await waiting(api)
    shown = await read(api, item, role)
    expected = [{"value": "MRN-7", "authority": "HOSPITAL", "kind": "MR"}] if knows else None
    assert shown["patients"] == expected
    assert "Zhang" not in str(shown)
    assert shown["message"]["text"] is None


async def test_a_whole_message_is_shown_as_text_to_roles_of_identity(api, lab):
    """Others see how large it is, its digest and its flags."""
    raw = undecodable(obx(PLT, "60"))
    await send(lab, raw)
    (item,) = await waiting(api, kind="message")
    assert codes(item) == ["undecodable_text"]
    assert (item["position"], item["results"]) == (None, 1)
    shown = await read(api, item)
    assert "\\x93 as of today" in shown["message"]["text"]
    assert (shown["sent"], shown["patients"]) == (None, None)
    hidden = (await read(api, item, Role.MONITOR))["message"]
    assert hidden == shown["message"] | {"text": None}
    assert hidden["size"] == len(raw)


async def test_an_item_has_the_version_as_its_etag(api, lab):
    """The ETag is what a resolution gives as If-Match."""
    await send(lab, of("MRN-7", local()))
    (item,) = await waiting(api)
    answer = await api(Role.MONITOR).get(f"{INBOX}/{item['id']}")
    assert answer.headers["etag"] == '"v1"'


async def test_the_inbox_is_read_as_it_was(api, lab, clock, session):
    """With as_of an item that was resolved since is still open."""
    await send(lab, of("MRN-7", local()))
    (item,) = await waiting(api)
    moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    clock.now = moment + timedelta(days=1)
    await resolved(api, item, action="reject")
    assert await waiting(api) == []
    assert await waiting(api, as_of=moment.isoformat()) == [item]
    past = await api(Role.MONITOR).get(
        f"{INBOX}/{item['id']}", params={"as_of": moment.isoformat()}
    )
    assert past.json()["status"] == "open"


@pytest.mark.parametrize("role", [Role.LABORATORY_SYSTEM, Role.SPONSOR, Role.ADMINISTRATOR])
async def test_roles_outside_the_site_see_no_inbox(api, lab, role):
    """Machines, the sponsor and administrators are refused."""
    assert (await api(role).get(INBOX)).status_code == 403


async def test_a_message_sealed_by_another_key_is_not_shown(api, app, lab):
    """The item is listed, but reading it says that the key is not the right one."""
    await send(lab, of("MRN-7", local()))
    (item,) = await waiting(api)
    app.state.keyring = Keyring(bytes(SECRET_BYTES))
    answer = await api(Role.STUDY_COORDINATOR).get(f"{INBOX}/{item['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "message_sealed")
