"""Taking results out of the inbox: by a mapping, a subject, another try, or a refusal."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.core.ids import new_id
from app.domain.inbound import InboxReason
from app.domain.vocabulary import Role
from app.interop import rereading
from app.models import InboundMessage, InboxItem, Site, Subject
from app.services import inbound_placing, inbox_resolution
from app.services.inbound import sealed_place
from tests.conftest import KEYRING
from tests.factories.messages import (
    INBOX,
    WHY,
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
from tests.factories.rows import writing
from tests.factories.senders import SENDERS, change
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import ANC, PLT, message, msh, obr, obx, pid


@pytest.fixture
async def subject(api):
    """The id of subject S-001."""
    return await register(api)


@pytest.fixture
async def lab(api, subject):
    """The client of a laboratory system of the subject's site."""
    return await laboratory(api)


def about(*results, control_id="M-1", accession="A-1", fields=None) -> bytes:
    """Build a message about S-001."""
    return message(msh(control_id=control_id), pid(), obr(accession, fields), *results)


async def only(api, **wanted):
    """Return the one item that waits."""
    (item,) = await waiting(api, **wanted)
    return item


def codes(item) -> list[str]:
    """Return why an item waits."""
    return [reason["code"] for reason in item["reasons"]]


async def last_profile(api, item) -> dict:
    """Return the sender's profile that counts now."""
    path = f"{SENDERS}/{item['sender_id']}/profiles"
    return (await api(Role.DATA_MANAGER).get(path)).json()["items"][-1]


async def test_a_mapped_code_files_the_result_and_the_next(api, lab, database):
    """The mapping is a new profile version with the reason; the next message needs nobody."""
    await send(lab, about(local()))
    item = await only(api)
    outcome = await resolved(api, item, action="map_code", analyte="ANC")
    assert outcome["results"] == {"filed": 1, "duplicates": 0, "open": 0}
    assert (outcome["item"]["status"], outcome["item"]["resolution"]) == ("filed", "map_code")
    assert outcome["item"]["lab_result_id"] is not None
    profile = await last_profile(api, item)
    assert (profile["number"], profile["reason"]) == (outcome["profile_number"], WHY)
    assert profile["document"]["codes"] == [
        {"system": "L", "code": "ANC-L", "analyte": "ANC", "panel": None}
    ]
    await send(lab, about(local(value="1.3"), control_id="M-2", accession="A-2"))
    assert await waiting(api) == []
    assert [row[:2] for row in await filed(database)] == [
        ("ANC", Decimal("1.2")), ("ANC", Decimal("1.3")),
    ]  # fmt: skip


async def test_a_mapping_releases_others_that_waited_for_it(api, lab, database):
    """Those of the same sender and code file themselves; another code still waits."""
    for number in range(3):
        result = local("PLT-L" if number == 2 else "ANC-L")
        await send(lab, about(result, control_id=f"M-{number}", accession=f"A-{number}"))
    outcome = await resolved(api, (await waiting(api))[0], action="map_code", analyte="ANC")
    assert outcome["others"] == {"filed": 1, "duplicates": 0, "open": 0}
    assert [item["code"] for item in await waiting(api)] == ["PLT-L"]
    assert {row[3] for row in await filed(database)} == {"A-0", "A-1"}


async def test_what_still_cannot_be_filed_stays_with_its_new_reasons(api, lab):
    """A result whose code is known now can still have an unknown unit."""
    await send(lab, about(local(unit="Geiger")))
    outcome = await resolved(api, await only(api), action="map_code", analyte="ANC")
    item = outcome["item"]
    assert (item["status"], codes(item), item["analyte"]) == ("open", ["unknown_unit"], "ANC")
    assert outcome["results"]["open"] == 1
    outcome = await resolved(api, item, action="map_unit", unit="10*9/L")
    assert outcome["item"]["status"] == "filed"


