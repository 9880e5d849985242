"""Canonical JSON: the vectors of RFC 8785, exact decimals, and one text for one content."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.canonical import canonical, canonical_digest, number_text
from app.core.serialization import from_json
from app.domain.signing import Meaning


@pytest.mark.parametrize(
    ("written", "text"),
    [
        # RFC 8785, appendix B and section 3.2.2, where a double holds the digits.
        ("0", "0"),
        ("-0", "0"),
        ("1E30", "1e+30"),
        ("4.50", "4.5"),
        ("2e-3", "0.002"),
        ("0.000000000000000000000000001", "1e-27"),
        ("5e-324", "5e-324"),
        ("-5e-324", "-5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("9007199254740992", "9007199254740992"),
        ("295147905179352830000", "295147905179352830000"),
        ("9.999999999999997e22", "9.999999999999997e+22"),
        ("1e23", "1e+23"),
        ("999999999999999700000", "999999999999999700000"),
        ("1e21", "1e+21"),
        ("1e20", "100000000000000000000"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("9.999999999999997e-7", "9.999999999999997e-7"),
        ("-0.0000033333333333333333", "-0.0000033333333333333333"),
        ("333333333.3333333", "333333333.3333333"),
        ("60.50", "60.5"),
        ("121000000", "121000000"),
    ],
)
def test_numbers_are_written_as_rfc_8785_writes_them(written, text):
    """ECMAScript's notation, from the exact digits."""
    assert number_text(Decimal(written)) == text


def test_more_digits_than_a_double_holds_are_kept():
    """The one departure from RFC 8785: nothing is rounded."""
    assert number_text(Decimal("0.12345678901234567890")) == "0.1234567890123456789"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(value):
    """JSON has no such numbers."""
    with pytest.raises(ValueError, match="finite"):
        number_text(Decimal(value))


def test_names_are_sorted_by_their_utf_16():
    """The example of RFC 8785, section 3.2.3."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical(dict.fromkeys(names, 0))
    assert list(json.loads(written)) == [
        "\r",
        "1",
        "\u0080",
        "\u00f6",
        "\u20ac",
        "\U0001f600",
        "\ufb33",
    ]


def test_text_is_escaped_as_little_as_may_be():
    """The example of RFC 8785, section 3.2.2."""
    value = {
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(value) == (
        '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_facts_are_written_as_they_are():
    """Ids, instants, days, words and exact decimals need no preparation."""
    value = {
        "id": UUID(int=1),
        "at": datetime(2026, 6, 1, 4, tzinfo=UTC),
        "day": date(2026, 6, 1),
        "meaning": Meaning.APPROVED,
        "weight": Decimal("60.50"),
        "list": (1, 2),
    }
    assert canonical(value) == (
        '{"at":"2026-06-01T04:00:00+00:00","day":"2026-06-01",'
        '"id":"00000000-0000-0000-0000-000000000001","list":[1,2],"meaning":"approved",'
        '"weight":60.5}'
    )


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-999, max_value=999)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("aé€😀", max_size=2), inner)
    ),
    max_leaves=6,
)


@given(JSON_VALUES)
@settings(max_examples=150)
def test_what_was_written_is_read_and_written_alike(value):
    """Canonical JSON is JSON, of the same content, and canonical already."""
    text = canonical(value)
    assert canonical(from_json(text)) == text
    assert from_json(text) == from_json(canonical(from_json(text)))


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=150)
def test_a_double_is_read_back_from_what_is_written_of_it(value):
    """The shortest digits of a double are written so that they read as that double."""
    assert float(number_text(Decimal(repr(value)))) == value


def test_the_digest_is_of_the_bytes():
    """SHA-256 of the UTF-8 text, in hexadecimal."""
    assert canonical_digest("{}") == (
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )
