"""The analyte catalogue: finding, exact unit conversion and plausibility."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.analytes import (
    ANALYTES,
    convert,
    find_analyte,
    find_analyte_by_loinc,
    plausible,
)
from app.domain.errors import DomainError, ErrorKind
from app.domain.units import normalize_unit

MEASURED = [analyte for analyte in ANALYTES if analyte.family]
PAIRS = [(analyte, text) for analyte in MEASURED for text in analyte.family.conversions]
VALUES = st.decimals(0, 10**9, places=6)


def to_canonical(key, value, unit):
    """Convert a value given as text."""
    return convert(find_analyte(key), Decimal(value), unit)


def test_catalogue_is_consistent():
    """Keys, aliases and LOINC codes are unique; numbers have a unit and a range, findings none."""
    names = [name.casefold() for each in ANALYTES for name in (each.key, *each.aliases)]
    assert len(names) == len(set(names))
    codes = [code for each in ANALYTES for code in (each.loinc, *each.loinc_also) if code]
    assert len(codes) == len(set(codes))
    for each in ANALYTES:
        assert (each.canonical_unit is None) == (each.family is None)
        if each.family:
            assert each.plausible_low < each.plausible_high
        else:
            assert each.qualitative
            assert each.plausible_low is each.plausible_high is None
    assert len(ANALYTES) == 78


def test_loinc_codes_have_valid_check_digits():
    """A mistyped LOINC code fails its own check digit (Luhn)."""
    for each in ANALYTES:
        for code in filter(None, (each.loinc, *each.loinc_also)):
            body, check = code.split("-")
            doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(body))]
            total = sum(n // 10 + n % 10 for n in doubled)
            assert (10 - total % 10) % 10 == int(check), code


def test_find_by_key_or_alias():
    """Keys and aliases are found whatever the case; unknown names are not guessed."""
    assert find_analyte("hgb") is find_analyte("Hb") is find_analyte(" HGB ")
    assert find_analyte("CD4").key == "CD4_ABS"
    assert find_analyte("FERRITIN").key == "FERR"
    for ambiguous in ("PCT", "TP", "GRAN#", "calcium", ""):
        assert find_analyte(ambiguous) is None


def test_find_by_loinc():
    """Main and further codes lead to the analyte; codes of other quantities do not."""
    assert find_analyte_by_loinc("718-7").key == "HGB"
    assert find_analyte_by_loinc("26499-4").key == "ANC"
    assert find_analyte_by_loinc("770-8").key == "NEUT_PCT"
    assert find_analyte_by_loinc("17861-6").key == "CA_TOTAL"
    for other in ("59260-0", "8636-3", "54206-8", "11125-2", "33939-0"):
        assert find_analyte_by_loinc(other) is None


def test_unconfirmed_codes_are_not_shipped():
    """Interleukin 2 and TNF alpha are mapped locally, because their codes are not confirmed."""
    assert find_analyte("IL2").loinc is None
    assert find_analyte("TNFA").loinc is None


@pytest.mark.parametrize(
    ("key", "value", "unit", "expected"),
    [
        ("HGB", "7.0", "g/dL", "70"),
        ("HGB", "102", "g/L", "102"),
        ("HGB", "10.2", "gm/dL", "102"),
        ("ANC", "0.5", "10*3/uL", "0.5"),
        ("ANC", "500", "/uL", "0.5"),
        ("ANC", "1.25", "K/uL", "1.25"),
        ("PLT", "98", "G/L", "98"),
        ("PLT", "98", "giga.l-1", "98"),
        ("RETIC", "0.05", "10*12/L", "50"),
        ("CREA", "1.2", "mg/dL", "106.0824"),
        ("CREA", "160", "umol/L", "160"),
        ("TBIL", "1", "mg/dL", "17.104"),
        ("UREA", "36", "mg/dL", "5.99436"),
        ("BUN", "16.8", "mg/dL", "5.997096"),
        ("ALT", "1", "ukat/L", "60"),
        ("AST", "1000", "nkat/L", "60"),
        ("CD4_ABS", "0.05", "10*9/L", "50"),
        ("CD4_ABS", "50", "cells/uL", "50"),
        ("IGG", "1050", "mg/dL", "10.5"),
        ("IL6", "2", "ng/mL", "2000"),
        ("FIB", "50", "mg/dL", "0.5"),
        ("FERR", "250", "ng/mL", "250"),
        ("CRP", "1.5", "mg/dL", "15"),
        ("DDIMER", "1.5", "ug/mL{FEU}", "1.5"),
        ("DDIMER", "500", "ng/mL FEU", "0.5"),
        ("DDIMER_DDU", "250", "ng/mL{DDU}", "0.25"),
        ("HBA1C", "0", "mmol/mol", "2.152"),
        ("HBA1C", "75", "mmol/mol", "9.01300"),
        ("HBA1C", "9.0", "%", "9.0"),
        ("QTCF", "0.48", "s", "480"),
        ("WEIGHT", "120", "斤", "60"),
        ("WEIGHT", "10", "lb", "4.5359237"),
        ("INR", "1.2", "", "1.2"),
        ("CD4_CD8", "1.2", "", "1.2"),
        ("PH", "7.35", "", "7.35"),
        ("K", "4.1", "mEq/L", "4.1"),
        ("CA", "10", "mg/dL", "2.495"),
        ("CA", "5", "mEq/L", "2.5"),
        ("MG", "2", "meq/L", "1.0"),
        ("GLU", "100", "mg/dL", "5.5507"),
        ("TG", "150", "mg/dL", "1.71"),
        ("UA", "7", "mg/dL", "416.395"),
        ("ALB", "3.5", "g/dL", "35"),
        ("HCG_S", "25", "mIU/mL", "25"),
        ("B19_DNA", "3.2", "log10 copies/mL", "3.2"),
    ],
)
def test_conversion_vectors(key, value, unit, expected):
    """Conversions are exact products, the affine HbA1c included."""
    assert to_canonical(key, value, unit) == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    [
        "10*9/L",
        "10^9/L",
        "10E9/L",
        "x10*9/L",
        "x10^9/L",
        "×10⁹/L",
        "10⁹/l",
        "x 10^9 / L",
        "１０＾９／Ｌ",
        "Giga/l",
        "/nl",
        "10^3/µL",
        "10^3/μL",
        "x10E3/uL",
        "THOU/uL",
        "thou/mm3",
        "10³/μl",
    ],
)
def test_spellings_of_one_count_unit(text):
    """Spellings seen in real feeds mean the same count, whichever micro sign they use."""
    assert to_canonical("ANC", "1.2", text) == Decimal("1.2")


def test_micro_signs_and_widths_are_folded():
    """Both micro signs, full-width letters and superscripts come out the same."""
    assert normalize_unit("µmol/L") == normalize_unit("μmol/l") == "umol/L"
    assert normalize_unit("ｇ／ｄＬ") == "g/dL"
    assert normalize_unit("10¹²/L") == "10*12/L"
    assert normalize_unit("mg/L FEU") == "mg/LFEU"


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("HGB", "mmol/L"),
        ("HGB", "g/mL"),
        ("HGB", "g/l-1"),
        ("HGB", "G/L"),
        ("HGB", ""),
        ("ANC", "g/L"),
        ("ANC", "%"),
        ("ANC", ""),
        ("NEUT_PCT", ""),
        ("DDIMER", "ug/mL"),
        ("DDIMER", "mg/L"),
        ("DDIMER", "mg/L{DDU}"),
        ("FERR", "pmol/L"),
        ("CRP", "nmol/L"),
        ("CMV_DNA", "{copies}/mL"),
        ("CMV_DNA", "{Log_#}/mL"),
        ("CREA", "MG/dL"),
        ("HBSAG", "[IU]/mL"),
        ("HCG_U", ""),
    ],
)
def test_unknown_or_ambiguous_units_are_refused(key, unit):
    """A missing, ambiguous or foreign unit is refused, never guessed, without showing the value."""
    with pytest.raises(DomainError) as refusal:
        to_canonical(key, "987654", unit)
    assert refusal.value.kind is ErrorKind.INVALID
    assert refusal.value.code == "unknown_unit"
    assert key in refusal.value.message
    assert "987654" not in refusal.value.message


def test_refusal_names_the_accepted_units():
    """The message tells what to use instead, and says when a blank is one of them."""
    with pytest.raises(DomainError, match=r"g/L, .*g/dL"):
        to_canonical("HGB", "7", "stone")
    with pytest.raises(DomainError, match=r"1, .*\(blank\)"):
        to_canonical("INR", "1", "stone")
    with pytest.raises(DomainError, match="finding"):
        to_canonical("TP_AB", "1", "1")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+60", "1E-60", "1." + "1" * 60])
def test_numbers_that_no_laboratory_sends_are_refused(value):
    """What is not a finite number of a sensible length cannot be converted exactly."""
    with pytest.raises(DomainError) as refusal:
        to_canonical("HBA1C", value, "mmol/mol")
    assert refusal.value.code == "value_not_measurable"


@pytest.mark.parametrize(
    ("key", "value", "unit", "expected"),
    [
        ("HGB", "19.9", "g/L", False),
        ("HGB", "20", "g/L", True),
        ("HGB", "250", "g/L", True),
        ("HGB", "250.1", "g/L", False),
        ("HGB", "102", "g/dL", False),
        ("HGB", "10.2", "g/L", False),
        ("HGB", "10.2", "g/dL", True),
        ("ALB", "3.5", "g/L", False),
        ("PH", "74", "", False),
        ("ANC", "0", "10*9/L", True),
    ],
)
def test_plausibility_catches_slips_of_the_unit(key, value, unit, expected):
    """The range is inclusive; hemoglobin outside 20 to 250 g/L goes to a person (C1)."""
    assert plausible(find_analyte(key), to_canonical(key, value, unit)) is expected


def test_findings_have_no_plausible_number():
    """An analyte that only knows findings accepts no number."""
    assert not plausible(find_analyte("HBSAG"), Decimal(1))


@settings(max_examples=150)
@given(pair=st.sampled_from(PAIRS), values=st.tuples(VALUES, VALUES))
def test_conversion_is_increasing_and_exact(pair, values):
    """Order survives every conversion (so comparators do) and no digit is lost."""
    analyte, unit = pair
    low, high = sorted(values)
    conversion = analyte.family.conversions[unit]
    assert convert(analyte, low, unit) <= convert(analyte, high, unit)
    back = (convert(analyte, low, unit) - conversion.offset).as_integer_ratio()
    n, d = conversion.factor.as_integer_ratio()
    m, e = low.as_integer_ratio()
    assert back[0] * d * e == n * m * back[1]


@pytest.mark.parametrize("analyte", MEASURED, ids=lambda analyte: analyte.key)
def test_canonical_unit_changes_nothing(analyte):
    """A value in the canonical unit is stored as it came, every digit of it."""
    value = Decimal("12.340")
    assert str(convert(analyte, value, analyte.canonical_unit)) == "12.340"


@settings(max_examples=150)
@given(text=st.text(max_size=8))
def test_any_unit_text_is_known_or_unknown(text):
    """No text makes the reader fail, and a count is never scaled by anything else."""
    conversion = find_analyte("ANC").family.find(text)
    assert conversion is None or conversion.factor in (Decimal(1), Decimal("0.001"))


def test_accepted_texts_are_in_normal_form():
    """Every accepted text is its own normal form, else it could not be found."""
    for _, text in PAIRS:
        assert normalize_unit(text) == text
