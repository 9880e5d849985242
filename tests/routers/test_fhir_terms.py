"""Terms of FHIR submissions: versions, ids of the sender's own, conditions, and what became."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.messages import resolved, waiting
from tests.factories.subjects import register
from tests.interop.fhir.samples import bundle, concept, entry, message, neutrophils, quantity
from tests.routers.fhir_doors import FHIR, issue, laboratory, post, put, valid

LATER = {"status": "corrected", "issued": "2026-05-20T15:00:00+08:00"}
OTHER = {"specimen": {"identifier": {"value": "A-78"}}}


@pytest.fixture
async def lab(api):
    """A client of a laboratory system at the site of the subject S-001."""
    await register(api)
    return await laboratory(api)


def responses(answer):
    """Return the status of each entry of an answered bundle."""
    return [each["response"]["status"][:3] for each in valid(answer)["entry"]]


async def messages(session):
    """Count the messages that are kept."""
    return await session.scalar(text("SELECT count(*) FROM inbound_message"))


def conditional(resource, condition="identifier=urn:lab|R-1"):
    """Return an entry that is created only if nothing came under an identifier."""
    made = entry(resource)
    made["request"]["ifNoneExist"] = condition
    return made


async def test_the_version_that_counts_is_compared_after_a_persons_correction(api, lab):
    """What GET shows as ETag is what If-Match takes; the version sent before is stale."""
    made = valid(await put(lab, "/Observation/a", neutrophils(id="a")), 201)
    change = {"status": "corrected", "value": 1.4, "unit": "10*9/L", "reason": "Misread"}
    corrected = await api(Role.STUDY_COORDINATOR).post(
        f"/labs/{made['id']}/corrections", json=change
    )
    assert corrected.status_code == 201, corrected.text
    body = neutrophils(id="a", valueQuantity=quantity(2), **LATER)
    stale = await put(lab, "/Observation/a", body, If_Match='W/"1"')
    assert issue(stale, 412)["code"] == "conflict"
    seen = await api().get(f"{FHIR}/Observation/{made['id']}")
    assert seen.headers["etag"] == 'W/"2"'
    assert (await put(lab, "/Observation/a", body, If_Match='W/"2"')).status_code == 200


async def test_an_id_put_in_a_batch_is_known_to_a_single_put(lab):
    """Its version is compared, and it is no new id; a resend after it is a new statement."""
    first = entry(neutrophils(id="a"), "PUT")
    second = entry(neutrophils(id="a", valueQuantity=quantity(2), **LATER), "PUT")
    assert responses(await post(lab, "", bundle(first))) == ["201"]
    assert responses(await post(lab, "", bundle(second))) == ["200"]
    assert (
        await put(lab, "/Observation/a", neutrophils(id="a"), If_None_Match="*")
    ).status_code == 412
    body = neutrophils(id="a", valueQuantity=quantity(3), status="corrected")
    assert (await put(lab, "/Observation/a", body, If_Match='W/"1"')).status_code == 412
    assert (await put(lab, "/Observation/a", body, If_Match='W/"2"')).status_code == 200
    anew = entry(neutrophils(id="a"), "PUT")
    anew["request"]["ifNoneMatch"] = "*"
    assert responses(await post(lab, "", bundle(anew))) == ["412"]


@pytest.mark.parametrize("other", [OTHER, {"code": concept("777-3")}])
async def test_an_id_does_not_move_to_another_result(lab, session, other):
    """422 until the earlier result is retracted; in a batch the other entries are taken."""
    assert (await put(lab, "/Observation/a", neutrophils(id="a"))).status_code == 201
    moved = neutrophils(id="a", **other)
    assert issue(await put(lab, "/Observation/a", moved), 422)["code"] == "business-rule"
    assert await messages(session) == 1
    beside = neutrophils(specimen={"identifier": {"value": "A-99"}})
    sent = bundle(entry(moved, "PUT"), entry(beside))
    assert responses(await post(lab, "", sent)) == ["422", "201"]
    all_ = await post(lab, "", sent | {"type": "transaction"})
    assert issue(all_, 422)["expression"] == ["Bundle.entry[0]"]
    retracted = neutrophils(id="a", status="entered-in-error", issued="2026-05-20T15:00:00+08:00")
    assert (await put(lab, "/Observation/a", retracted)).status_code == 200
    assert (await put(lab, "/Observation/a", moved)).json()["resourceType"] == "Observation"


async def test_the_condition_of_an_entry_is_judged(lab, session):
    """None creates, one is answered with what is here, several are 412, others 400."""
    first = await post(
        lab, "", bundle(conditional(neutrophils()), conditional(neutrophils(**OTHER)))
    )
    assert responses(first) == ["201", "200"]
    again = await post(lab, "", bundle(conditional(neutrophils(**OTHER)), type_="transaction"))
    assert responses(again) == ["200"]
    assert valid(again)["entry"][0]["response"]["etag"] == 'W/"1"'
    assert await session.scalar(text("SELECT count(*) FROM lab_result")) == 1
    valid(await put(lab, "/Observation/b", neutrophils(id="b", **OTHER)), 201)
    sent = bundle(conditional(neutrophils()), conditional(neutrophils(), "code=751-8"))
    assert responses(await post(lab, "", sent)) == ["412", "400"]
    refused = await post(lab, "", bundle(conditional(neutrophils()), type_="transaction"))
    assert issue(refused, 412)["code"] == "multiple-matches"


@pytest.mark.parametrize("way", ["batch", "put", "second"])
async def test_a_single_condition_sees_every_identifier(lab, way):
    """Those that came in a batch, by a put, and as any identifier of a resource."""
    names = [{"system": "urn:lab", "value": each} for each in ("R-0", "R-1")]
    body = neutrophils(id="a", identifier=names)
    if way == "batch":
        await post(lab, "", bundle(entry(body)))
    elif way == "put":
        await put(lab, "/Observation/a", body)
    else:
        await post(lab, "/Observation", body)
    known = await post(
        lab, "/Observation", neutrophils(**OTHER), If_None_Exist="identifier=urn:lab|R-1"
    )
    assert valid(known)["meta"]["versionId"] == "1"


async def test_a_client_may_read_change_and_write(lab):
    """The answer holds enough to be sent back, under the id that the façade gave."""
    made = valid(await put(lab, "/Observation/a", neutrophils(id="a")), 201)
    made["status"] = "amended"
    written = await put(lab, f"/Observation/{made['id']}", made, If_Match='W/"1"')
    assert valid(written, 200)["meta"]["versionId"] == "2"
    assert written.json()["id"] == made["id"]


async def test_what_a_person_rejected_is_answered_as_rejected(api, lab):
    """The same bytes again are answered with where the item stands now."""
    body = neutrophils(code=concept("LOCAL-1", "urn:lab"))
    assert "waits" in issue(await post(lab, "/Observation", body), 200)["diagnostics"]
    (item,) = await waiting(api)
    await resolved(api, item, action="reject")
    told = issue(await post(lab, "/Observation", body), 200)["diagnostics"]
    assert "rejected" in told
    assert "waits" not in told


async def test_a_message_of_another_facility_waits_whole(api):
    """A MessageHeader that names another system than the sender's is for a person."""
    await register(api)
    lab = await laboratory(api, sending_facility="HOSPITAL-A")
    for name, count in (("HOSPITAL-B", 1), ("HOSPITAL-A", 0)):
        sent = message(neutrophils(), id=name)
        sent["entry"][0]["resource"]["sender"] = {"display": name}
        outcome = valid(await post(lab, "", sent))["entry"][1]["resource"]
        assert sum("kept whole" in each["diagnostics"] for each in outcome["issue"]) == count


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("subject:Patient=S-001", 1),
        ("patient.identifier=S-001", 1),
        ("subject:Patient.identifier=urn:msc-icaht:subject-number:NCT07212335|S-001", 1),
        ("subject:identifier=urn:other|S-001", 0),
        (f"subject={FHIR}/Patient/S-001", 1),
        ("subject=http://elsewhere/fhir/Patient/S-001", 0),
        ("identifier=A-77", 1),
        ("identifier=urn:wrong|A-77", 0),
        ("identifier=urn:msc-icaht:laboratory-result|", 1),
        ("code=http://loinc.org|", 1),
        ("code=|751-8", 0),
        ("status=urn:wrong|final", 0),
    ],
)
async def test_a_search_finds_what_it_names(api, lab, query, total):
    """Systems, modifiers and references are judged, none is passed over."""
    valid(await post(lab, "/Observation", neutrophils()), 201)
    assert valid(await api().get(f"{FHIR}/Observation?{query}"))["total"] == total


async def test_a_summary_may_be_the_count(api, lab):
    """`_summary=count` answers the total only and is said in the self link."""
    valid(await post(lab, "/Observation", neutrophils()), 201)
    found = valid(await api().get(f"{FHIR}/Observation?_summary=count"))
    assert (found["total"], "entry" in found) == (1, False)
    assert found["link"][0]["url"].endswith("?_summary=count")
