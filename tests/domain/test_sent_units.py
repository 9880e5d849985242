"""Units as laboratories spell them, beyond the codes of the standard."""

from decimal import Decimal

import pytest

from app.domain.analytes import ANALYTES, find_analyte


@pytest.mark.parametrize(
    ("key", "text", "factor"),
    [
        ("PLT", "*10^9/L", "1"), ("PLT", "X10E3/UL", "1"), ("PLT", "K/UL", "1"),
        ("PLT", "K/mm3", "1"), ("PLT", "THOU/UL", "1"), ("PLT", "E9/L", "1"),
        ("PLT", "个/μl", "0.001"), ("ANC", "Cells/uL", "0.001"), ("ANC", "cells/mm3", "0.001"),
        ("CD4_ABS", "个/ul", "1"), ("CD4_ABS", "cell/µL", "1"), ("CD4_ABS", "X10^9/L", "1000"),
        ("ALT", "u/l", "1"), ("ALT", "[iU]/L", "1"), ("HCG_S", "m[iU]/mL", "1"),
        ("CMV_DNA", "[iU]/ml", "1"), ("PT", "S", "1"), ("APTT", "Sec", "1"),
        ("DDIMER", "ug/ml FEU", "1"), ("DDIMER", "ng/ml FEU", "0.001"),
        ("CD4_CD8", "{ratio}", "1"), ("CD4_CD8", "Ratio", "1"), ("WEIGHT", "公斤", "1"),
        ("CREA", "μｍｏｌ／Ｌ", "1"), ("NEUT_PCT", "％", "1"),
    ],
)  # fmt: skip
def test_spellings_of_real_feeds(key, text, factor):
    """Upper case, Chinese counters and leading signs are read, each for the analytes it fits."""
    conversion = find_analyte(key).family.find(text)
    assert conversion is not None
    assert conversion.factor == Decimal(factor)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("HGB", "G/L"), ("HGB", "K/UL"), ("PLT", "109/L"), ("PLT", "10/L"), ("PLT", "k/uL"),
        ("PLT", "MIL/uL"), ("PLT", "x/L"), ("PLT", "*"), ("CREA", "umol/UL"), ("PLT", "e9/L"),
        ("DDIMER", "ug/ml"), ("ALT", "U/UL"), ("WEIGHT", "mg"),
    ],
)  # fmt: skip
def test_spellings_that_lost_their_meaning(key, text):
    """A power whose exponent lost its height is 109 and no count; prefixes keep their case."""
    assert find_analyte(key).family.find(text) is None


def test_no_count_takes_a_percentage():
    """NEUT% never becomes ANC by its unit."""
    percent = {each.key for each in ANALYTES if each.family and each.family.find("%")}
    assert percent == {each.key for each in ANALYTES if each.canonical_unit == "%"}
