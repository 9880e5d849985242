"""FHIR results of laboratory systems: created, created on a condition, put again, never lost."""

import json

import pytest
from sqlalchemy import text

from app.core.serialization import to_json
from app.domain.vocabulary import Role
from tests.factories.senders import tables_holding
from tests.factories.subjects import register
from tests.interop.fhir.samples import MRN, concept, neutrophils, patient, platelets, quantity
from tests.routers.fhir_doors import FHIR, JSON, issue, laboratory, post, put, valid

ON_R1 = "identifier=urn:lab|R-1"


@pytest.fixture
async def subject(api):
    """The first subject, S-001."""
    return await register(api)


@pytest.fixture
async def lab(api, subject):
    """A client of a laboratory system at the subject's site."""
    return await laboratory(api)


async def count(session, table):
    """Count the rows of a table."""
    return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def balance(session):
    """Return what became of all results that were received."""
    query = "SELECT sum(results), sum(filed), sum(duplicates), sum(inbox) FROM inbound_message"
    return tuple((await session.execute(text(query))).one())


async def test_an_observation_is_filed_and_shown(api, lab, session):
    """201 with Location and ETag; the subject is as it was sent, and people read it at Location."""
    answer = await post(lab, "/Observation", neutrophils())
    stored = valid(answer, 201)
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"{FHIR}/Observation/{stored['id']}"
    assert stored["subject"] == {"reference": "Patient/S-001"}
    seen = valid(await api().get(answer.headers["location"]))
    assert seen["subject"]["identifier"]["value"] == "S-001"
    assert seen["performer"] == [{"display": "LIS-01"}]
    assert await balance(session) == (1, 1, 0, 0)


async def test_digits_are_kept_as_they_were_written(lab):
    """72.50 stays 72.50 in the sender's words, whatever the canonical value shows."""
    body = to_json(neutrophils(valueQuantity=quantity("X", "g/L"), code=concept("718-7")))
    exact = body.replace('"value":"X"', '"value":72.50')
    answer = await lab.post(f"{FHIR}/Observation", content=exact, headers=JSON)
    (sent,) = valid(answer, 201)["extension"]
    assert {"url": "value", "valueString": "72.50"} in sent["extension"]


async def test_the_same_again_is_the_same(lab, session):
    """A byte-identical resend writes nothing; other bytes that say the same are a duplicate."""
    first = await post(lab, "/Observation", neutrophils())
    again = await post(lab, "/Observation", neutrophils())
    said_anew = await post(lab, "/Observation", neutrophils(language="en"))
    assert [each.status_code for each in (first, again, said_anew)] == [201, 200, 200]
    assert {each.json()["id"] for each in (first, again, said_anew)} == {first.json()["id"]}
    assert await count(session, "lab_result") == 1
    assert await balance(session) == (2, 1, 1, 0)