async def test_a_mapped_status_files_the_result(api, lab, database):
    """A status word of the laboratory's own gets a meaning."""
    await send(lab, about(obx(PLT, "98", fields={11: "1"})))
    outcome = await resolved(api, await only(api), action="map_status", meaning="corrected")
    assert outcome["item"]["status"] == "filed"
    assert (await filed(database))[0][2] == "corrected"


async def test_a_mapped_word_files_the_finding(api, lab, database):
    """A word in the place of a value gets a meaning, for a value that is a finding."""
    await send(lab, about(obx("5196-1^HBsAg^LN", "niente", "", {2: "ST"})))
    outcome = await resolved(api, await only(api), action="map_word", meaning="negative")
    assert outcome["item"]["status"] == "filed", outcome


@pytest.mark.parametrize(
    ("result", "step"),
    [
        (local(), {"action": "map_code", "analyte": "ANCHOVY"}),
        (obx(ANC, "1.2", "Geiger"), {"action": "map_unit", "unit": "mg/L"}),
        (obx(ANC, "1.2", "10"), {"action": "map_unit", "unit": "10*9/L"}),
        (obx(ANC, "1.2", "9/L"), {"action": "map_unit", "unit": "10*9/L"}),
    ],
)
async def test_a_mapping_that_cannot_be_right_is_refused(api, lab, result, step):
    """The refusal points at the field and nothing changes."""
    await send(lab, about(result))
    item = await only(api)
    answer = await resolve(api, item, **step)
    assert answer.status_code == 422
    field = "analyte" if "analyte" in step else "unit"
    assert answer.json()["errors"][0]["pointer"] == f"/body/{field}"
    assert (await last_profile(api, item))["number"] == 1
    assert await only(api) == item


async def test_a_mapping_that_the_result_does_not_need_is_refused(api, lab):
    """Nobody changes a profile by a result that waits for something else."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    for step in (
        {"action": "map_code", "analyte": "PLT"},
        {"action": "map_unit", "unit": "10*9/L"},
        {"action": "map_status", "meaning": "final"},
        {"action": "map_word", "meaning": "negative"},
    ):
        answer = await resolve(api, await only(api), **step)
        assert (answer.status_code, answer.json()["code"]) == (409, "mapping_not_needed")


async def test_an_empty_value_has_no_word_to_map(api, lab):
    """Nothing was said, so nothing can be given a meaning."""
    await send(lab, about(obx(PLT, "", "10*9/L")))
    answer = await resolve(api, await only(api), action="map_word", meaning="no_value")
    assert (answer.status_code, answer.json()["code"]) == (409, "mapping_not_needed")


async def test_a_mapping_that_would_not_help_is_refused(api, lab):
    """A code of a public system means what the system says, whatever a sender's words mean."""
    value = "LA99999-1^^LN"
    await send(lab, about(obx("5196-1^HBsAg^LN", value, "", {2: "CWE"})))
    item = await only(api)
    answer = await resolve(api, item, action="map_word", meaning="negative")
    assert (answer.status_code, answer.json()["code"]) == (409, "mapping_without_effect")
    assert (await last_profile(api, item))["number"] == 1


async def test_the_text_of_a_coded_value_is_mapped(api, lab):
    """Where a value is a code with a text, the text is the word."""
    result = obx("5196-1^HBsAg^LN", "N^niente^L", "", {2: "CWE"})
    await send(lab, about(result))
    outcome = await resolved(api, await only(api), action="map_word", meaning="negative")
    assert outcome["item"]["status"] == "filed"
    assert (await last_profile(api, outcome["item"]))["document"]["words"] == {"niente": "negative"}


async def test_a_result_without_a_code_cannot_be_mapped(api, lab):
    """Without a code there is nothing that the next message could be known by."""
    await send(lab, about(obx("^Platelets", "98")))
    answer = await resolve(api, await only(api), action="map_code", analyte="PLT")
    assert (answer.status_code, answer.json()["code"]) == (409, "mapping_not_needed")


