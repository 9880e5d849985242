"""Fields become the parts of a result, by the sender's profile and never by guessing."""

import pytest

from app.domain.sent_results import SentCode, SentIdentifier
from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.reads import result, results
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid, segment, spm


def of(**fields: str):
    """Read the result of a message whose OBX has the given fields, such as f5."""
    numbered = {int(name[1:]): value for name, value in fields.items()}
    return result(message(msh(), pid(), obr(), obx(fields=numbered)))


def accession(fields: dict[int, str], specimen: str = "", *, positions: tuple[str, ...]) -> str:
    """Read the accession of a result by a profile that looks at the given positions."""
    lines = [msh(), pid(), obr("", fields), *([spm(specimen)] if specimen else []), obx()]
    return result(message(*lines), accession_fields=positions).accession


def test_a_whole_blood_count_is_read():
    """Every part of a generic laboratory's results is where it belongs."""
    found = results(samples.generic_cbc())
    assert [each.codes[0].code for each in found] == ["6690-2", "751-8", "718-7", "777-3"]
    hemoglobin = found[2]
    assert hemoglobin.codes == (SentCode(code="718-7", system="LN", text="Hemoglobin"),)
    assert hemoglobin.panel == SentCode(code="58410-2", system="LN", text="CBC panel")
    assert hemoglobin.patients == (
        SentIdentifier(value="S-001", authority="NCT07212335", kind="MR"),
    )
    assert (hemoglobin.value_type, hemoglobin.values, hemoglobin.unit) == ("NM", (("92",),), "g/L")
    assert (hemoglobin.reference_range, hemoglobin.flags) == ("115-150", ("L",))
    assert (hemoglobin.status, hemoglobin.accession) == ("F", samples.ACCESSION)
    assert hemoglobin.collected == samples.COLLECTED
    assert (hemoglobin.reported, hemoglobin.stated) == (samples.REPORTED, samples.REPORTED)
    assert not hemoglobin.stated_by_message


@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
def test_a_chinese_laboratory_is_read_by_its_profile(charset):
    """Barcode in a subcomponent, unit in the second component, abbreviation as alternate code."""
    found = results(
        samples.chinese_oul(charset=charset), unit_component=2, accession_fields=("SPM-2",)
    )
    creatinine, urea, blood = found
    assert creatinine.codes == (SentCode(code="0301030", text="*肌酐"), SentCode(code="CREA"))
    assert (creatinine.unit, urea.unit, blood.unit) == ("μmol/L", "mmol/L", "")
    assert {each.accession for each in found} == {samples.ACCESSION}
    assert (creatinine.reference_range, creatinine.flags) == ("轻：41-81", ("M",))
    assert blood.values == (("阴性（-）",),)
    assert blood.codes[0].text == f"隐血{samples.TRAPS}"
    assert [(each.value, each.kind) for each in creatinine.patients] == [
        ("S-001", "21"),
        ("990000000000000000", "1"),
        ("K0001", "25"),
    ]


def test_an_old_chinese_laboratory_is_read_by_its_profile():
    """Sample number in OBR-2.3; OBX-11 is passed on as it is, for the profile to say."""
    found = results(samples.old_chinese_oul(), accession_fields=("OBR-2.3",))
    assert {each.accession for each in found} == {samples.ACCESSION}
    assert [each.status for each in found] == ["0", "1", ""]
    assert [each.unit for each in found] == ["umol/L", "mg/dL", ""]
    assert found[0].codes[1] == SentCode(code="", text="CREA")
    assert found[0].stated_by_message


def test_an_analyzer_is_read_where_its_feed_is_allowed():
    """Quality control goes through only for a sender that is not in production."""
    found = results(samples.analyzer_quality_control(), processing_id="Q")
    assert [each.patients for each in found] == [(), ()]
    assert found[0].flags == ("H", "N")


