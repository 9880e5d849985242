"""Reading through the FHIR façade: what is served is valid R4 and says what the records say."""

from datetime import date

import pytest

from app.domain.escalation_steps import LadderAction
from app.domain.vocabulary import Role
from app.interop.fhir.served_studies import study_status
from app.schemas.studies import DecisionState, OpenCohort, StudySummary
from tests.conftest import NOW, STUDY
from tests.factories.dosing import dose, infuse
from tests.factories.events import adverse_event
from tests.factories.labs import hemoglobin, neutrophils
from tests.factories.senders import OTHER_STUDY, second_study
from tests.factories.subjects import created, enrolled_subject, leave, register
from tests.routers.fhir_doors import FHIR, issue, valid


@pytest.fixture
async def subject(api):
    """A subject, S-001."""
    return await register(api)


@pytest.fixture
async def labs(api, subject):
    """The subject's hemoglobin and neutrophils, by analyte."""
    client = api(Role.STUDY_COORDINATOR)
    bodies = (hemoglobin(subject), neutrophils(subject, comparator="<", value=0.1))
    made = [created(await client.post("/labs", json=body)) for body in bodies]
    return {each["analyte"]: each for each in made}


async def read(api, path, role=Role.PRINCIPAL_INVESTIGATOR, **headers):
    """Read a resource, proven valid."""
    return valid(await api(role).get(f"{FHIR}/{path}", headers=headers))


async def search(api, path, **parameters):
    """Search; return the resources that were found, each proven valid."""
    bundle = valid(await api().get(f"{FHIR}/{path}", params=parameters))
    assert bundle["total"] >= len(bundle.get("entry", []))
    return [each["resource"] for each in bundle.get("entry", [])]


async def test_anybody_may_ask_what_is_offered(api):
    """The CapabilityStatement needs no token and says 4.0.1."""
    statement = valid(await api(None).get(f"{FHIR}/metadata"))
    assert statement["fhirVersion"] == "4.0.1"
    types = {each["type"] for each in statement["rest"][0]["resource"]}
    assert types == {
        "Observation", "DiagnosticReport", "Patient", "ResearchStudy", "ResearchSubject",
        "AdverseEvent",
    }  # fmt: skip


async def test_every_parameter_of_the_statement_is_understood(api, labs):
    """A strict client may use each search parameter that is offered."""
    statement = valid(await api(None).get(f"{FHIR}/metadata"))
    examples = {"_lastUpdated": "ge2020", "date": "ge2020", "study": STUDY}
    for resource in statement["rest"][0]["resource"]:
        for parameter in resource.get("searchParam", []):
            asked = {parameter["name"]: examples.get(parameter["name"], "x")}
            path = f"{FHIR}/{resource['type']}"
            valid(await api().get(path, params=asked, headers={"Prefer": "handling=strict"}))


async def test_a_result_as_an_observation(api, labs, subject):
    """Canonical value in UCUM, codes, times in the study's zone, the sender's words beside."""
    made = labs["HGB"]
    found = await read(api, f"Observation/{made['id']}")
    assert found["valueQuantity"] == {
        "value": 102, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L",
    }  # fmt: skip
    assert [each["code"] for each in found["code"]["coding"]] == ["718-7", "HGB"]
    assert found["effectiveDateTime"] == "2026-05-20T09:00:00+08:00"
    assert found["subject"]["reference"] == f"Patient/{subject}"
    assert found["specimen"] == {"identifier": {"value": "A-77"}}
    assert found["extension"][0]["extension"][:2] == [
        {"url": "value", "valueString": "102"},
        {"url": "unit", "valueString": "g/L"},
    ]
    assert (found["status"], found["meta"]["versionId"]) == ("final", "1")