async def test_a_subject_of_another_site_is_not_assigned(api, lab, subject):
    """A sender reports on the subjects of its own site."""
    async with writing(api, reason="Another site.") as (session, actor):
        site = Site(study_id=actor.study_id, id=new_id(), code="02", name="Site 02")
        session.add(site)
        await session.flush()
        row = await session.get(Subject, (actor.study_id, UUID(subject)))
        row.site_id = site.id
    await send(lab, of("MRN-7", obx(PLT, "98")))
    answer = await resolve(api, await only(api), action="assign", subject_id=subject)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_site")


async def test_without_an_accession_the_message_tells_whose_it_is(api, lab, subject, database):
    """A result without an accession number or a time is assigned without a look at specimens."""
    await send(lab, of("MRN-7", obx(PLT, "98"), accession=""))
    outcome = await resolved(api, await only(api), action="assign", subject_id=subject)
    assert outcome["item"]["status"] == "filed"


async def test_an_assigned_result_is_filed_and_the_next_finds_the_subject(
    api, lab, subject, database
):
    """The hospital's number is remembered in the vault; others of the patient are released."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    await send(lab, of("MRN-7", obx(PLT, "99"), control_id="M-2", accession="A-2"))
    await send(lab, of("MRN-8", obx(PLT, "10"), control_id="M-3", accession="A-3"))
    first = (await waiting(api))[0]
    outcome = await resolved(api, first, action="assign", subject_id=subject)
    assert (outcome["item"]["status"], outcome["item"]["subject_id"]) == ("filed", subject)
    assert outcome["others"] == {"filed": 1, "duplicates": 0, "open": 0}
    await send(lab, of("MRN-7", obx(PLT, "100"), control_id="M-4", accession="A-4"))
    assert [item["specimen"] for item in await waiting(api)] == ["A-3"]
    assert len(await filed(database)) == 3
    path = f"/subjects/{subject}/identifiers"
    known = (await api(Role.STUDY_COORDINATOR).get(path)).json()["items"]
    assert [each["value"] for each in known] == ["MRN-7"]


async def test_an_assignment_need_not_be_remembered(api, lab, subject):
    """Then the next message of the same number waits again."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    await resolved(api, await only(api), action="assign", subject_id=subject, remember=False)
    await send(lab, of("MRN-7", obx(PLT, "99"), control_id="M-2", accession="A-2"))
    assert codes(await only(api)) == ["unknown_patient"]


async def test_an_assignment_holds_until_the_rest_is_known(api, lab, subject, database):
    """An assigned result that waits for its code is filed for that subject later."""
    await send(lab, of("MRN-7", local()))
    outcome = await resolved(
        api, await only(api), action="assign", subject_id=subject, remember=False
    )
    item = outcome["item"]
    assert (codes(item), item["subject_id"]) == (["unmapped_code"], subject)
    outcome = await resolved(api, item, action="map_code", analyte="ANC")
    assert (outcome["item"]["status"], outcome["item"]["subject_id"]) == ("filed", subject)


async def test_a_result_never_goes_to_a_second_subject(api, lab, subject, database):
    """The same specimen under another number is not given to somebody else."""
    other = await register(api)
    await send(lab, of("MRN-7", obx(PLT, "98")))
    await resolved(api, await only(api), action="assign", subject_id=subject, remember=False)
    await send(lab, of("MRN-7", obx(ANC, "1.2"), control_id="M-2"))
    answer = await resolve(api, await only(api), action="assign", subject_id=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "specimen_of_another")
    assert len(await filed(database)) == 1


async def test_identifiers_of_one_subject_are_not_overruled(api, lab, subject):
    """A result that waits for its code keeps the subject that its message names."""
    other = await register(api)
    await send(lab, about(local()))
    answer = await resolve(api, await only(api), action="assign", subject_id=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "subject_known")


