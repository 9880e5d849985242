"""Numbers as sent: exact, and never guessed where a comma could mean two things."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.doubts import Doubts
from app.domain.errors import DomainError
from app.domain.sender_profile import SenderProfile
from app.domain.sent_numbers import LONGEST, read_number

PLAIN = SenderProfile()
DECIMAL_COMMA = SenderProfile(decimal_comma=True)
THOUSANDS_COMMA = SenderProfile(thousands_comma=True)
BOTH = SenderProfile(decimal_comma=True, thousands_comma=True)


def ambiguous(text, profile):
    """Tell whether a text is refused because its number could be two."""
    with pytest.raises(DomainError) as caught:
        read_number(text, profile)
    assert text not in caught.value.message
    return caught.value.code == "ambiguous_number"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("102", "102"), (".2", "0.2"), ("12.", "12"), ("+5", "5"), ("-5", "-5"), ("007.10", "7.10"),
        ("1.23E+03", "1230"), ("1e3", "1000"), ("1.5e-2", "0.015"), ("0", "0"),
        ("1.23×10^5", "123000"), ("1.23 x 10^5", "123000"), ("2*10**3", "2000"),
        ("1.2×10⁵", "120000"), ("3X10⁻²", "0.03"), ("1.234", "1.234"),
    ],
)  # fmt: skip
def test_numbers_of_any_notation_are_exact(text, number):
    """A leading point or plus, an exponent and a power of ten are digits, not floats."""
    assert read_number(text, PLAIN) == Decimal(number)


def test_digits_are_kept():
    """A number has the digits that were sent, also those that end in zero."""
    assert str(read_number("72.50", PLAIN)) == "72.50"
    assert str(read_number("123456789.123456789123", PLAIN)) == "123456789.123456789123"


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e5"])
def test_a_zero_has_no_sign(text):
    """Minus zero is stored and compared as zero."""
    number = read_number(text, PLAIN)
    assert number == 0
    assert not number.is_signed()


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "+", "-", "1.2.3", "1 234", "12a", "1e", "e5", "1e5.5", "0x10", "NaN", "inf",
        "1_000", "½", "1.5²", "1⁵", "①", "١٢", "12\n", "--5", "1.2×10", "1:80", "27~25",
        "1e12345", "×10^5",
    ],
)  # fmt: skip
def test_other_texts_are_no_number(text):
    """A superscript, a footnote or a foreign digit never becomes a digit of the value."""
    assert read_number(text, PLAIN) is None


@pytest.mark.parametrize("text", ["1,234", "12,5", "1,234.5", "1.234,5", ",5", "1,2,3", "1,5e3"])
@pytest.mark.parametrize("profile", [PLAIN, BOTH], ids=["unsaid", "both"])
def test_a_comma_of_unknown_meaning_is_ambiguous(text, profile):
    """Without a word of the profile, or with two, nobody knows how large the number is."""
    assert ambiguous(text, profile)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12,5", "12.5"), ("1,234", "1.234"), (",5", "0.5"), ("12.5", "12.5"), ("0.234", "0.234"),
     ("1,5e3", "1500"), ("1234.567", "1234.567")],
)  # fmt: skip
def test_decimal_comma_by_profile(text, number):
    """A sender of decimal commas may still write a point, as HL7 demands."""
    assert read_number(text, DECIMAL_COMMA) == Decimal(number)


@pytest.mark.parametrize("text", ["1.234", "12.345.678", "1.234,5", "1,2,3"])
def test_groups_of_three_are_ambiguous_beside_decimal_commas(text):
    """Who writes decimal commas may mean thousands by points."""
    assert ambiguous(text, DECIMAL_COMMA)


def test_thousands_comma_by_profile():
    """Groups of three are thousands if the profile says so; other commas stay ambiguous."""
    assert read_number("1,234", THOUSANDS_COMMA) == 1234
    assert read_number("-12,345,678.50", THOUSANDS_COMMA) == Decimal("-12345678.50")
    assert read_number("1.234", THOUSANDS_COMMA) == Decimal("1.234")
    for text in ("12,5", "0,234", "1234,567", "1,234,56"):
        assert ambiguous(text, THOUSANDS_COMMA)


def test_five_thousand_digits_are_no_number():
    """The length is limited, so that no text costs more than a glance."""
    assert read_number("9" * 5000, PLAIN) is None
    assert read_number("9" * LONGEST, PLAIN) == 10**LONGEST - 1


@settings(max_examples=150)
@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_every_number_is_read_as_it_is_written(number):
    """Writing a decimal and reading it gives the decimal."""
    assert read_number(f"{number:f}", PLAIN) == number


@settings(max_examples=200)
@given(
    text=st.text(st.sampled_from("0123456789.,+-eExX×*^⁵ <H\x00"), max_size=80),
    profile=st.sampled_from([PLAIN, DECIMAL_COMMA, THOUSANDS_COMMA, BOTH]),
)
def test_any_text_is_a_number_none_or_ambiguous(text, profile):
    """No text makes the reader fail in another way, and what it reads is finite."""
    doubts = Doubts()
    number = doubts.attempt(read_number, text, profile)
    assert [each.code for each in doubts.reasons] in ([], ["ambiguous_number"])
    assert number is None or number.is_finite()
