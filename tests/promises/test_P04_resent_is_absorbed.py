"""P04: a result that is sent again counts once, whatever it comes as; a correction supersedes."""

import pytest

from app.core.serialization import to_json
from app.domain.vocabulary import Role
from app.routers import fhir_examples
from tests.factories.doors import knock
from tests.factories.labs import neutrophils
from tests.factories.senders import create_sender
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import ACCESSION, COLLECTED, REPORTED, message, msh, obr, obx, pid

CSV = (
    "subject,analyte,value,unit,collected_at,reported_at,accession\n"
    f"S-001,PLT,98,10*9/L,2026-06-01T07:30:00+08:00,2026-06-01T08:45:00+08:00,{ACCESSION}\n"
)


@pytest.fixture
async def system(api):
    """The laboratory system of S-001's site."""
    await register(api)
    await create_sender(api)
    return api(Role.LABORATORY_SYSTEM)


def platelets(control_id: str, value: str = "98", status: str = "F", at: str = REPORTED) -> bytes:
    """Build a message with one result of one specimen, stated at a time."""
    order = obr(fields={7: COLLECTED, 22: at})
    result = obx(value=value, fields={11: status})
    return message(msh(control_id=control_id, fields={7: at}), pid(), order, result)


def observation(**changes) -> bytes:
    """Return the same result as a FHIR resource."""
    (example,) = fhir_examples.PUT_OBSERVATION.values()
    same = {"specimen": {"identifier": {"value": ACCESSION}}, "referenceRange": []}
    return to_json(example | same | changes).encode()


async def results(api, **query) -> list[dict]:
    """List the results that are here."""
    return (await api().get("/labs", params=query)).json()["items"]


async def test_a_new_key_does_not_make_a_new_result(api, system):
    """The same bytes under another Idempotency-Key get the acknowledgement of the first time."""
    first, second = [
        await knock(system, "hl7v2", headers={"Idempotency-Key": key}) for key in ("a", "b")
    ]
    assert (second.status_code, second.content) == (200, first.content)
    assert "idempotent-replay" not in second.headers
    assert len(await results(api)) == 4


async def test_control_another_specimen_is_another_result(api, system):
    """The control: what differs in its specimen is not absorbed, so absorbing is no accident."""
    for accession in (ACCESSION, "ANOTHER-1"):
        content = platelets(f"M-{accession}").replace(ACCESSION.encode(), accession.encode())
        assert b"1 filed" in (await knock(system, "hl7v2", content=content)).content
    assert len(await results(api, versions="all")) == 2


async def test_a_new_control_id_does_not_make_a_new_result(api, system):
    """The same result in another message is a duplicate, and the answer says so."""
    for control_id, said in (("M-1", b"1 filed, 0 duplicate"), ("M-2", b"0 filed, 1 duplicate")):
        answer = await knock(system, "hl7v2", content=platelets(control_id))
        assert said in answer.content
    assert len(await results(api, versions="all")) == 1


async def test_a_result_that_comes_by_every_door_counts_once(api, system):
    """HL7 v2, FHIR in each of its forms, and CSV name one specimen of one sender."""
    await knock(system, "hl7v2", content=platelets("M-1"))
    (stored,) = await results(api)
    for door in ("observation", "put"):
        answer = await knock(system, door, content=observation())
        assert (answer.status_code, answer.json()["id"]) == (200, stored["id"]), answer.text
    answer = await knock(system, "csv", content=CSV.encode())
    assert (answer.json()["new"], answer.json()["duplicates"]) == (0, 1)
    assert len(await results(api, versions="all")) == 1


async def test_a_condition_that_is_met_before_adds_nothing(api, system):
    """If-None-Exist: the first is created, the second is answered with what is here."""
    condition = {"If-None-Exist": "identifier=urn:oid:2.999.1|2606010003-751-8"}
    first, second = [await knock(system, "observation", headers=condition) for _ in range(2)]
    assert [first.status_code, second.status_code] == [201, 200]
    assert second.json()["id"] == first.json()["id"]
    assert len(await results(api)) == 1


@pytest.mark.parametrize("order", [("F", "C"), ("C", "F")], ids=["in order", "late original"])
async def test_a_corrected_result_supersedes_and_keeps_the_old(api, system, order):
    """In any order of arrival the correction is what counts, and both versions are readable."""
    said = {"F": ("98", REPORTED), "C": ("89", "20260601103000+0800")}
    for status in order:
        value, at = said[status]
        await knock(system, "hl7v2", content=platelets(f"M-{status}", value, status, at))
    (current,) = await results(api)
    assert (current["value"], current["status"]) == (89, "corrected")
    history = (await api().get(f"/labs/{current['id']}/versions")).json()["items"]
    assert [each["value"] for each in history if not each["is_current"]] == [98]
    resent = await knock(system, "hl7v2", content=platelets("M-again", "89", "C", said["C"][1]))
    assert b"1 duplicate" in resent.content
    assert len(await results(api, versions="all")) == 2


@pytest.mark.parametrize("role", [Role.LABORATORY_SYSTEM, Role.STUDY_COORDINATOR])
async def test_the_json_door_absorbs_a_resend_under_a_new_key(api, role):
    """POST /labs with another key: 200 and the result that is here, not a second one."""
    body = neutrophils(await register(api))
    ids = set()
    for key, status in (("a", 201), ("b", 200)):
        headers = {"Idempotency-Key": key}
        answer = await api(role).post("/labs", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        ids.add(answer.json()["id"])
    assert len(ids) == len(await results(api)) == 1
