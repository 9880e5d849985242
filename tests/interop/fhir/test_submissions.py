"""Submissions: who the patient is, what reports and panels add, what is not taken."""

import pytest

from app.domain.sent_results import SentIdentifier
from app.interop.fhir.refusals import Refusal
from app.interop.fhir.submissions import SubmissionKind, read_submission
from tests.conftest import STUDY
from tests.interop.fhir.samples import (
    MRN,
    NUMBERS,
    bundle,
    concept,
    entry,
    exact,
    message,
    neutrophils,
    patient,
    platelets,
)

HOSPITAL = SentIdentifier(value="MRN-77", authority=MRN, kind="MR")
OTHER = SentIdentifier(value="7", authority=MRN)
NUMBER = SentIdentifier(value="S-001", authority=STUDY)


def read(document):
    """Read a submission to the study."""
    return read_submission(exact(document), STUDY)


def patients(observation, *entries):
    """Return who the patient of a sent observation is, beside further entries of its bundle."""
    return read(message(*entries, observation)).results[0].patients


def code(refusal):
    """Return the code of a refusal's first issue."""
    return refusal.value.issues[0].code


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ({"reference": "Patient/p1"}, (HOSPITAL,)),
        ({"reference": "Patient/p1/_history/3"}, (HOSPITAL,)),
        (
            {"identifier": {"system": MRN, "value": "7"}},
            (SentIdentifier(value="7", authority=MRN),),
        ),
        ({"identifier": {"system": NUMBERS, "value": "S-001"}}, (NUMBER,)),
        ({"identifier": {"system": STUDY, "value": "S-001"}}, (NUMBER,)),
        ({"reference": "Patient/S-001"}, (NUMBER,)),
        ({"reference": f"Patient?identifier={MRN}|7"}, (OTHER,)),
        ({"reference": "http://elsewhere.example/Patient/S-001"}, ()),
        ({"reference": "Group/S-001"}, ()),
        ({"display": "S-001"}, ()),
        (None, ()),
    ],
)
def test_the_patient_is_named_never_fetched(subject, found):
    """By a resource sent along, an identifier, or a subject of ours; no address is followed."""
    assert patients(neutrophils(subject=subject), patient()) == found


def test_a_contained_patient_and_a_full_url_are_found():
    """References resolve within the resource and by the full URL of an entry."""
    inner = neutrophils(subject={"reference": "#p1"}, contained=[patient()])
    assert read(inner).results[0].patients == (HOSPITAL,)
    placed = {"resource": patient(id_=""), "fullUrl": "urn:uuid:1"}
    outer = {"resource": neutrophils(subject={"reference": "urn:uuid:1"})}
    document = message()
    document["entry"] += [placed, outer]
    assert read(document).results[0].patients == (HOSPITAL,)


def test_an_ambiguous_reference_finds_nobody():
    """Two patients under one id are no patient: it might be the wrong one."""
    two = patient(), patient(number="MRN-78")
    assert patients(neutrophils(subject={"reference": "Patient/p1"}), *two) == ()


def test_identifiers_of_former_use_do_not_count():
    """A number marked as old may belong to somebody else by now."""
    person = patient()
    person["identifier"].append({"use": "old", "value": "MRN-1"})
    assert patients(neutrophils(subject={"reference": "Patient/p1"}), person) == (HOSPITAL,)


def report(**changes):
    """Return a DiagnosticReport with a contained blood count."""
    contained = [
        neutrophils(id="o1", specimen=None, subject=None, issued=None, effectiveDateTime=None),
        platelets(id="o2", specimen=None, subject=None, issued=None),
    ]
    return {
        "resourceType": "DiagnosticReport",
        "identifier": [{"value": "REP-1"}],
        "status": "final",
        "code": concept("58410-2"),
        "subject": {"reference": "Patient/S-001"},
        "effectiveDateTime": "2026-05-20T08:00:00+08:00",
        "issued": "2026-05-20T12:00:00+08:00",
        "contained": contained,
        "result": [{"reference": "#o1"}, {"reference": "#o2"}],
    } | changes


def test_a_report_speaks_for_its_results():
    """Accession, panel, subject and times come from the report where a result has none."""
    first, second = read(report()).results
    assert (first.accession, first.panel.code, first.patients) == ("REP-1", "58410-2", (NUMBER,))
    assert first.collected == "2026-05-20T08:00:00+08:00"
    assert second.collected == "2026-05-20T09:00:00+08:00"
    assert (first.stated, first.stated_by_message) == ("2026-05-20T12:00:00+08:00", False)


def test_a_withdrawn_report_makes_its_results_a_question():
    """Nobody files a final result out of a report that was entered in error."""
    statuses = [result.status for result in read(report(status="entered-in-error")).results]
    assert statuses == ["final in a report entered-in-error"] * 2


def test_contained_observations_count_even_if_the_report_does_not_name_them():
    """What was sent is read, linked or not."""
    found = read(report(result=[]))
    assert len(found.results) == 2
    assert found.complete


