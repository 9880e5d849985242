"""Observations as sent results: exact digits, the sender's words, nothing interpreted."""

from decimal import Decimal

import pytest

from app.domain.interpretation import interpret
from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentCode, SentIdentifier
from app.interop.fhir.submissions import read_submission
from tests.conftest import NOW, STUDY
from tests.interop.fhir.samples import LOINC, concept, exact, neutrophils, quantity


def read(**changes):
    """Read the results of a changed neutrophil count."""
    return read_submission(exact(neutrophils(**changes)), STUDY).results


def read_one(**changes):
    """Read the only result of a changed neutrophil count."""
    (result,) = read(**changes)
    return result


def reasons(result):
    """Return why a result cannot be filed."""
    found = interpret(result, SenderProfile(), NOW).reasons
    return [reason.code for reason in found]


def test_everything_that_identifies_a_result_is_read():
    """Codes, specimen, times, status, range and subject arrive in the sender's words."""
    result = read_one(interpretation=[concept("L", "v3")])
    assert result.codes == (SentCode(code="751-8", system=LOINC),)
    assert result.patients == (SentIdentifier(value="S-001", authority=STUDY),)
    assert (result.accession, result.status, result.flags) == ("A-77", "final", ("L",))
    assert result.collected == "2026-05-20T09:00:00+08:00"
    assert result.stated == result.reported == "2026-05-20T11:00:00+08:00"
    assert not result.stated_by_message
    assert (result.low, result.high, result.unit) == ("1.8", "6.3", "10*9/L")
    assert reasons(result) == []


@pytest.mark.parametrize("digits", ["72.50", "0.10", "123456789.123456789123", "7", "1E+3"])
def test_numbers_keep_their_digits(digits):
    """What was written is what arrives: no binary float comes between."""
    document = neutrophils(valueQuantity=quantity("DIGITS"))
    document["valueQuantity"]["value"] = Decimal(digits)
    (result,) = read_submission(document, STUDY).results
    assert result.values == ((format(Decimal(digits), "f"),),)


@pytest.mark.parametrize(
    ("value", "value_type", "values", "unit"),
    [
        ({"valueQuantity": quantity(1, comparator="<")}, "SN", (("<", "1"),), "10*9/L"),
        ({"valueQuantity": {"value": 2, "unit": "G/L"}}, "NM", (("2",),), "G/L"),
        ({"valueQuantity": {"value": 2, "code": "g/L"}}, "NM", (("2",),), "g/L"),
        (
            {"valueQuantity": {"value": 2, "unit": "shown", "system": "UCUM", "code": "g/L"}},
            "NM", (("2",),), "g/L",
        ),
        ({"valueQuantity": {"value": "2.0", "unit": "g/L"}}, "NM", (("2.0",),), "g/L"),
        ({"valueString": " <0.5 "}, "ST", (("<0.5",),), ""),
        ({"valueInteger": 3}, "NM", (("3",),), ""),
        ({"valueBoolean": True}, "ST", (("true",),), ""),
        (
            {"valueCodeableConcept": concept("260385009", "http://snomed.info/sct")},
            "CWE", (("260385009", "", "http://snomed.info/sct"),), "",
        ),
        ({"valueCodeableConcept": {"text": "阴性"}}, "CWE", (("", "阴性", ""),), ""),
        (
            {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
            "SN", (("", "1", ":", "128"),), "",
        ),
        (
            {"valueRange": {"low": {"value": 1}, "high": {"value": 2}}},
            "SN", (("", "1", "-", "2"),), "",
        ),
        (
            {"valueRatio": {"numerator": quantity(5, "mg"), "denominator": quantity(1, "L")}},
            "TX", (("5 mg : 1 L",),), "",
        ),
        ({"valueDateTime": "2026-05-20"}, "TX", (("[valueDateTime]",),), ""),
        ({"dataAbsentReason": concept("not-performed", "dar")}, "ST", (("no result",),), ""),
        ({"dataAbsentReason": concept("as-text", "dar")}, "ST", (("as-text",),), ""),
        ({}, "", (), ""),
    ],
)  # fmt: skip
def test_every_kind_of_value(value, value_type, values, unit):
    """Each value[x] becomes the type, components and unit that HL7 v2 would have."""
    result = read_one(**{"valueQuantity": None, "referenceRange": None} | value)
    assert (result.value_type, result.values, result.unit) == (value_type, values, unit)


def test_two_values_are_two_repetitions():
    """R4 allows one value; nobody picks one of two, the interpretation sends it to a person."""
    result = read_one(valueString="1.3")
    assert result.values == (("1.2",), ("1.3",))
    assert reasons(result) == ["ambiguous_number"]
    listed = read_one(valueQuantity=[quantity(1), quantity(2)])
    assert listed.values == (("1",), ("2",))


def test_a_value_that_was_not_measured_is_without_value():
    """A final result with a reason for its absence says that there is no value."""
    missing = read_one(valueQuantity=None, dataAbsentReason=concept("unknown", "dar"))
    assert reasons(missing) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {"implicitRules": "urn:other-rules"},
        {"status": None},
        {"status": "finished"},
    ],
)
def test_what_may_mean_something_else_goes_to_a_person(changes):
    """A modifier that nobody here understands, or an unknown status, is never filed."""
    assert reasons(read_one(**changes)) == ["unknown_status"]


