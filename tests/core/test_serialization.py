"""Canonical JSON: digit for digit, the same bytes for the same content."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.serialization import decimal_text, digest, from_json, to_json, to_readable_json
from app.domain.vocabulary import Sex

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | DECIMALS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(DECIMALS)
def test_no_digit_is_lost_or_invented(value):
    """A decimal's text reads back as the same number, in plain notation."""
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()


@given(CONTENT)
def test_what_is_written_reads_back(content):
    """Writing and reading gives equal content, and the text is valid JSON."""
    text = to_json(content)
    json.loads(text)
    assert from_json(text) == content


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(content):
    """The digest is of the content, not of how it was built."""
    turned = dict(reversed(list(content.items())))
    assert digest(turned) == digest(content)


@dataclass(frozen=True)
class Sample:
    """A conclusion as the rules give it."""

    sex: Sex
    day: date
    at: datetime
    value: Decimal
    id: UUID
    names: frozenset[str]


def test_conclusions_are_written_as_they_are():
    """Dataclasses, words, days, instants, ids and sets need no conversion."""
    sample = Sample(
        Sex.FEMALE,
        date(2026, 1, 5),
        datetime(2026, 1, 5, 8, tzinfo=UTC),
        Decimal("1E+3"),
        UUID(int=7),
        frozenset({"b", "a"}),
    )
    assert json.loads(to_json(sample)) == {
        "sex": "female",
        "day": "2026-01-05",
        "at": "2026-01-05T08:00:00+00:00",
        "value": 1000,
        "id": "00000000-0000-0000-0000-000000000007",
        "names": ["a", "b"],
    }


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan")])
def test_only_finite_numbers_are_written(value):
    """NaN and infinity never reach a client or a digest."""
    with pytest.raises(ValueError, match=r"finite|JSON compliant"):
        to_json({"value": value})


def test_answers_keep_the_order_of_declaration():
    """People read a conclusion in the order its author wrote it; a digest does not care."""
    content = {"verdict": "eligible", "criteria": []}
    assert to_readable_json(content) == '{"verdict":"eligible","criteria":[]}'
    assert to_json(content) == '{"criteria":[],"verdict":"eligible"}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_without_decimals_it_is_the_standard_encoders_text(content):
    """Nothing but decimals, dates and the like is written in another way than usual."""
    usual = {"ensure_ascii": False, "separators": (",", ":")}
    assert to_json(content) == json.dumps(content, sort_keys=True, **usual)
    assert to_readable_json(content) == json.dumps(content, **usual)