async def test_numbers_of_two_subjects_are_not_remembered_for_one(api, lab, subject):
    """Who assigns such a result has to say that the numbers are not to be trusted."""
    other = await register(api)
    for number, owner in (("MRN-1", subject), ("MRN-2", other)):
        path = f"/subjects/{owner}/identifiers"
        body = {"kind": "patient", "value": number}
        await api(Role.STUDY_COORDINATOR).post(path, json=body)
    both = pid("MRN-1", "HOSPITAL").replace("|MRN-1", "|MRN-2^^^HOSPITAL^MR~MRN-1")
    await send(lab, message(msh(), both, obr(), obx(PLT, "98")))
    item = await only(api)
    assert codes(item) == ["ambiguous_patient"]
    answer = await resolve(api, item, action="assign", subject_id=subject)
    assert (answer.status_code, answer.json()["code"]) == (409, "identifier_taken")
    outcome = await resolved(api, item, action="assign", subject_id=subject, remember=False)
    assert outcome["item"]["subject_id"] == subject


async def test_only_who_registers_subjects_assigns(api, lab, subject):
    """A data manager maps words, but does not say whose a result is."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    item = await only(api)
    answer = await resolve(api, item, role=Role.DATA_MANAGER, action="assign", subject_id=subject)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_not_allowed")
    answer = await resolve(api, item, role=Role.MONITOR, action="reject")
    assert answer.status_code == 403


async def test_a_subject_that_is_not_here_is_not_assigned(api, lab, subject):
    """An id of nobody is answered 404."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    item = await only(api)
    answer = await resolve(api, item, action="assign", subject_id=item["id"])
    assert answer.status_code == 404


async def test_another_try_reads_by_the_present_profile(api, lab, subject):
    """After the sender was allowed the analyte, everything that waited for it is filed."""
    sender = (await api(Role.DATA_MANAGER).get(SENDERS)).json()["items"][0]
    path = f"{SENDERS}/{sender['id']}"
    await change(api(Role.DATA_MANAGER), path, 1, analytes=["ANC"])
    await send(lab, about(obx(PLT, "98")))
    await send(lab, about(obx(PLT, "99"), control_id="M-2", accession="A-2"))
    item = (await waiting(api))[0]
    assert codes(item) == ["analyte_not_allowed"]
    outcome = await resolved(api, item, action="retry")
    assert (outcome["item"], outcome["others"]["open"]) == (item, 1)
    await change(api(Role.DATA_MANAGER), path, 2, analytes=["ANC", "PLT"])
    outcome = await resolved(api, item, action="retry")
    assert outcome["item"]["status"] == "filed"
    assert outcome["others"] == {"filed": 1, "duplicates": 0, "open": 0}


async def test_no_more_than_a_number_is_released_at_once(api, lab, monkeypatch):
    """The answer says how many were left, and another try takes them."""
    monkeypatch.setattr(inbox_resolution, "MOST_OTHERS", 1)
    for number in range(4):
        await send(lab, about(local(), control_id=f"M-{number}", accession=f"A-{number}"))
    first = await resolved(api, (await waiting(api))[0], action="map_code", analyte="ANC")
    assert (first["others"]["filed"], first["remaining"]) == (1, 2)
    left = await waiting(api)
    assert len(left) == 2
    second = await resolved(api, left[0], action="retry")
    assert (second["others"]["filed"], second["remaining"]) == (1, 0)
    assert await waiting(api) == []


async def test_a_whole_message_is_taken_apart(api, lab, database):
    """Once its text can be read, each of its results has an outcome of its own."""
    await send(lab, about(obx(PLT, "98")))
    await send(lab, undecodable(obx(PLT, "98"), obx(ANC, "1.2"), local("WBC-L"), control_id="M-2"))
    item = await only(api)
    assert (await resolved(api, item, action="retry"))["item"] == item
    path = f"{SENDERS}/{item['sender_id']}/profiles"
    body = {"profile": {"charset": "cp1252"}, "reason": WHY}
    await api(Role.DATA_MANAGER).post(path, json=body)
    outcome = await resolved(api, item, action="retry")
    assert outcome["item"]["status"] == "filed"
    assert outcome["results"] == {"filed": 1, "duplicates": 1, "open": 1}
    left = await only(api)
    assert (codes(left), left["position"], left["kind"]) == (["unmapped_code"], 2, "result")
    assert [row[0] for row in await filed(database)] == ["PLT", "ANC"]
    assert len(await waiting(api, status="duplicate")) == 1