def test_components_are_results_of_a_panel():
    """Each component is a result under its own code; the panel names what they belong to."""
    components = [
        {"code": concept("718-7"), "valueQuantity": quantity(Decimal("9.8"), "g/dL")},
        {"code": concept("777-3"), "valueQuantity": quantity(45)},
        {"code": concept("x"), "modifierExtension": [{"url": "urn:x"}], "valueString": "1"},
    ]
    results = read(code=concept("58410-2"), valueQuantity=None, component=components)
    assert [result.codes[0].code for result in results] == ["718-7", "777-3", "x"]
    assert {result.panel.code for result in results} == {"58410-2"}
    assert {result.accession for result in results} == {"A-77"}
    assert [result.low for result in results] == ["", "", ""]
    assert [result.status for result in results] == ["final", "final", "modified"]
    with_own = read(component=components[:1])
    assert [result.codes[0].code for result in with_own] == ["751-8", "718-7"]


@pytest.mark.parametrize(
    ("ranges", "limits", "text"),
    [
        ([{"text": "1.8-6.3"}], ("", ""), "1.8-6.3"),
        ([{"low": {"value": 1}}, {"low": {"value": 2}}], ("", ""), "1 - ; 2 -"),
        ([{"low": {"value": 1}}, {}], ("1", ""), "1 -"),
        (
            [{"high": quantity(9, "g/dL"), "text": "to 9"}],
            ("", ""), "- 9 g/dL to 9",
        ),
        (
            [{"type": concept("therapeutic", "t"), "low": quantity(1), "high": quantity(2)}],
            ("", ""), "therapeutic 1 10*9/L - 2 10*9/L",
        ),
        ([{"type": concept("normal", "t"), "high": quantity(2)}], ("", "2"), "- 2 10*9/L"),
    ],
)  # fmt: skip
def test_only_the_one_normal_range_in_the_unit_of_the_value_limits(ranges, limits, text):
    """Several ranges, a treatment target or other units stay text: no limit is guessed."""
    result = read_one(referenceRange=ranges)
    assert ((result.low, result.high), result.reference_range.strip()) == (limits, text)
    if limits == ("", "") and text != "1.8-6.3":
        original = interpret(result, SenderProfile(), NOW).result
        assert (original.lln, original.uln) == (None, None)


@pytest.mark.parametrize(
    ("changes", "collected"),
    [
        ({"effectiveDateTime": "2026-05-20"}, "2026-05-20"),
        (
            {"effectiveDateTime": None, "effectiveInstant": "2026-05-20T01:00:00Z"},
            "2026-05-20T01:00:00Z",
        ),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2026-05-20"}}, "2026-05-20"),
        ({"effectiveDateTime": None, "effectivePeriod": {"end": "2026-05-21"}}, "2026-05-21"),
        (
            {
                "effectiveDateTime": None,
                "specimen": {"reference": "#s"},
                "contained": [
                    {
                        "resourceType": "Specimen",
                        "id": "s",
                        "accessionIdentifier": {"value": "A-78"},
                        "collection": {"collectedDateTime": "2026-05-19"},
                    }
                ],
            },
            "2026-05-19",
        ),
        ({"effectiveDateTime": None}, ""),
    ],
)
def test_the_time_of_collection(changes, collected):
    """It is the effective time, or else what the specimen says; without any nobody invents one."""
    result = read_one(**changes)
    assert result.collected == collected
    assert result.accession == ("A-78" if "contained" in changes else "A-77")


@pytest.mark.parametrize(
    ("changes", "accession"),
    [
        ({"specimen": {"reference": "Specimen/sp-9"}}, "sp-9"),
        ({"specimen": None, "basedOn": [{"identifier": {"value": "O-1"}}]}, "O-1"),
        ({"specimen": {"reference": "http://elsewhere/Specimen/1"}}, ""),
        (
            {
                "specimen": {"reference": "#made-for-this-message"},
                "contained": [{"resourceType": "Specimen", "id": "made-for-this-message"}],
            },
            "",
        ),
        ({"specimen": None}, ""),
    ],
)
def test_what_names_the_specimen(changes, accession):
    """An identifier, the sender's id of the specimen, or the order; never its address elsewhere."""
    assert read_one(**changes).accession == accession


def test_a_text_stands_in_for_a_missing_code():
    """A code without a system of its own can still be mapped by a person."""
    assert read_one(code={"text": "Neutrophile"}).codes == (
        SentCode(code="Neutrophile", text="Neutrophile"),
    )
    assert read_one(code="751-8").codes == ()


@pytest.mark.parametrize(
    ("changes", "stated", "by_message"),
    [
        (
            {"issued": None, "meta": {"lastUpdated": "2026-05-20T05:00:00Z"}},
            "2026-05-20T05:00:00Z",
            False,
        ),
        ({"issued": None}, "", True),
    ],
)
def test_when_the_sender_said_so(changes, stated, by_message):
    """Without a time of issue the sender's last update counts, else only the message's own time."""
    result = read_one(**changes)
    assert (result.stated, result.stated_by_message) == (stated, by_message)
