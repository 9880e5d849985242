"""Search parameters: spans of dates, tokens, alternatives, and what is ignored or refused."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.interop.fhir.refusals import Refusal
from app.interop.fhir.searching import Token, read_query
from app.services.fhir_search import SearchPage

SHANGHAI = ZoneInfo("Asia/Shanghai")
KNOWN = frozenset({"date", "code", "subject", "patient", "status"})


def query(*items, strict=False):
    """Read parameters as a search with a few of its own."""
    return read_query(items, KNOWN, strict, SHANGHAI)


def utc(*parts):
    """Return an instant in UTC."""
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("2026-05-20", utc(2026, 5, 19, 16), utc(2026, 5, 20, 16)),
        ("eq2026-05-20", utc(2026, 5, 19, 16), utc(2026, 5, 20, 16)),
        ("ge2026-05-20", utc(2026, 5, 19, 16), None),
        ("gt2026-05-20", utc(2026, 5, 20, 16), None),
        ("sa2026-05-20", utc(2026, 5, 20, 16), None),
        ("lt2026-05-20", None, utc(2026, 5, 19, 16)),
        ("eb2026-05-20", None, utc(2026, 5, 19, 16)),
        ("le2026-05-20", None, utc(2026, 5, 20, 16)),
        ("2026-05", utc(2026, 4, 30, 16), utc(2026, 5, 31, 16)),
        ("2026-12", utc(2026, 11, 30, 16), utc(2026, 12, 31, 16)),
        ("2026", utc(2025, 12, 31, 16), utc(2026, 12, 31, 16)),
        ("2026-05-20T09:00Z", utc(2026, 5, 20, 9), utc(2026, 5, 20, 9, 1)),
        ("2026-05-20T09:00:30+08:00", utc(2026, 5, 20, 1, 0, 30), utc(2026, 5, 20, 1, 0, 31)),
        ("2026-05-20T09:00:30.5-02:00", utc(2026, 5, 20, 11, 0, 30), utc(2026, 5, 20, 11, 0, 31)),
    ],
)
def test_a_date_is_the_span_that_it_may_mean(value, low, high):
    """Less precise dates are longer; without an offset the study's zone counts."""
    (span,) = query(("date", value)).spans("date")
    assert (span.low, span.high) == (low, high)


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-13",
        "2026-02-30",
        "ne2026",
        "ap2026",
        "xx2026",
        "9999",
        "0000",
        "2026-05-20T25:00",
    ],
)
def test_a_date_that_cannot_be_meant_is_refused(value):
    """What is not understood would otherwise find the wrong results."""
    with pytest.raises(Refusal):
        query(("date", value)).spans("date")


def test_repeated_parameters_hold_together_and_commas_are_alternatives():
    """Two lists leave what both name; two dates are two spans."""
    found = query(("code", "a,b"), ("code", "b,c"), ("date", "ge2026"), ("date", "lt2027"))
    assert found.any_of("code") == ("b",)
    assert found.any_of("status") is None
    assert len(found.spans("date")) == 2


def test_tokens_may_name_their_system():
    """`system|code`, `|code` and a bare code are three different wishes."""
    tokens = query(("code", "718-7,http://loinc.org|718-7,|x")).tokens("code")
    assert tokens == (Token("718-7"), Token("718-7", "http://loinc.org"), Token("x", ""))
    assert tokens[0].fits("718-7", "any")
    assert not tokens[2].fits("x", "any")


def test_subjects_have_two_names():
    """`subject` and `patient` mean the same, as a reference or an id."""
    assert query(("subject", "Patient/1,2")).subjects() == ("1", "2")
    assert query(("patient", "S-001")).subjects() == ("S-001",)
    assert query().subjects() is None


def test_unknown_parameters_are_ignored_and_told_apart():
    """What had no effect is not among what is repeated in the self link."""
    found = query(("code", "x"), ("colour", "red"), ("_format", "json"), ("status", ""))
    assert found.kept == (("code", "x"),)
    with pytest.raises(Refusal) as refusal:
        query(("colour", "red"), strict=True)
    assert refusal.value.issues[0].code == "invalid"


@pytest.mark.parametrize(("value", "limit"), [("0", 0), ("7", 7), ("100000", 200)])
def test_a_page_has_at_most_200_items(value, limit):
    """More is asked for in vain, none asks for the total."""
    assert query(("_count", value)).page == SearchPage(limit)
    assert query(("_count", "1"), ("_cursor", "c")).page == SearchPage(1, "c")


@pytest.mark.parametrize(
    "items", [[("_count", "-1")], [("_count", "x")], [("_count", "1"), ("_count", "2")]]
)
def test_a_count_that_cannot_be_meant_is_refused(items):
    """`_count=-1` is an error, not everything."""
    with pytest.raises(Refusal):
        query(*items)