@pytest.mark.parametrize(
    ("field", "component", "unit"),
    [
        ("10*9/L", 1, "10*9/L"),
        ("^umol/L", 1, "umol/L"),
        ("^μmol/L", 2, "μmol/L"),
        ("g/L^gram per liter^UCUM", 1, "g/L"),
        ("g/L^gram per liter^UCUM", 2, "gram per liter"),
        ("g/L", 2, "g/L"),
        ("10^9/L", 1, "10^9/L"),
        ("x10^9/L", 2, "x10^9/L"),
        ("10^12/L^^", 1, "10^12/L"),
        ("10^ten", 1, "10^ten"),
        ("^10^9/L", 1, "10^9/L"),
        ("^10^9/L", 2, "10^9/L"),
        ("^^10^9/L", 3, "10^9/L"),
        ("^x10^9/L^99", 2, "x10^9/L"),
        ("^10 ^ 9/L", 2, "10^9/L"),
        ("x10^9/L^x10^6/L^99", 2, "x10^6/L"),
        ("10*^9/L", 1, "10*^9/L"),
        ("10^9", 1, "10^9"),
        ("g^10^9/L^UCUM", 3, "UCUM"),
        ("^^10^9/L", 2, "^^10^9/L"),
        ("^10^9^/L", 2, "10^9"),
        ("^10^/L", 2, "^10^/L"),
        ("9/L^count", 1, "9/L^count"),
        ("1^no unit^UCUM", 1, "1"),
        ("%^percent^UCUM", 1, "%"),
        ('""', 1, ""),
        ('""^umol/L', 1, "umol/L"),
        ("", 1, ""),
        ("mg/dL~mmol/L", 1, "mg/dL~mmol/L"),
        ("a&b", 1, "a&b"),
    ],
)
def test_the_unit_comes_from_its_component(field, component, unit):
    """The other component stands in for an empty one; an unescaped power of ten stays whole."""
    raw = samples.one_result(unit=field)
    assert result(raw, unit_component=component).unit == unit


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("98", (("98",),)),
        ("", ()),
        (">^182", ((">", "182"),)),
        ("^182", (("", "182"),)),
        ("27~25", (("27",), ("25",))),
        ("260385009^Negative^SCT", (("260385009", "Negative", "SCT"),)),
        ('""', (('""',),)),
        (r"a\.br\b", (("a\nb",),)),
        (" .2", ((" .2",),)),
        ("9&9", (("9&9",),)),
    ],
)
def test_values_keep_their_repetitions_and_components(field, values):
    """No value is averaged, shortened or understood here."""
    assert of(f5=field).values == values


@pytest.mark.parametrize(
    ("field", "status"),
    [("F", "F"), ("F ", "F"), ("C^corrected^HL70085", "C"), ("", ""), ("F~C", "F~C"), ('""', "")],
)
def test_the_status_is_the_first_component(field, status):
    """A coded element, a blank after it; two statuses are no status that anybody knows."""
    assert of(f11=field).status == status


@pytest.mark.parametrize(
    ("field", "flags"),
    [("H~N", ("H", "N")), ("A^Abnormal^HL70078", ("A",)), ("", ()), ("~H", ("H",))],
)
def test_flags_repeat(field, flags):
    """OBX-8 repeats in analyzers and is coded elsewhere."""
    assert of(f8=field).flags == flags


@pytest.mark.parametrize(
    "field", ["70_105", "[ < 9 ]", "轻：31-49，重：>49", "9&9", "3.5^9.5", "a~b"]
)
def test_the_range_is_one_text(field):
    """OBX-7 is passed on whole, whatever stands in it."""
    assert of(f7=field).reference_range == field


@pytest.mark.parametrize(
    ("field", "codes"),
    [
        ("L1", [("L1", "", "")]),
        ("L1^Name^L^718-7^Hemoglobin^LN", [("L1", "Name", "L"), ("718-7", "Hemoglobin", "LN")]),
        ("^^^718-7^Hemoglobin^LN", [("718-7", "Hemoglobin", "LN")]),
        ("L1^Name^L^HGB", [("L1", "Name", "L"), ("HGB", "", "")]),
        ("L1^Name^L^^HGB", [("L1", "Name", "L"), ("", "HGB", "")]),
        ("A^^L~B^^L", [("A", "", "L"), ("B", "", "L")]),
        ("^^LN", []),
        ("", []),
    ],
)
def test_codes_are_the_main_and_the_alternate_one(field, codes):
    """Each with its own system, so that a system's name is never taken for a code."""
    assert [(each.code, each.text, each.system) for each in of(f3=field).codes] == codes


def test_type_and_sub_id_are_passed_on():
    """OBX-2 is a hint of one word; OBX-4 tells repeated observations apart."""
    assert (of(f2="CWE^^HL70125").value_type, of(f2="").value_type) == ("CWE", "")
    assert of(f4="1.2").sub_id == "1.2"