async def test_a_bound_and_a_finding_are_no_plain_numbers(api, labs, subject):
    """A comparator stays one; a finding is a coded value, or interprets the number beside it."""
    bound = await read(api, f"Observation/{labs['ANC']['id']}")
    assert (bound["valueQuantity"]["comparator"], bound["valueQuantity"]["value"]) == ("<", 0.1)
    assert bound["referenceRange"][0]["high"]["value"] == 6.3
    at = {"subject_id": subject, "collected_at": "2026-05-20T01:00:00Z"}
    client = api(Role.STUDY_COORDINATOR)
    alone = {"analyte": "HBSAG", "finding": "negative"}
    both = {"analyte": "HCG_S", "finding": "positive", "value": 30, "unit": "[IU]/L"}
    ids = [created(await client.post("/labs", json=at | each))["id"] for each in (alone, both)]
    coded, measured = [await read(api, f"Observation/{each}") for each in ids]
    assert coded["valueCodeableConcept"]["coding"][0]["code"] == "NEG"
    assert measured["interpretation"][0]["coding"][0]["code"] == "POS"


async def test_a_withdrawn_result_has_no_value_but_a_reason(api, labs):
    """The version that counts is shown under the result's id, with its number as ETag."""
    made = labs["HGB"]
    body = {"status": "entered_in_error", "reason": "Wrong specimen."}
    path = f"/labs/{made['id']}/corrections"
    created(await api(Role.STUDY_COORDINATOR).post(path, json=body))
    answer = await api().get(f"{FHIR}/Observation/{made['id']}")
    found = valid(answer)
    assert (found["id"], found["status"]) == (made["id"], "entered-in-error")
    assert answer.headers["etag"] == 'W/"2"'
    assert found["dataAbsentReason"]["coding"][0]["code"] == "error"


async def test_a_version_that_the_client_holds_is_not_sent_again(api, labs):
    """304 for the weak tag, and for the bare version that some clients send."""
    path = f"{FHIR}/Observation/{labs['HGB']['id']}"
    for tag in ('W/"1"', "1", 'W/"7", W/"1"'):
        answer = await api().get(path, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await api().get(path, headers={"If-None-Match": 'W/"2"'})).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, {"HGB", "ANC"}),
        ({"code": "718-7"}, {"HGB"}),
        ({"code": "http://loinc.org|718-7,http://loinc.org|751-8"}, {"HGB", "ANC"}),
        ({"code": "urn:msc-icaht:analyte|ANC"}, {"ANC"}),
        ({"code": "http://snomed.info/sct|718-7"}, set()),
        ({"status": "final"}, {"HGB", "ANC"}),
        ({"status": "cancelled,unknown"}, set()),
        ({"date": "2026-05-20"}, {"HGB", "ANC"}),
        ({"date": "gt2026-05-20"}, set()),
        ({"_lastUpdated": "lt2020"}, set()),
        ({"subject": "Patient/S-001"}, {"HGB", "ANC"}),
        ({"patient": "S-999"}, set()),
        ({"identifier": "A-77"}, {"HGB"}),
        ({"_id": "not-an-id"}, set()),
        ({"study": "NCT07212335"}, {"HGB", "ANC"}),
        ({"study": "ResearchStudy/NCT07212335"}, {"HGB", "ANC"}),
        ({"_count": "0"}, set()),
    ],
)
async def test_searching_results(api, labs, parameters, found):
    """Each parameter narrows as it says."""
    resources = await search(api, "Observation", **parameters)
    assert {each["code"]["coding"][-1]["code"] for each in resources} == found


async def test_results_are_found_by_id_and_subject_id(api, labs, subject):
    """Ids of results and subjects are the ids of the API."""
    ids = f"{labs['HGB']['id']},{labs['ANC']['id']}"
    assert len(await search(api, "Observation", _id=ids, subject=subject)) == 2
    by_identifier = f"urn:msc-icaht:laboratory-result|{labs['HGB']['id']}"
    assert len(await search(api, "Observation", identifier=by_identifier)) == 1


@pytest.mark.parametrize("path", ["Observation", "Patient"])
async def test_pages_follow_their_next_link(api, labs, path):
    """Every item comes once; total counts all; the last page has no next."""
    await register(api)
    address: str | None = f"{FHIR}/{path}?_count=1&nonsense=1"
    seen = []
    while address:
        bundle = valid(await api().get(address))
        links = {each["relation"]: each["url"] for each in bundle["link"]}
        assert bundle["total"] == 2
        assert "nonsense" not in links["self"]
        seen += [each["resource"]["id"] for each in bundle["entry"]]
        address = links.get("next")
    assert len(seen) == len(set(seen)) == 2
    counted = valid(await api().get(f"{FHIR}/{path}?_count=0"))
    assert (counted["total"], counted.get("entry")) == (2, None)
    foreign = await api().get(f"{FHIR}/{path}?_cursor=AAAA")
    assert foreign.status_code in {400, 422}


