"""Interpretation: what a sent result says, or every reason why nobody can be sure."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain.quantities import Comparator
from app.domain.reported_results import CanonicalNumbers, OriginalText, canonical_numbers
from app.domain.reported_results import known_analyte as known
from app.domain.sender_profile import SenderProfile, StatusMeaning, UnitMapping, ValueWord
from app.domain.vocabulary import Finding, LabStatus
from tests.domain.sent_cases import HBSAG, HEMOGLOBIN, PLATELETS, loinc, read, reasons

CREATININE, CMV, INR, ANC = loinc("2160-0"), loinc("72493-0"), loinc("6301-6"), loinc("751-8")


def canonical(found):
    """Return the numbers under which an interpretation is filed."""
    return canonical_numbers(known(found.result.analyte), found.result)


def test_a_plain_result():
    """A number keeps the sender's unit and digits, and its words letter for letter."""
    found = read("10.20", unit=" g/dl ", reference_range="13.0 - 17.5", accession=" A-7 ")
    assert (found.analyte, found.meaning, found.accession) == ("HGB", StatusMeaning.FINAL, "A-7")
    result = found.result
    assert (str(result.value), result.comparator, result.unit) == ("10.20", None, "g/dL")
    assert (result.lln, result.uln) == (Decimal("13.0"), Decimal("17.5"))
    assert result.status is LabStatus.FINAL
    assert found.original == OriginalText(value="10.20", unit=" g/dl ", lln="13.0", uln="17.5")
    assert canonical(found) == CanonicalNumbers(
        value=Decimal(102), unit="g/L", lln=Decimal(130), uln=Decimal(175)
    )
    assert found.reasons == ()


def test_a_bound_in_components():
    """A structured bound stays a bound, and its components are kept as HL7 writes them."""
    found = read(code=CMV, value_type="SN", values=(("<", "500"),), unit="IU/ml")
    assert (found.result.value, found.result.comparator) == (Decimal(500), Comparator.LT)
    assert found.original.value == "<^500"


def test_a_finding():
    """A finding has no unit and no limits, whatever stands in those fields."""
    found = read("阴性（-）", HBSAG, value_type="ST", unit="IU/mL", reference_range="0-0.05")
    assert found.result.finding is Finding.NEGATIVE
    assert canonical(found) == CanonicalNumbers()
    assert found.original == OriginalText(value="阴性（-）", unit="IU/mL", lln="0", uln="0.05")


def test_every_doubt_is_told():
    """A person sees all that is wrong at once, each in a sentence without the value."""
    found = read("1,234", loinc("0-0"), unit="?", status="", collected="202605")
    assert [each.code for each in found.reasons] == [
        "unmapped_code", "unknown_status", "ambiguous_number", "collection_time",
    ]  # fmt: skip
    assert all(each.message.endswith(".") for each in found.reasons)
    assert not any("1,234" in each.message or "202605" in each.message for each in found.reasons)
    assert (found.analyte, found.meaning, found.result, found.precision) == (None,) * 4
    assert found.original.value == "1,234"


@pytest.mark.parametrize(
    ("value", "code", "unit", "expected"),
    [
        ("12.5", HEMOGLOBIN, "g/mL", "unknown_unit"),
        ("102", HEMOGLOBIN, "g/dL", "implausible_value"),
        ("10.2", HEMOGLOBIN, "g/L", "implausible_value"),
        ("-5", PLATELETS, "10*9/L", "implausible_value"),
        ("102", HEMOGLOBIN, "", "unknown_unit"),
        ("102", HEMOGLOBIN, "mmol/L", "unknown_unit"),
        ("1.2", ANC, "%", "unknown_unit"),
        ("0.02", HBSAG, "", "content_mismatch"),
        ("positive", PLATELETS, "10*9/L", "content_mismatch"),
        ("1.1234567891", ANC, "10*9/L", "unreadable_value"),
        ("1e39", CMV, "IU/mL", "unreadable_value"),
        ("1e60", CMV, "IU/mL", "unreadable_value"),
        ("9" * 5000, CMV, "IU/mL", "unreadable_value"),
        ("", HEMOGLOBIN, "g/L", "unreadable_value"),
        ("102 g/L", HEMOGLOBIN, "g/L", "unreadable_value"),
        ("yellow", HBSAG, "", "unreadable_value"),
    ],
)
def test_content_that_cannot_be_filed(value, code, unit, expected):
    """A slip of the unit, another kind of content or too many digits wait for a person."""
    assert reasons(value, code, unit=unit) == [expected]


