"""Reference ranges as sent: limits only where they are plainly written."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.sender_profile import SenderProfile
from app.domain.sent_ranges import SentRange, read_range

PLAIN = SenderProfile()


def limits(text="", low="", high="", profile=PLAIN):
    """Return the limits of a range."""
    found = read_range(text, low, high, profile)
    return found.low, found.high


def decimals(low, high):
    """Return limits given as texts."""
    return tuple(None if each is None else Decimal(each) for each in (low, high))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("4.3 to 6.2", "4.3", "6.2"), ("9-9", "9", "9"), ("49 - 92", "49", "92"),
        ("[ 9 - 9 ]", "9", "9"), ("(3.5-9.5)", "3.5", "9.5"), ("70_105", "70", "105"),
        ("9&9", "9", "9"), ("3.5--9.5", "3.5", "9.5"), ("3.5～9.5", "3.5", "9.5"),
        ("3.5~9.5", "3.5", "9.5"), ("3.5–9.5", "3.5", "9.5"), ("3.5—9.5", "3.5", "9.5"),
        ("１３０－１７５", "130", "175"), ("1.5E+2-4E+2", "150", "400"), (".2-.5", "0.2", "0.5"),
        ("<9", None, "9"), ("[ < 9 ]", None, "9"), ("≤5", None, "5"), ("<=5", None, "5"),
        (">60", "60", None), (">= 60", "60", None), ("0-40", "0", "40"),
    ],
)  # fmt: skip
def test_ranges_in_their_many_forms(text, low, high):
    """Two limits, or one with a comparator, in any of the ways that real messages write them."""
    assert limits(text) == decimals(low, high)


@pytest.mark.parametrize(
    "text",
    [
        "", "[ ]", '""', "Negative", "阴性", "9-9+", "男:130-175", "轻：31-49，中：50-69", "5", "-",
        "1,5-2,5", "1.2.3-4", "6-4", "3-", "-5", "-2-2", "0-5 U/L", "<", "1-2-3", "[3-4", "3-4]",
        "[3-4)", "<5 or >9", "9-" * 100 + "9",
    ],
)  # fmt: skip
def test_other_ranges_stay_text(text):
    """By sex, by grade, upside down, with a comma or a unit: nobody guesses a limit."""
    assert limits(text) == (None, None)


def test_limits_are_kept_letter_for_letter():
    """The texts of the limits stay as sent, also when they are no numbers."""
    assert read_range("4.30 to 6.2", "", "", PLAIN) == SentRange(
        low_text="4.30", high_text="6.2", low=Decimal("4.30"), high=Decimal("6.2")
    )
    assert read_range("1,5-2,5", "", "", PLAIN) == SentRange(low_text="1,5", high_text="2,5")
    assert read_range("", "low", "9", PLAIN) == SentRange(low_text="low", high_text="9")


def test_given_limits_come_before_the_text():
    """FHIR and CSV send the limits apart; one alone is a limit too."""
    assert limits("1-2", low="3", high="4") == decimals("3", "4")
    assert limits("1-2", high=" 4 ") == decimals(None, "4")
    assert limits("", low="4", high="3") == (None, None)


def test_the_comma_of_a_range_is_that_of_the_profile():
    """A sender of decimal commas writes its ranges with them too."""
    profile = SenderProfile(decimal_comma=True)
    assert limits("1,5-2,5", profile=profile) == decimals("1.5", "2.5")
    assert limits("<0,5", profile=profile) == decimals(None, "0.5")


PIECES = st.sampled_from(["1", "9.5", "12", "-", "--", "~", " to ", "<", ">=", "[", "]", "(", ","])


@settings(max_examples=200)
@given(text=st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20))
def test_any_range_is_in_order_or_open(text):
    """No text makes the reader fail, and limits are never upside down."""
    low, high = limits(text)
    assert low is None or high is None or low <= high
