"""Interpretation of anything: a result that can be filed, or reasons; and conversion is exact."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.analytes import ANALYTES, plausible
from app.domain.inbound import InboxReason
from app.domain.interpretation import interpret
from app.domain.quantities import Comparator
from app.domain.reported_results import canonical_numbers, known_analyte
from app.domain.sender_profile import (
    STATUS_WORDS,
    CodeMapping,
    SenderProfile,
    StatusMeaning,
    UnitMapping,
    ValueWord,
)
from app.domain.sent_results import SentCode
from tests.domain.sent_cases import RECEIVED, read, sent

PROFILE = SenderProfile(
    thousands_comma=True,
    statuses={"": StatusMeaning.FINAL, "1": StatusMeaning.CORRECTED},
    words={"LOD": ValueWord.NEGATIVE},
    codes=(CodeMapping(system="L", code="1", analyte="ANC"),),
    units=(UnitMapping(analyte="ANC", text="109/L", unit="10*9/L"),),
)
PROFILES = st.sampled_from([SenderProfile(), PROFILE, SenderProfile(decimal_comma=True)])
JUNK = st.text(max_size=8) | st.text(st.sampled_from("0123456789.,<>=+-~^eHL*\x00 "), max_size=10)
CODES = st.builds(
    SentCode,
    code=st.sampled_from([each.loinc for each in ANALYTES if each.loinc] + ["1", "PLT"]) | JUNK,
    system=st.sampled_from(["LN", "LN", "L", ""]) | JUNK,
)
VALUES = st.sampled_from(["102", "<15", "1.2", "1,234", "1e300", "阴性", "QNS", "0.0000000001"])
TIMES = st.sampled_from(["20260520", "202605200815", "2026", "20260520081530+0800"]) | JUNK
UNITS = st.sampled_from(["g/L", "10*9/L", "109/L", "mg/dL", "%", "IU/mL", "", "U/L"]) | JUNK
VARIED = {
    "codes": st.lists(CODES, max_size=2).map(tuple),
    "panel": st.none() | CODES,
    "accession": JUNK,
    "value_type": st.sampled_from(["NM", "SN", "ST", "CWE", "ED", ""]) | JUNK,
    "values": st.lists(st.lists(VALUES | JUNK, max_size=3).map(tuple), max_size=2).map(tuple),
    "unit": UNITS,
    "reference_range": st.sampled_from(["3-5", "<9", "130-175", "0-1e300", "9-3"]) | JUNK,
    "low": VALUES | JUNK,
    "high": VALUES | JUNK,
    "flags": st.lists(JUNK, max_size=2).map(tuple),
    "status": st.sampled_from(list(STATUS_WORDS)) | JUNK,
    "collected": TIMES,
    "reported": TIMES,
    "stated": TIMES,
}


@st.composite
def results(draw):
    """Draw a sound result with up to four fields of anything."""
    names = draw(st.lists(st.sampled_from(list(VARIED)), max_size=4, unique=True))
    return replace(sent(), **{name: draw(VARIED[name]) for name in names})


@settings(max_examples=200)
@given(result=results(), profile=PROFILES)
def test_anything_is_a_result_that_can_be_filed_or_has_reasons(result, profile):
    """Never a crash, never neither; and what is a result passes the check of the filing."""
    found = interpret(result, profile, RECEIVED)
    assert (found.result is None) == bool(found.reasons)
    assert all(InboxReason(each.code) and each.message for each in found.reasons)
    if found.result is None:
        return
    promoted = found.meaning is StatusMeaning.PROMOTED
    if not (promoted and found.result.value is found.result.finding is None):
        numbers = canonical_numbers(known_analyte(found.analyte), found.result)
        assert (numbers.value is None) == (found.result.value is None)
    assert found.result.collected_at <= RECEIVED


MEASURED = [
    (analyte, unit) for analyte in ANALYTES if analyte.family for unit in analyte.family.conversions
]


@settings(max_examples=200)
@given(
    pair=st.sampled_from(MEASURED),
    digits=st.integers(0, 10**6),
    places=st.integers(0, 4),
    comparator=st.sampled_from(["", "<", "<=", ">", ">="]),
)
def test_what_is_filed_is_the_text_times_the_factor(pair, digits, places, comparator):
    """Every unit of every analyte: exact, bound kept, or nothing because nobody has it."""
    analyte, unit = pair
    text = f"{Decimal(digits).scaleb(-places):f}"
    code = SentCode(system="urn:msc-icaht:analyte", code=analyte.key)
    found = read(f"{comparator}{text}", code, unit=unit)
    conversion = analyte.family.conversions[unit]
    expected = Decimal(text) * conversion.factor + conversion.offset
    reasons = [each.code for each in found.reasons]
    if len(f"{expected.normalize():f}".partition(".")[2]) > 9:
        assert reasons == ["unreadable_value"]
        return
    if not plausible(analyte, expected):
        assert reasons == ["implausible_value"]
        return
    assert reasons == []
    assert found.result.comparator == (Comparator(comparator) if comparator else None)
    assert canonical_numbers(analyte, found.result).value == expected