def test_linked_observations_of_a_bundle_get_the_reports_accession():
    """A report in a bundle speaks for the entries that it names, wherever they stand."""
    linked = report(contained=[], result=[{"reference": "Observation/o1"}])
    observation = neutrophils(id="o1", specimen=None)
    for resources in ((observation, linked), (linked, observation)):
        (result,) = read(message(*resources)).results
        assert (result.accession, result.panel.code) == ("REP-1", "58410-2")


def test_a_panel_is_no_result_and_names_its_members():
    """An Observation that only groups others is left out; its members inherit what it knows."""
    panel = neutrophils(
        id="p", code=concept("58410-2"), valueQuantity=None, referenceRange=None,
        hasMember=[{"reference": "Observation/o1"}],
    )  # fmt: skip
    member = neutrophils(id="o1", specimen=None, subject=None)
    found = read(message(member, panel))
    (result,) = found.results
    assert (result.panel.code, result.accession, result.patients) == ("58410-2", "A-77", (NUMBER,))
    assert found.complete
    with_report = read(
        message(member, panel, report(contained=[], result=[{"reference": "Observation/o1"}]))
    )
    (result,) = with_report.results
    assert (result.panel.code, result.accession) == ("58410-2", "REP-1")


def test_the_messages_time_stands_in():
    """Without any time of issue the bundle's own time is marked as such."""
    (result,) = read(message(neutrophils(issued=None))).results
    assert (result.stated, result.stated_by_message) == ("2026-05-20T12:00:00+08:00", True)


def test_a_message_is_known_by_its_identifier_or_header():
    """The control id is the bundle's identifier, else the header's id."""
    assert read(message(neutrophils())).control_id == "m-1"
    assert read(message(identifier={"value": "B-1"})).control_id == "B-1"
    assert read(bundle(entry(neutrophils()))).control_id is None


def asked(method, url, **more):
    """Return an entry with the neutrophils `a` and any request."""
    return {"resource": neutrophils(id="a"), "request": {"method": method, "url": url} | more}


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (entry(patient()), "not-supported"),
        (asked("DELETE", "Observation/a"), "not-supported"),
        (asked("PUT", "Observation/a", ifMatch='W/"1"'), "not-supported"),
        ({"resource": neutrophils()}, "not-supported"),
        (None, "not-supported"),
        (asked("POST", "Patient"), "value"),
        (asked("PUT", "Observation/b"), "value"),
        (asked("PUT", "Observation"), "value"),
        ({"request": {"method": "POST", "url": "Observation"}}, "structure"),
    ],
)
def test_an_entry_that_cannot_be_taken_says_why(sent, problem):
    """The other entries keep their places, and nothing of it is among the results."""
    found = read(bundle(entry(platelets()), sent, entry(neutrophils(id="c"), "PUT")))
    first, second, third = found.entries
    assert (first.positions, second.positions, third.positions) == ((0,), (), (1,))
    assert second.problem.code == problem
    assert found.complete


def test_a_nested_bundle_is_noticed():
    """Plain search finds an Observation that was not read, so the message waits as a whole."""
    found = read(message(bundle(entry(neutrophils()))))
    assert found.results == ()
    assert not found.complete


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "structure"),
        ({}, "structure"),
        ({"resourceType": "Patient"}, "not-supported"),
        (bundle(type_="collection"), "value"),
        (bundle(type_=None), "value"),
        (bundle(type_="resource"), "value"),
        (bundle(entry(neutrophils()), type_="message"), "structure"),
        (bundle(type_="message"), "structure"),
        (bundle(*[{}] * 500), "too-costly"),
        (neutrophils(component=[{}] * 1001), "too-costly"),
    ],
)
def test_what_no_result_can_be_read_from(document, expected):
    """Each is refused with a code of its own."""
    with pytest.raises(Refusal) as refusal:
        read(document)
    assert code(refusal) == expected


def test_a_bundle_of_499_entries_is_read():
    """The limit is what the refusal names."""
    found = read(bundle(*[entry(neutrophils())] * 499))
    assert (len(found.results), found.kind) == (499, SubmissionKind.BATCH)


TEST = {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}


@pytest.mark.parametrize(
    ("document", "statuses"),
    [
        (neutrophils(meta=TEST), ["test data"]),
        (bundle(entry(neutrophils(meta=TEST)), entry(platelets())), ["test data", "final"]),
        (bundle(entry(neutrophils()), meta={"security": TEST["tag"]}), ["test data"]),
        (report(meta=TEST), ["final in a report test data"] * 2),
    ],
)
def test_test_data_are_never_taken_at_their_word(document, statuses):
    """What is marked as a test (HTEST) has a status that no profile files."""
    assert [result.status for result in read(document).results] == statuses


def test_a_message_marked_in_its_header_is_a_test():
    """The header speaks for the whole message."""
    document = message(neutrophils())
    document["entry"][0]["resource"]["meta"] = TEST
    assert [result.status for result in read(document).results] == ["test data"]
