"""The canonical units are UCUM codes, by a second opinion.

Only that: the same library takes `G/L` for gauss and `K/uL` for kelvin, so it converts nothing.
"""

import pytest
from lark.exceptions import LarkError
from ucumvert import get_ucum_parser

from app.domain.analytes import ANALYTES
from app.domain.units import can_be_unit

PARSER = get_ucum_parser()


@pytest.mark.parametrize("unit", sorted({each.canonical_unit for each in ANALYTES} - {None}))
def test_canonical_units_are_ucum(unit):
    """What is stored and shown with every value is a code of the standard."""
    assert PARSER.parse(unit)


@pytest.mark.parametrize("text", ["IU/L", "x10*9/L", "umol/l/", "K/ul L"])
def test_sent_spellings_are_not(text):
    """The second opinion does refuse what is no code."""
    with pytest.raises(LarkError):
        PARSER.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10*9/L",
        "10^9",
        "10E9",
        "x10^9",
        "×10⁹/L",
        "/uL",
        "个/uL",
        "%",
        "‰",
        "g/100mL",
        "1000/mm3",
    ],
)
def test_what_can_be_a_unit(text):
    """Nothing at all, a power of ten with its exponent, and whatever has a letter."""
    assert can_be_unit(text)


@pytest.mark.parametrize(
    "text", ["10", "x10", "X 10", "×10", "10*", "9/L", "12 / L", "1", "98.5", "^", "/", "-"]
)
def test_what_can_be_no_unit(text):
    """Numbers, and both halves of a power of ten that was cut at its caret."""
    assert not can_be_unit(text)
