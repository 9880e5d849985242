"""The canonical units are UCUM codes, by a second opinion.

Only that: the same library takes `G/L` for gauss and `K/uL` for kelvin, so it converts nothing.
"""

import pytest
from lark.exceptions import LarkError
from ucumvert import get_ucum_parser

from app.domain.analytes import ANALYTES

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
