"""Signatures over HTTP: what is shown is what is signed, whose it is, and when it is void."""

import json
from hashlib import sha256

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.dosing import change_infusion, create_lot, prescribe
from tests.factories.ladder import propose, verdict
from tests.factories.rows import move_to
from tests.factories.signing import checked, shown, sign, try_to_sign
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    enrolled_subject,
    register,
)
from tests.routers.test_adverse_events import EVENT, change
from tests.routers.test_dlt_adjudications import report, subject  # noqa: F401 - fixtures
from tests.routers.test_dlt_adjudications import sign as adjudicate

PI, SUB, CRC = Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR
NOBODY = "01930000-0000-7000-8000-000000000001"


async def test_a_sign_off_of_eligibility_is_bound_to_what_was_shown(api):
    """The signature holds name, role, meaning, time, proof, and the document itself."""
    candidate = await eligible_subject(api)
    client = api(SUB)
    document = await shown(client, "eligibility", candidate["id"])
    assert document["document"]["content"]["verdict"] == "eligible"
    body = {
        "record_type": "eligibility",
        "record_id": candidate["id"],
        "digest": document["digest"],
        "meaning": "approved",
        "reason": "Checked against the source.",
    }
    made = created(await client.post("/signatures", json=body))
    assert made["printed_name"] == "Sub investigator (development)"
    assert (made["role"], made["meaning"]) == ("sub_investigator", "approved")
    assert (made["method"], made["acr"]) == ("development_step_up", "urn:msc-icaht:acr:signing")
    assert (made["record_version"], made["auth_time"]) == (None, "2026-06-01T04:00:00Z")
    found = await checked(client, made["id"])
    assert found["document"] == document["document"]
    assert (found["valid"], found["invalid_reason"]) == (True, None)
    assert (found["void"], found["void_from_version"]) == (False, None)
    listed = (await client.get("/signatures", params={"record_id": candidate["id"]})).json()
    assert listed["items"] == [made]
    for other in ({"record_type": "response"}, {"signer_id": NOBODY}, {"record_id": NOBODY}):
        assert (await client.get("/signatures", params=other)).json()["items"] == []