async def test_a_subject_is_known_by_number_sex_and_birth_year(api, subject):
    """Nothing else about the person is served."""
    found = await read(api, f"Patient/{subject}")
    assert set(found) == {"resourceType", "id", "meta", "identifier", "gender", "birthDate"}
    assert (found["gender"], found["birthDate"]) == ("female", "1980")
    assert found["identifier"][0]["value"] == "S-001"


@pytest.mark.parametrize(
    ("parameters", "number"),
    [
        ({"identifier": "S-001"}, 1),
        ({"identifier": "urn:msc-icaht:subject-number:NCT07212335|S-001"}, 1),
        ({"identifier": "urn:other|S-001"}, 0),
        ({"gender": "male"}, 0),
        ({"_lastUpdated": "ge2020"}, 1),
        ({"_lastUpdated": "lt2020"}, 0),
    ],
)
async def test_searching_patients(api, subject, parameters, number):
    """Each parameter narrows as it says."""
    assert len(await search(api, "Patient", **parameters)) == number
    assert len(await search(api, "Patient", _id=subject, **parameters)) == number


async def test_what_part_a_subject_takes(api):
    """Status, arm and period follow from the records."""
    subject = await enrolled_subject(api)
    path = f"ResearchSubject/{subject['id']}"
    enrolled = await read(api, path)
    assert (enrolled["status"], enrolled["assignedArm"]) == ("on-study", "A")
    assert "actualArm" not in enrolled
    await infuse(api, subject, date(2026, 5, 20))
    treated = await read(api, path)
    assert (treated["status"], treated["actualArm"]) == ("on-study-observation", "A")
    assert treated["meta"]["versionId"] != enrolled["meta"]["versionId"]
    await leave(api, subject["id"], "withdrew_consent", NOW)
    gone = await read(api, path)
    assert (gone["status"], gone["period"]["end"]) == ("withdrawn", "2026-06-01")
    assert len(await search(api, "ResearchSubject", status="withdrawn")) == 1
    assert await search(api, "ResearchSubject", status="on-study") == []
    assert len(await search(api, "ResearchSubject", individual=f"Patient/{subject['id']}")) == 1


async def test_the_study(api):
    """The registry number is its id; its arms are the levels and the expansion."""
    found = await read(api, f"ResearchStudy/{STUDY}")
    assert [each["value"] for each in found["identifier"]] == [STUDY, "IIT2025028"]
    assert [each["name"] for each in found["arm"]] == ["A", "B", "C", "expansion"]
    assert (found["status"], found["contained"][0]["quantity"]) == ("active", 15)
    assert len(await search(api, "ResearchStudy", identifier="IIT2025028", status="active")) == 1
    assert await search(api, "ResearchStudy", status="completed") == []
    assert await search(api, "ResearchStudy", _id="NCT1") == []


@pytest.mark.parametrize(
    ("stopped", "on_hold", "recommended", "is_open", "status"),
    [
        (True, True, "stop_trial", True, "closed-to-accrual-and-intervention"),
        (False, True, "enrol", True, "temporarily-closed-to-accrual-and-intervention"),
        (False, False, "hold", True, "temporarily-closed-to-accrual"),
        (False, False, "declare_mtd", False, "closed-to-accrual"),
        (False, False, "enrol", True, "active"),
    ],
)
def test_where_a_study_stands(stopped, on_hold, recommended, is_open, status):
    """A stop, the committee's hold and a pause of enrolment are three words of R4."""
    summary = StudySummary(
        study_id=None, key=STUDY, title="", time_zone="UTC", registered_enrolment=15, subjects={},
        open_cohort=OpenCohort(dose_level="A", phase=None, slots_open_now=1) if is_open else None,
        recommendation=LadderAction(recommended), level=None, target_level=None, permitted=True,
        decisions=DecisionState(
            on_hold=on_hold, stopped=stopped, closed_levels=(), declared_mtd=None,
            expansion_level=None, proposal_open=False,
        ),
        study_day=None, protocol_version=1, protocol_digest="", as_of=NOW,
    )  # fmt: skip
    assert study_status(summary) == status