async def test_whole_messages_that_wait_alike_are_taken_apart_together(api, lab, database):
    """What was wrong with one was wrong with the others of the sender."""
    for number in range(3):
        await send(lab, undecodable(obx(PLT, str(90 + number)), control_id=f"M-{number}"))
    item, *_ = await waiting(api, kind="message")
    path = f"{SENDERS}/{item['sender_id']}/profiles"
    body = {"profile": {"charset": "cp1252"}, "reason": WHY}
    await api(Role.DATA_MANAGER).post(path, json=body)
    outcome = await resolved(api, item, action="retry")
    # The three contradict each other: one specimen, one moment, three values.
    assert outcome["results"] == {"filed": 1, "duplicates": 0, "open": 0}
    assert outcome["others"] == {"filed": 0, "duplicates": 0, "open": 2}
    assert {item["kind"] for item in await waiting(api)} == {"result"}
    assert len(await filed(database)) == 1


async def test_a_reused_accession_is_filed_as_a_specimen_of_its_own(api, lab, database):
    """Two specimens of one number are two tests; the number alone would make them one."""
    await send(lab, about(obx(PLT, "98")))
    again = {7: "20260528073000+0800", 22: "20260528084500+0800"}
    await send(lab, about(obx(PLT, "60"), control_id="M-2", fields=again))
    item = await only(api)
    assert codes(item) == ["specimen_reused"]
    outcome = await resolved(api, item, action="separate")
    assert outcome["item"]["status"] == "filed"
    specimens = "SELECT DISTINCT specimen, accession FROM lab_result ORDER BY specimen"
    async with database.session() as session:
        found = [tuple(row) for row in await session.execute(text(specimens))]
    assert found == [("A-1", "A-1"), ("A-1@2026-05-27T23:30:00+00:00", "A-1")]


async def test_what_is_not_reused_cannot_be_separated(api, lab):
    """Only that reason takes this step."""
    await send(lab, about(local()))
    answer = await resolve(api, await only(api), action="separate")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_reused")


async def test_of_two_that_contradict_each_other_a_person_chooses(api, lab, database):
    """Trying one again files neither; once the wrong one is rejected, the other is filed."""
    await send(lab, about(obx(PLT, "98"), obx(PLT, "89")))
    first, second = await waiting(api)
    assert codes(first) == codes(second) == ["contradiction"]
    outcome = await resolved(api, first, action="retry")
    assert outcome["results"] == outcome["others"] == {"filed": 0, "duplicates": 0, "open": 1}
    await resolved(api, first, action="reject")
    outcome = await resolved(api, second, action="retry")
    assert outcome["item"]["status"] == "filed"
    assert [row[1] for row in await filed(database)] == [Decimal(89)]


async def test_a_poison_message_files_when_it_is_tried_again(api, lab, database, monkeypatch):
    """Once the service is mended, the message that waits whole is taken apart."""
    with monkeypatch.context() as broken:
        broken.setattr(inbound_placing, "interpret", lambda *_: 1 / 0)
        await send(lab, about(obx(PLT, "98")))
        item = await only(api)
        assert codes(item) == ["processing_failed"]
        still = await resolved(api, item, action="retry")
        assert (still["item"], still["results"]["open"]) == (item, 1)
    outcome = await resolved(api, item, action="retry")
    assert (outcome["item"]["status"], outcome["results"]["filed"]) == ("filed", 1)
    assert len(await filed(database)) == 1


async def test_one_result_that_breaks_keeps_its_item(api, lab, database, monkeypatch):
    """A result that cannot be processed when it is tried again says so and stays."""
    await send(lab, about(local()))
    item = await only(api)
    with monkeypatch.context() as broken:
        broken.setattr(inbound_placing, "interpret", lambda *_: 1 / 0)
        outcome = await resolved(api, item, action="retry")
        assert codes(outcome["item"]) == ["processing_failed"]
    outcome = await resolved(api, outcome["item"], action="retry")
    assert codes(outcome["item"]) == ["unmapped_code"]