def test_a_text_in_the_place_of_a_count_is_of_another_kind():
    """A valid code with a description of the cells is told from a number that is misspelt."""
    assert reasons("large forms seen", PLATELETS) == ["unreadable_value", "content_mismatch"]
    assert reasons("1O2", PLATELETS) == ["unreadable_value"]
    assert reasons("large forms", loinc("0-0")) == ["unmapped_code", "unreadable_value"]


@pytest.mark.parametrize(
    ("word", "meaning", "status"),
    [
        ("F", "final", "final"), ("V", "final", "final"), ("F ", "final", "final"),
        ("C", "corrected", "corrected"), ("A", "amended", "amended"),
        ("P", "preliminary", "preliminary"), ("R", "preliminary", "preliminary"),
        ("S", "preliminary", "preliminary"), ("U", "promoted", "final"),
        ("final", "final", "final"), ("amended", "amended", "amended"),
    ],
)  # fmt: skip
def test_statuses_with_content(word, meaning, status):
    """The status words of HL7 and FHIR; a promotion may say its content anew."""
    found = read(status=word)
    assert (found.meaning.value, found.result.status.value) == (meaning, status)
    assert found.result.value == 102


@pytest.mark.parametrize(
    ("word", "meaning", "status"),
    [
        ("D", "withdrawn", "entered_in_error"), ("W", "wrong_patient", "entered_in_error"),
        ("X", "without_value", "cancelled"), ("I", "not_yet", "cancelled"),
        ("N", "not_yet", "cancelled"), ("O", "not_yet", "cancelled"),
        ("entered-in-error", "withdrawn", "entered_in_error"),
        ("cancelled", "without_value", "cancelled"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["102", "1,234", "see comment", ""])
def test_tombstones_and_results_without_value_ignore_the_value(word, meaning, status, value):
    """Whatever stands in the place of the value is kept as text and counts for nothing."""
    found = read(value, status=word, unit="?")
    assert (found.meaning.value, found.result.status.value) == (meaning, status)
    assert canonical(found) == CanonicalNumbers()
    assert (found.original.value, found.original.unit) == (value or None, "?")


@pytest.mark.parametrize("status", ["F", "C", "P", "U"])
@pytest.mark.parametrize("word", ["cancelled", "QNS", "TNTC", "标本溶血"])
def test_a_word_for_no_value_makes_a_result_without_value(status, word):
    """A cancelled measurement is no number, under whatever status and for whatever analyte."""
    found = read(word, status=status)
    assert found.meaning is StatusMeaning.WITHOUT_VALUE
    assert found.result.status is LabStatus.CANCELLED
    assert found.original.value == word


def test_a_word_for_no_value_does_not_guess_the_status():
    """An unknown status stays unknown."""
    assert read("QNS", status="1").meaning is None
    assert reasons("QNS", status="1") == ["unknown_status"]


@pytest.mark.parametrize("values", [(), (("",),), (('""',),)])
def test_a_promotion_needs_no_content(values):
    """What was preliminary becomes final as it was said; any other status needs a value."""
    found = read(values=values, status="U")
    assert (found.meaning, found.result.status) == (StatusMeaning.PROMOTED, LabStatus.FINAL)
    assert found.result.value is found.result.finding is None
    assert found.promotes
    for status in ("F", "C", "A", "P", "9"):
        assert "unreadable_value" in reasons(values=values, status=status)


def test_only_a_promotion_without_content_promotes():
    """One that says its value anew is a statement of its own, as is any other status."""
    assert not read("102", status="U").promotes
    assert not read("102", status="F").promotes
    assert not read("", HBSAG, status="F").promotes


@pytest.mark.parametrize("word", ["", "0", "1", "f", "B", "unknown", '""'])
def test_other_statuses_are_unknown_until_the_profile_tells(word):
    """Old systems put an abnormality there; a blank is not `final` unless the profile says so."""
    assert reasons(status=word) == ["unknown_status"]
    profile = SenderProfile(statuses={word.strip('"'): StatusMeaning.PRELIMINARY})
    assert read(status=word, profile=profile).result.status is LabStatus.PRELIMINARY


def test_the_profile_decides_before_the_general_words():
    """A sender may mean something else by a word of HL7."""
    profile = SenderProfile(statuses={"F": StatusMeaning.PRELIMINARY})
    assert read(profile=profile).result.status is LabStatus.PRELIMINARY


def test_units_of_the_profile():
    """A sender's own text stands for a unit of one analyte, blanks and widths aside."""
    profile = SenderProfile(
        units=(
            UnitMapping(analyte="PLT", text="109/L", unit="10*9/L"),
            UnitMapping(analyte="CREA", text="", unit="umol/L"),
        )
    )
    assert read("98", PLATELETS, profile, unit="１０9 / L").result.unit == "10*9/L"
    assert read("98", CREATININE, profile, unit='""').result.unit == "umol/L"
    assert reasons("1.2", ANC, profile, unit="109/L") == ["unknown_unit"]
    assert reasons("98", PLATELETS, profile, unit="") == ["unknown_unit"]


def test_a_quantity_without_unit():
    """A ratio has no unit, so that a blank one is known."""
    found = read("1.2", INR, unit="")
    assert found.result.unit is None
    assert canonical(found).unit == "1"


def test_value_and_range_share_their_factor():
    """Creatinine keeps its place in its range; the original texts stay beside it."""
    found = read("1.2", CREATININE, unit="MG/DL", reference_range="[ 0.6 - 1.2 ]")
    numbers = canonical(found)
    assert numbers.value == numbers.uln == Decimal("106.0824")
    assert (found.original.lln, found.original.uln) == ("0.6", "1.2")


@pytest.mark.parametrize(
    ("text", "lln", "uln"),
    [
        ("13-17.5", "13", "17.5"),
        ("175-130", "175", "130"),
        ("1.0000000001-200", "1.0000000001", "200"),
        ("130-0", "130", "0"),
        ("男:130-175", None, None),
    ],
)
def test_a_doubtful_range_does_not_stop_the_value(text, lln, uln):
    """In another unit, upside down or too precise, the limits stay text and no limit is used."""
    found = read("102", reference_range=text)
    assert found.result.value == 102
    assert found.result.lln is found.result.uln is None
    assert (found.original.lln, found.original.uln) == (lln, uln)


def test_flags_are_shown_in_the_words_of_the_profile():
    """M is normal and N negative to this sender; marks beside the value are flags too."""
    profile = SenderProfile(flags={"M": "N", "N": "NEG", "↑": "H"})
    found = read("102 ↑", profile=profile, flags=("M", " N ", "H", "", '""'))
    assert found.flags == ("N", "NEG", "H")
    assert found.result.value == 102
    assert read("x", flags=("A", "A")).flags == ("A",)


def test_the_sender_of_a_day_only():
    """A day is kept with its precision, as the first instant of the day at the sender's place."""
    found = read(collected="20260520")
    assert found.result.collected_at == datetime(2026, 5, 19, 16, tzinfo=UTC)
    assert found.precision.value == "day"
    assert read(collected="20260520", profile=SenderProfile(time_zone="UTC")).reasons == ()


def test_other_words_of_the_profile():
    """A sender's word becomes a finding where the analyte takes one."""
    profile = SenderProfile(words={"低于检测下限": ValueWord.NEGATIVE})
    found = read("低于检测下限", CMV, profile)
    assert found.result.finding is Finding.NEGATIVE
    assert reasons("低于检测下限", PLATELETS, profile) == ["content_mismatch"]


def test_the_same_panel_again_reads_the_same():
    """Nothing depends on what was read before; the profile's indexes are built once."""
    profile = SenderProfile(words={"x": ValueWord.NO_VALUE})
    assert read(profile=profile) == read(profile=profile) == read(profile=replace(profile))


def test_that_there_is_no_value_yet_was_so_from_the_collection_on():
    """So it stands below everything that was ever said about the result."""
    pending = read("", status="I")
    assert pending.result is not None
    assert pending.stated_at < pending.result.collected_at
    undated = read("", status="I", collected="")
    assert [reason.code for reason in undated.reasons] == ["collection_time"]