async def test_the_digest_is_sha_256_of_canonical_json(api):
    """Whoever has the document can compute it with any RFC 8785 library."""
    subject_id = await register(api)
    found = await shown(api(), "eligibility", subject_id)
    text = json.dumps(found["document"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert sha256(text.encode()).hexdigest() == found["digest"]


async def test_time_alone_voids_no_signature_and_a_changed_record_does(api, clock):
    """Eligibility drawn for the day of signing stays as it was until the records change."""
    candidate = await eligible_subject(api)
    made = await sign(api(), "eligibility", candidate["id"])
    clock.advance(days=40)
    assert (await checked(api(), made["id"]))["void"] is False
    changed = await api(CRC).patch(
        f"/subjects/{candidate['id']}",
        json={"has_copd": True, "reason": "Found in the source."},
        headers={"If-Match": '"v1"'},
    )
    assert changed.status_code == 200, changed.text
    found = await checked(api(), made["id"])
    assert (found["valid"], found["void"]) == (True, True)


async def test_what_moved_since_it_was_shown_is_not_signed(api):
    """409 document_moved, and no signature is stored."""
    candidate = await eligible_subject(api)
    body = {
        "record_type": "eligibility",
        "record_id": candidate["id"],
        "digest": (await shown(api(), "eligibility", candidate["id"]))["digest"],
        "meaning": "reviewed",
    }
    answer = {"met": True, "reason": "Seen again."}
    await api().put(f"/subjects/{candidate['id']}/eligibility/E1", json=answer)
    refused = await api().post("/signatures", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "document_moved")
    assert (await api().get("/signatures")).json()["items"] == []


@pytest.mark.parametrize(
    ("role", "record_type", "status", "code"),
    [
        (PI, "prescription", 422, "not_signable"),
        (CRC, "eligibility", 403, "role_not_allowed"),
        (Role.DATA_MANAGER, "eligibility", 403, "role_does_not_sign"),
        (Role.SAFETY_COMMITTEE, "dose_order", 403, "role_does_not_sign"),
        (Role.ADMINISTRATOR, "eligibility", 403, "role_not_allowed"),
    ],
)
async def test_not_everybody_signs_everything(api, role, record_type, status, code):
    """A type that nobody signs is 422, and a role that does not sign it is 403."""
    body = {"record_type": record_type, "record_id": NOBODY, "digest": "x", "meaning": "approved"}
    refused = await api(role).post("/signatures", json=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_what_a_role_may_not_read_is_not_there(api):
    """The cell laboratory signs lots; of eligibility it sees neither document nor signature."""
    candidate = await eligible_subject(api)
    made = await sign(api(), "eligibility", candidate["id"])
    cells = api(Role.CELL_LABORATORY)
    lot = await create_lot(api)
    released = await sign(cells, "product_lot", lot["id"])
    assert (
        await cells.get(f"/signatures/documents/eligibility/{candidate['id']}")
    ).status_code == 404
    assert (await cells.get(f"/signatures/{made['id']}")).status_code == 404
    assert (await cells.get(f"/signatures/documents/nothing/{lot['id']}")).status_code == 404
    assert (await cells.get(f"/signatures/documents/product_lot/{NOBODY}")).status_code == 404
    assert (await cells.get("/signatures")).json()["items"] == [released]
    refused = await api().get("/signatures", params={"record_type": "prescription"})
    assert refused.json()["code"] == "not_signable"


async def test_an_order_is_void_from_the_version_that_changes_the_dose(api, clock):
    """Recording what was given voids no order; another weight does, and is signed anew."""
    enrolled = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    ordered = await prescribe(api, enrolled["id"], planned_date=FIRST_INFUSION.isoformat())
    signature = ordered["signature"]
    assert (signature["role"], signature["meaning"]) == ("sub_investigator", "responsible")
    noted = (await change_infusion(api, enrolled["id"], 1, note="Prepared.")).json()
    assert "signature" not in noted
    assert (await checked(api(), signature["id"]))["void"] is False
    answer = await change_infusion(api, enrolled["id"], 1, role=PI, weight_kg=70)
    assert answer.status_code == 200, answer.text
    second = answer.json()["signature"]
    assert "Receipt" in answer.headers
    first, later = await checked(api(), signature["id"]), await checked(api(), second["id"])
    assert (first["record_version"], first["void"], first["void_from_version"]) == (1, True, 3)
    assert (later["record_version"], later["void"], later["void_from_version"]) == (3, False, None)
    answer = await change_infusion(api, enrolled["id"], 1, role=PI, weight_kg=60)
    assert answer.status_code == 200
    # The first order is on record again, but it was not in between.
    assert (await checked(api(), signature["id"]))["void_from_version"] == 3


async def test_an_adjudication_is_void_once_its_event_is_changed(api, report):  # noqa: F811
    """What was judged is the event's version."""
    event = await report()
    made = (await adjudicate(api(SUB), event, is_dlt=False)).json()
    assert made["signature"]["printed_name"] == made["adjudicated_by_name"]
    found = await checked(api(), made["signature"]["id"])
    assert (found["record_type"], found["record_id"]) == ("dlt_adjudication", made["id"])
    assert found["document"]["content"]["adverse_event"]["grade"] == event["grade"]
    await change(api(), event, grade=2)
    found = await checked(api(), made["signature"]["id"])
    assert (found["valid"], found["void"], found["void_from_version"]) == (True, True, 2)


async def test_a_proposal_and_its_verdict_are_signed_by_two_persons(api):
    """The proposal stays what was signed when the verdict is given."""
    await enrolled_subject(api)
    hold = (await propose(api, "hold")).json()
    assert hold["signature"]["meaning"] == "authored"
    resume = (await propose(api, "resume")).json()
    word = (await verdict(api, resume)).json()
    assert word["signature"]["meaning"] == "approved"
    assert word["signature"]["printed_name"] != resume["signature"]["printed_name"]
    again = (await propose(api, "hold")).json()
    second = (await propose(api, "resume")).json()
    assert (await verdict(api, second, "rejected")).json()["signature"]["meaning"] == "reviewed"
    for made in (hold, resume, word, again):
        found = await checked(api(), made["signature"]["id"])
        assert (found["record_id"], found["valid"], found["void"]) == (made["id"], True, False)


OPINION = {
    "kind": "response_opinion",
    "performed_at": "2026-06-01T10:00:00+08:00",
    "content": {"category": "PR", "week": 4},
}


async def test_an_investigator_signs_an_opinion_and_a_coordinator_proposes_one(api):
    """A coordinator's opinion has no signature until an investigator signs it."""
    body = OPINION | {"subject_id": await register(api)}
    signed = await api().post("/assessments", json=body)
    assert created(signed)["signature"]["meaning"] == "authored"
    unsigned = await api(CRC).post("/assessments", json=body)
    proposed = created(unsigned)
    assert "signature" not in proposed
    assert ("Receipt" in signed.headers, "Receipt" in unsigned.headers) == (True, False)
    made = await sign(api(SUB), "assessment", proposed["id"])
    assert made["record_version"] == 1
    retract = {
        "url": f"/assessments/{proposed['id']}",
        "json": {"retracted": True, "reason": "Another subject's."},
        "headers": {"If-Match": '"v1"'},
    }
    refused = await api(CRC).patch(**retract)
    assert (refused.status_code, refused.json()["code"]) == (403, "assessment_is_signed")
    assert "signature" in (await api(SUB).patch(**retract)).json()
    assert (await checked(api(), made["id"]))["void_from_version"] == 2


@pytest.mark.parametrize("record_type", ["response", "eligibility"])
async def test_a_conclusion_about_a_subject_is_signed_as_of_the_moment(api, record_type):
    """What depends on the day is drawn for the day of the signature."""
    enrolled = await enrolled_subject(api)
    made = await sign(api(), record_type, enrolled["id"])
    found = await checked(api(), made["id"])
    assert (found["valid"], found["void"], found["as_of"]) == (
        True,
        False,
        "2026-06-01T04:00:00+00:00",
    )


async def test_records_are_signed_in_their_version(api):
    """An event and an infusion as recorded: any later version voids."""
    subject_id = await register(api)
    event = created(await api().post("/adverse-events", json=EVENT | {"subject_id": subject_id}))
    made = await sign(api(), "adverse_event", event["id"])
    assert made["record_version"] == 1
    await change(api(), event, grade=2)
    assert (await checked(api(), made["id"]))["void_from_version"] == 2


async def test_an_activation_is_signed_with_the_version_it_puts_into_force(api):
    """The version's digest stands for its definition."""
    definition = (await api().get("/protocol")).json()["definition"]
    body = {"definition": definition, "summary": "The same once more."}
    version = created(await api(Role.DATA_MANAGER).post("/protocol-versions", json=body))
    put = await api().post(
        f"/protocol-versions/{version['number']}/activation",
        json={"effective_from": "2026-06-02", "reason": "Approved."},
    )
    found = await checked(api(), created(put)["signature"]["id"])
    assert (found["record_type"], found["record_id"]) == ("protocol_activation", version["id"])
    assert found["document"]["content"]["version"]["digest"] == version["digest"]
    assert "definition" not in found["document"]["content"]["version"]
    refused = await try_to_sign(api(), "protocol_activation", version["id"], digest="0" * 64)
    assert refused.json()["code"] == "document_moved"


async def test_a_signature_is_read_as_it_stood(api, session, clock):
    """Before the record was changed its signature was not void, whatever became of it since."""
    subject_id = await register(api)
    event = created(await api().post("/adverse-events", json=EVENT | {"subject_id": subject_id}))
    made = await sign(api(), "adverse_event", event["id"])
    signed = await sign(api(), "eligibility", subject_id)
    between = await session.scalar(text("SELECT clock_timestamp()"))
    await change(api(), event, grade=2)
    dose = {"weight_kg": 61, "reason": "Weighed again."}
    found = await api().get(f"/subjects/{subject_id}")
    await api(CRC).patch(
        f"/subjects/{subject_id}", json=dose, headers={"If-Match": found.headers["ETag"]}
    )
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    for signature in (made, signed):
        path = f"/signatures/{signature['id']}"
        past = (await api().get(path, params={"as_of": between.isoformat()})).json()
        assert (past["void"], past["void_from_version"]) == (False, None)
    assert (await checked(api(), made["id"]))["void_from_version"] == 2