@pytest.mark.parametrize(
    ("fields", "specimen", "positions", "number"),
    [
        ({3: "A1^LIS"}, "", ("OBR-3",), "A1"),
        ({3: "", 2: "P1"}, "", ("OBR-3", "OBR-2"), "P1"),
        ({2: "^^B1"}, "", ("OBR-2.3",), "B1"),
        ({2: "^^B1"}, "", ("OBR-2",), "B1"),
        ({}, "&&B1", ("SPM-2",), "B1"),
        ({}, "S1&LIS^F1&LAB", ("SPM-2",), "S1"),
        ({}, "^F1&LAB", ("SPM-2",), "F1"),
        ({}, "^F1&LAB", ("SPM-2.2",), "F1"),
        ({}, "A&B&C", ("SPM-2.1.3",), "C"),
        ({}, "A&B", ("SPM-2.1.3",), ""),
        ({3: '""', 2: "P1"}, "", ("OBR-3", "OBR-2"), "P1"),
        ({3: "A1~A2"}, "", ("OBR-3",), "A1"),
        ({3: "A1"}, "", ("ZZZ-9", "OBR", "OBR-0", "OBR-3.0"), ""),
        ({3: "A1"}, "", ("OBR-99", "SPM-2", "OBR-3"), "A1"),
    ],
)
def test_the_accession_is_where_the_profile_says(fields, specimen, positions, number):
    """First position that holds a number; subcomponents as some laboratories use them."""
    assert accession(fields, specimen, positions=positions) == number


@pytest.mark.parametrize("field", ["^LIS", "^LIS^1.2.3^ISO", "^^1.2.3^ISO", "&LIS&1.2.3&ISO"])
def test_the_name_of_a_laboratory_is_no_accession(field):
    """It is the same for every specimen, so that all would count as one."""
    assert accession({3: field}, positions=("OBR-3",)) == ""


def test_an_accession_may_be_in_the_result_itself():
    """Any field of OBX, OBR or SPM can be named."""
    raw = message(msh(), pid(), obr(), obx(fields={4: "ACC-9"}))
    assert result(raw, accession_fields=("OBX-4",)).accession == "ACC-9"


@pytest.mark.parametrize(
    ("specimen", "order", "own", "collected"),
    [
        ("20260601", "20260602", "20260603", "20260601"),
        ("20260601^20260609", "20260602", "20260603", "20260601"),
        ("", "20260602^M", "20260603", "20260602"),
        ("", '""', "20260603", "20260603"),
        ("", "", "", ""),
    ],
)
def test_the_collection_time_comes_from_the_first_place_that_has_one(
    specimen, order, own, collected
):
    """SPM-17 (its begin), OBR-7, OBX-14, unless the profile orders them otherwise."""
    raw = message(
        msh(), pid(), obr(fields={7: order}), spm(collected=specimen), obx(fields={14: own})
    )
    assert result(raw).collected == collected
    assert result(raw, collection_fields=("OBX-14",)).collected == own


@pytest.mark.parametrize(
    ("field", "identifiers"),
    [
        ("123", [("123", "", "")]),
        ("123^^^HOSP&1.2.3&ISO^MR", [("123", "HOSP", "MR")]),
        ("123^^^&1.2.3&ISO^MR", [("123", "1.2.3", "MR")]),
        ("^^^HOSP^MR~456^^^HOSP^PI", [("456", "HOSP", "PI")]),
        ('""', []),
        ("", []),
    ],
)
def test_identifiers_are_all_repetitions_of_pid_3(field, identifiers):
    """Value, assigning authority and type; those without a value are none."""
    raw = message(msh(), segment("PID", {1: "1", 3: field}), obr(), obx())
    found = result(raw).patients
    assert [(each.value, each.authority, each.kind) for each in found] == identifiers


@pytest.mark.parametrize(
    ("version", "fields", "values"),
    [
        ("2.2", {2: "OLD-1"}, ["OLD-1"]),
        ("2.3.1", {2: "OLD-1^^^H^PI"}, ["OLD-1"]),
        ("2.3", {2: "OLD-1", 3: "NEW-1"}, ["NEW-1"]),
        ("2.5.1", {2: "OLD-1"}, []),
        ("2.5^^", {2: "OLD-1"}, []),
    ],
)
def test_old_versions_may_have_the_number_in_pid_2(version, fields, values):
    """Only there, and only when PID-3 says nothing."""
    raw = message(msh(fields={12: version}), segment("PID", fields), obr(), obx())
    assert [each.value for each in result(raw).patients] == values


def test_a_result_without_any_field_is_a_result():
    """An empty OBX is kept, so that somebody sees it."""
    found = result(message(msh(), pid(), obr(), "OBX"))
    assert (found.codes, found.values, found.status, found.unit) == ((), (), "", "")