async def test_a_message_that_reads_otherwise_files_nothing(api, app, lab, monkeypatch, database):
    """Were another result in the item's place, it would not be taken for the one that came."""
    await send(lab, about(local("ANC-L"), local("PLT-L", "98")))
    first, second = await waiting(api)
    usual = rereading.reread

    def turned(message, profile):
        delivery = usual(message, profile)
        return replace(delivery, results=delivery.results[::-1])

    with monkeypatch.context() as other:
        other.setattr(rereading, "reread", turned)
        answer = await resolve(api, first, action="map_code", analyte="ANC")
        assert (answer.status_code, answer.json()["code"]) == (409, "reread_differs")
        outcome = await resolved(api, first, action="retry")
        assert codes(outcome["item"]) == ["reread_differs"]
        shown = await api(Role.MONITOR).get(f"{INBOX}/{second['id']}")
        assert shown.json()["sent"] is None
    outcome = await resolved(api, outcome["item"], action="retry")
    assert codes(outcome["item"]) == ["unmapped_code"]
    assert await filed(database) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"counted": 2}, "reread_differs"),
        ({"refusal": "not_production", "results": ()}, "unreadable_message"),
        ({"whole": InboxReason.COUNT_MISMATCH, "results": ()}, "count_mismatch"),
    ],
)
async def test_a_message_that_still_reads_badly_stays_whole(api, lab, monkeypatch, changes, why):
    """It is taken apart only when it gives as many results as were counted when it came."""
    with monkeypatch.context() as broken:
        broken.setattr(inbound_placing, "interpret", lambda *_: 1 / 0)
        await send(lab, about(obx(PLT, "98")))
    usual = rereading.reread
    monkeypatch.setattr(rereading, "reread", lambda *of_it: replace(usual(*of_it), **changes))
    outcome = await resolved(api, await only(api), action="retry")
    assert (outcome["item"]["status"], codes(outcome["item"])) == ("open", [why])


async def test_a_result_of_a_message_that_lost_one_stays(api, lab, monkeypatch):
    """Another number of results than came means that places cannot be trusted."""
    await send(lab, about(local(), local("PLT-L")))
    usual = rereading.reread

    def shorter(*of_it):
        delivery = usual(*of_it)
        return replace(delivery, results=delivery.results[:1])

    monkeypatch.setattr(rereading, "reread", shorter)
    _, second = await waiting(api)
    outcome = await resolved(api, second, action="retry")
    assert codes(outcome["item"]) == ["reread_differs"]
    assert codes((await waiting(api))[0]) == ["unmapped_code"]


async def test_what_a_person_uploaded_is_only_rejected(api, lab):
    """Without a sender there is no profile to read it by."""
    await send(lab, about(local()))
    async with writing(api, reason="As if uploaded.") as (session, _):
        sent = (await session.scalars(select(InboundMessage))).one()
        own = {"id": new_id(), "sender_id": None, "profile_number": None, "control_id": None}
        columns = (each.name for each in InboundMessage.__table__.c)
        upload = InboundMessage(**{name: getattr(sent, name) for name in columns} | own)
        upload.sealed = KEYRING.seal(about(local()), sealed_place(upload.id))
        session.add(upload)
        await session.flush()
        session.add(
            InboxItem(
                study_id=upload.study_id, message_id=upload.id, kind="result", position=0,
                results=1, reasons=["unmapped_code"], code="ANC-L", code_system="L", tokens=[],
                status="open",
            )
        )  # fmt: skip
    item = next(each for each in await waiting(api) if each["sender"] is None)
    shown = await api(Role.DATA_MANAGER).get(f"{INBOX}/{item['id']}")
    assert shown.json()["sent"]["codes"][0]["code"] == "ANC-L"
    answer = await resolve(api, item, action="retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_sender")
    assert (await resolved(api, item, action="reject"))["item"]["status"] == "rejected"