@pytest.mark.parametrize("form", ["header", "query"])
async def test_created_only_if_none_exists(lab, session, form):
    """The condition as a header or as a query: none is 201, one is 200 with the stored one."""

    async def create(resource, condition=ON_R1):
        if form == "header":
            return await post(lab, "/Observation", resource, If_None_Exist=condition)
        return await post(lab, f"/Observation?{condition}&sender=LIS-01", resource)

    first, second = await create(neutrophils()), await create(neutrophils(status="amended"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["status"] == "final"
    assert await count(session, "inbound_message") == 1
    other = await create(
        neutrophils(specimen={"identifier": {"value": "A-2"}}), "identifier=urn:lab|R-9"
    )
    assert other.status_code == 201


async def test_several_under_one_identifier_are_no_condition(lab, session):
    """Two results sent under one identifier: 412, and nothing is stored."""
    for accession in ("A-1", "A-2"):
        specimen = {"identifier": {"value": accession}}
        valid(await post(lab, "/Observation", neutrophils(specimen=specimen)), 201)
    answer = await post(lab, "/Observation", platelets(), If_None_Exist=ON_R1)
    assert issue(answer, 412)["code"] == "multiple-matches"
    assert await count(session, "inbound_message") == 2


async def test_a_condition_finds_what_waits_in_the_inbox(lab, session):
    """What waits for a person exists, too: the same is not taken in twice."""
    unknown = neutrophils(code=concept("LOCAL-1", "urn:lab"))
    first = await post(lab, "/Observation", unknown, If_None_Exist=ON_R1)
    second = await post(lab, "/Observation", unknown | {"language": "en"}, If_None_Exist=ON_R1)
    assert issue(first, 200)["diagnostics"] == issue(second, 200)["diagnostics"]
    assert await balance(session) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    "condition", ["identifier=R-1", "code=751-8", "identifier=a|1&status=final", "identifier=a|"]
)
async def test_a_condition_that_cannot_be_judged_is_refused(lab, session, condition):
    """Passing over a condition would store a result twice."""
    for sent in (
        await post(lab, "/Observation", neutrophils(), If_None_Exist=condition),
        await post(lab, f"/Observation?{condition}", neutrophils()),
    ):
        assert issue(sent, 400)["code"] == "invalid"
    both = await post(lab, f"/Observation?{ON_R1}", neutrophils(), If_None_Exist="identifier=a|2")
    assert both.status_code == 400
    assert await count(session, "inbound_message") == 0


@pytest.mark.parametrize("path", ["/Observation/a", "/DiagnosticReport", "", "/$process-message"])
async def test_only_a_create_can_be_conditional(lab, session, path):
    """Elsewhere a condition is refused, never passed over; what has no effect is no condition."""
    method = put if path.endswith("/a") else post
    header = await method(lab, path, neutrophils(id="a"), If_None_Exist=ON_R1)
    query = await method(lab, f"{path}?{ON_R1}", neutrophils(id="a"))
    assert issue(header, 400)["code"] == issue(query, 400)["code"] == "invalid"
    assert await count(session, "inbound_message") == 0
    plain = await post(lab, "/Observation?_format=json&_pretty=true", neutrophils())
    assert plain.status_code == 201


async def test_put_only_if_there_is_none(lab):
    """`If-None-Match: *` creates and does not change."""
    first = await put(lab, "/Observation/a", neutrophils(id="a"), If_None_Match="*")
    again = await put(lab, "/Observation/a", neutrophils(id="a"), If_None_Match="*")
    assert (first.status_code, again.status_code) == (201, 412)


async def test_put_under_an_id_of_the_senders_own(lab, session):
    """The first statement creates, a correction is a further version of the same result."""
    made = await put(lab, "/Observation/cbc-1", neutrophils(id="cbc-1"))
    assert valid(made, 201)["meta"]["versionId"] == "1"
    later = {"status": "corrected", "issued": "2026-05-20T15:00:00+08:00"}
    body = neutrophils(id="cbc-1", valueQuantity=quantity(2), **later)
    corrected = await put(lab, "/Observation/cbc-1", body, If_Match='W/"1"')
    assert valid(corrected, 200)["meta"]["versionId"] == "2"
    assert corrected.json()["id"] == made.json()["id"]
    assert corrected.headers["etag"] == 'W/"2"'
    assert valid(await put(lab, "/Observation/cbc-1", body))["meta"]["versionId"] == "2"
    assert await count(session, "lab_result") == 2


async def test_a_stale_version_is_not_changed(lab, session):
    """If-Match compares what the tag names; without it a sender may always speak again."""
    await put(lab, "/Observation/a", neutrophils(id="a"))
    amended = neutrophils(id="a", status="amended")
    for tag in ('W/"2"', '"x"', ""):
        refused = await put(lab, "/Observation/a", amended, If_Match=tag)
        assert issue(refused, 412)["code"] == "conflict"
    unknown = await put(lab, "/Observation/b", neutrophils(id="b"), If_Match='W/"1"')
    assert unknown.status_code == 412
    assert await count(session, "inbound_message") == 1
    assert (await put(lab, "/Observation/a", amended, If_Match="*")).status_code == 200


@pytest.mark.parametrize(
    ("address", "id_"), [("a", "b"), ("a", None), ("a_b", "a_b"), ("x" * 65, "x" * 65)]
)
async def test_the_id_in_the_body_is_the_one_in_the_address(lab, address, id_):
    """Anything else is 400."""
    answer = await put(lab, f"/Observation/{address}", neutrophils(id=id_))
    assert issue(answer, 400)["code"] == "value"


async def test_what_cannot_be_filed_waits_in_the_inbox(lab, session):
    """200 with a reference to the inbox, by its reason and without any of the patient's data."""
    body = neutrophils(
        subject={"reference": "#p1"}, contained=[patient(number="SECRET-77")], code={"text": "?"}
    )
    found = issue(await post(lab, "/Observation", body), 200)
    assert (found["severity"], found["code"]) == ("information", "informational")
    assert "inbox as urn:msc-icaht:inbox-item:" in found["diagnostics"]
    assert await balance(session) == (1, 0, 0, 1)
    assert await tables_holding(session, "SECRET-77") == []
    assert await tables_holding(session, "Invented") == []


async def test_a_subject_is_named_by_number_id_or_hospital_number(api, lab, subject):
    """All three find the same subject; an id of somebody else's Patient finds nobody."""
    made = await api(Role.STUDY_COORDINATOR).post(
        f"/subjects/{subject}/identifiers", json={"kind": "patient", "value": "MRN-77"}
    )
    assert made.status_code == 201, made.text
    references = [
        {"reference": "Patient/S-001"},
        {"reference": f"Patient/{subject}"},
        {"identifier": {"system": MRN, "value": "MRN-77"}},
    ]
    for place, reference in enumerate(references):
        specimen = {"identifier": {"value": f"A-{place}"}}
        valid(
            await post(lab, "/Observation", neutrophils(subject=reference, specimen=specimen)), 201
        )
    found = valid(await api().get(f"{FHIR}/Observation", params={"subject": "S-001"}))
    assert found["total"] == 3


async def test_components_have_an_outcome_each(lab):
    """A panel of components is answered with one issue for each."""
    components = [
        {"code": concept("718-7"), "valueQuantity": quantity(98, "g/L")},
        {"code": concept("nobody-knows"), "valueQuantity": quantity(1)},
    ]
    panel = neutrophils(code=concept("58410-2"), valueQuantity=None, component=components)
    outcome = valid(await post(lab, "/Observation", panel), 201)
    texts = [each["diagnostics"] for each in outcome["issue"]]
    assert texts[0].startswith("The result is filed as Observation/")
    assert texts[1].startswith("The result is kept; it waits in the inbox")


async def test_the_answer_is_what_the_sender_prefers(lab):
    """`return=minimal` has no body, `return=OperationOutcome` no resource."""
    minimal = await post(lab, "/Observation", neutrophils(), Prefer="return=minimal")
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal.headers["etag"] == 'W/"1"'
    told = await post(lab, "/Observation", platelets(), Prefer="return=OperationOutcome")
    assert issue(told, 201)["severity"] == "information"


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ("entered-in-error", "entered-in-error"),
        ("cancelled", "cancelled"),
        ("corrected", "corrected"),
        ("amended", "amended"),
        ("preliminary", "preliminary"),
        ("registered", "cancelled"),
    ],
)
async def test_each_status_means_what_it_means_in_hl7(lab, status, kept):
    """The words of R4 are kept; what has only been ordered is without a value."""
    assert valid(await post(lab, "/Observation", neutrophils(status=status)), 201)["status"] == kept


async def test_a_report_brings_the_results_that_it_contains(lab, session):
    """200 with an issue for each contained result; without any the sender is told so."""
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": concept("58410-2"),
        "identifier": [{"value": "REP-1"}],
        "contained": [neutrophils(id="a", specimen=None), platelets(id="b", specimen=None)],
        "result": [{"reference": "#a"}, {"reference": "#b"}],
    }
    outcome = valid(await post(lab, "/DiagnosticReport", report))
    assert len(outcome["issue"]) == 2
    accessions = await session.scalars(text("SELECT DISTINCT accession FROM lab_result"))
    assert accessions.all() == ["REP-1"]
    empty = await post(lab, "/DiagnosticReport", report | {"contained": []})
    assert "contains no Observation" in issue(empty, 200)["diagnostics"]


async def test_an_idempotency_key_replays_the_answer(lab, session):
    """The answer comes again with its headers, and nothing is written."""
    first = await post(lab, "/Observation", neutrophils(), Idempotency_Key="k")
    again = await post(lab, "/Observation", neutrophils(), Idempotency_Key="k")
    assert again.headers["idempotent-replay"] == "true"
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert json.loads(again.content)["id"] == first.json()["id"]
    assert await count(session, "inbound_message") == 1