async def test_an_adverse_event(api, subject):
    """The grade stands beside R4's severity; the suspect is the infusion that came before."""
    await dose(api, subject)
    changes = {
        "causality": "unrelated",
        "causality_car_t": "possible",
        "seriousness": ["disability"],
    }
    event_id = await adverse_event(api, {"id": subject}, date(2026, 5, 10), **changes)
    found = await read(api, f"AdverseEvent/{event_id}")
    assert found["extension"][0]["valueInteger"] == 3
    assert found["severity"]["coding"][0]["code"] == "severe"
    assert found["seriousness"]["coding"][0]["code"] == "SeriousResultsInDisability"
    infusion, car_t = found["suspectEntity"]
    assert infusion["instance"]["identifier"]["value"] == "S-001/1"
    assert infusion["causality"][0]["assessment"] == {"text": "Unrelated"}
    assert car_t["causality"][0]["assessment"]["coding"][0]["code"] == "Possible"
    assert "narrative" not in str(found)


@pytest.mark.parametrize(
    ("parameters", "number"),
    [
        ({}, 1),
        ({"code": "infusion related reaction"}, 1),
        ({"event": "urn:msc-icaht:ctcae-term|Infusion related reaction"}, 1),
        ({"event": "http://snomed.info/sct|Infusion related reaction"}, 0),
        ({"code": "Fever"}, 0),
        ({"date": "2026-05-10"}, 1),
        ({"date": "lt2026-05-10"}, 0),
        ({"subject": "S-001"}, 1),
        ({"subject": "S-002"}, 0),
        ({"_lastUpdated": "ge2020"}, 1),
        ({"_lastUpdated": "lt2020"}, 0),
        ({"_id": "x"}, 0),
    ],
)
async def test_searching_adverse_events(api, subject, parameters, number):
    """Each parameter narrows as it says; a retracted event is found no more."""
    await adverse_event(api, {"id": subject}, date(2026, 5, 10), causality=None)
    retracted = await adverse_event(api, {"id": subject}, date(2026, 5, 10), retracted=True)
    assert len(await search(api, "AdverseEvent", **parameters)) == number
    assert issue(await api().get(f"{FHIR}/AdverseEvent/{retracted}"), 404)["code"] == "not-found"


async def test_an_event_before_any_infusion_suspects_the_product(api, subject):
    """Without an infusion begun before it there is none to refer to."""
    event_id = await adverse_event(api, {"id": subject}, date(2026, 5, 10))
    (suspect,) = (await read(api, f"AdverseEvent/{event_id}"))["suspectEntity"]
    assert suspect["instance"] == {"type": "Medication", "display": "Study treatment"}


async def test_who_is_in_several_studies_names_one(api, subject):
    """Without `study` nobody can tell which is meant; studies themselves are found in all."""
    await second_study(api)
    client = api(Role.ADMINISTRATOR)
    assert issue(await client.get(f"{FHIR}/Patient"), 422)["code"] == "processing"
    assert issue(await client.get(f"{FHIR}/Patient?study={STUDY}"), 403)["code"] == "forbidden"
    found = valid(await client.get(f"{FHIR}/ResearchStudy"))
    assert {each["resource"]["id"] for each in found["entry"]} == {STUDY, OTHER_STUDY}
    assert issue(await api().get(f"{FHIR}/ResearchStudy/{OTHER_STUDY}"), 404)["code"] == "not-found"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("Observation", Role.SPONSOR),
        ("Observation", Role.LABORATORY_SYSTEM),
        ("Patient", Role.LABORATORY_SYSTEM),
        ("Patient", Role.SAFETY_COMMITTEE),
        ("ResearchSubject", Role.CELL_LABORATORY),
        ("AdverseEvent", Role.SPONSOR),
        ("AdverseEvent", Role.ADMINISTRATOR),
    ],
)
async def test_each_role_reads_what_it_reads_elsewhere(api, labs, path, role):
    """403 for search and read alike, where the role matrix says no."""
    for address in (path, f"{path}/{labs['HGB']['id']}"):
        assert issue(await api(role).get(f"{FHIR}/{address}"), 403)["code"] == "forbidden"