async def test_a_rejected_item_stays_with_its_reason(api, lab, database):
    """Nothing is filed and nothing deleted; the trail has who, what and why."""
    await send(lab, of("MRN-7", obx(PLT, "98")))
    outcome = await resolved(api, await only(api), action="reject")
    assert (outcome["item"]["status"], outcome["item"]["resolution"]) == ("rejected", "reject")
    assert outcome["item"]["resolved_at"] is not None
    assert await filed(database) == []
    query = {"record_id": outcome["item"]["id"], "record_type": "inbox_item"}
    trail = await api(Role.AUDITOR).get("/audit/changes", params=query)
    entry = trail.json()["items"][-1]
    assert (entry["command"], entry["reason"]) == ("resolve_inbox_item", WHY)
    assert entry["role"] == "study_coordinator"


async def test_a_task_is_done_and_nothing_else(api, lab, subject):
    """A result taken back as another patient's asks somebody to look; retrying makes no sense."""
    await send(lab, about(obx(PLT, "98")))
    await send(lab, about(obx(PLT, "98", fields={11: "W"}), control_id="M-2"))
    item = await only(api)
    assert (item["kind"], codes(item), item["subject_id"]) == ("task", ["wrong_patient"], subject)
    for action in ("retry", "reject"):
        answer = await resolve(api, item, action=action)
        assert (answer.status_code, answer.json()["code"]) == (409, "action_not_offered")
    outcome = await resolved(api, item, action="done")
    assert (outcome["item"]["status"], outcome["results"]["filed"]) == ("done", 0)


async def test_a_result_is_not_done(api, lab):
    """Only a task can be: a result would be lost by it."""
    await send(lab, about(local()))
    answer = await resolve(api, await only(api), action="done")
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_offered")


async def test_a_resolved_item_is_resolved_once(api, lab, database):
    """A second resolution is refused with what became of it, and nothing is filed twice."""
    await send(lab, about(local()))
    item = await only(api)
    await resolved(api, item, action="map_code", analyte="ANC")
    answer = await resolve(api, item, action="retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_resolved")
    assert answer.json()["errors"][0]["code"] == "filed"
    assert len(await filed(database)) == 1


async def test_a_stale_item_is_read_again_first(api, lab):
    """Who saw another version than the present one is answered 412, who saw none 428."""
    await send(lab, about(local(unit="Geiger")))
    item = await only(api)
    await resolved(api, item, action="map_code", analyte="ANC")
    assert (await resolve(api, item, action="reject")).status_code == 412
    path = f"{INBOX}/{item['id']}/resolution"
    body = {"action": "reject", "reason": WHY}
    assert (await api(Role.DATA_MANAGER).post(path, json=body)).status_code == 428


async def test_the_same_key_gets_the_same_answer(api, lab, database):
    """A repeated request does nothing and is answered as the first time."""
    await send(lab, about(local()))
    item = await only(api)
    headers = {"If-Match": '"v1"', "Idempotency-Key": "K-1"}
    body = {"action": "map_code", "analyte": "ANC", "reason": WHY}
    path = f"{INBOX}/{item['id']}/resolution"
    first = await api(Role.DATA_MANAGER).post(path, json=body, headers=headers)
    again = await api(Role.DATA_MANAGER).post(path, json=body, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert len(await filed(database)) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "forget", "reason": WHY}, "/body/action"),
        ({"reason": WHY}, "/body/action"),
        ({"action": "reject"}, "/body/reason"),
        ({"action": "map_code", "reason": WHY}, "/body/analyte"),
        ({"action": "retry", "reason": WHY, "analyte": "ANC"}, "/body/analyte"),
        ({"action": "map_status", "meaning": "odd", "reason": WHY}, "/body/meaning"),
        ([], "/body"),
    ],
)
async def test_a_step_that_does_not_fit_is_refused(api, lab, body, pointer):
    """The pointer names the field of the body as it was sent."""
    await send(lab, about(local()))
    path = f"{INBOX}/{(await only(api))['id']}/resolution"
    answer = await api(Role.DATA_MANAGER).post(path, json=body, headers={"If-Match": '"v1"'})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
