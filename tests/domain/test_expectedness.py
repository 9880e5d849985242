"""Expectedness: the list that is in force, its last grade and its first day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.expectedness import (
    ExpectednessSource,
    ReferenceEntry,
    ReferenceVersion,
    check_entries,
    expectedness,
    is_listed,
    version_in_force,
    word_lapses,
)

DAY = date(2026, 6, 1)
ALL = frozenset({1, 2, 3, 4, 5})


def entry(term: str, highest: int | None) -> ReferenceEntry:
    """List a term up to a grade."""
    return ReferenceEntry(term=term, max_expected_grade=highest)


def version(
    number: int = 1,
    effective_on: date = DAY,
    signed_on: date | None = DAY,
    entries: tuple[ReferenceEntry, ...] = (entry("Fever", 3), entry("Headache", None)),
) -> ReferenceVersion:
    """Make a version."""
    return ReferenceVersion(
        number=number, effective_on=effective_on, signed_on=signed_on, entries=entries
    )


@pytest.mark.parametrize(("grade", "listed"), [(1, True), (3, True), (4, False), (5, False)])
def test_a_term_is_expected_up_to_its_grade(grade: int, listed: bool) -> None:
    """The last expected grade is expected, the next is not."""
    assert is_listed("Fever", grade, version()) is listed


@pytest.mark.parametrize(("grade", "listed"), [(1, True), (4, True), (5, False)])
def test_without_a_grade_all_but_death_is_expected(grade: int, listed: bool) -> None:
    """No list makes a death expected by silence."""
    assert is_listed("Headache", grade, version()) is listed


def test_a_death_is_expected_where_the_list_says_so() -> None:
    """Grade 5 has to be written down; a term that is not listed never is."""
    deadly = version(entries=(entry("Sepsis", 5),))
    assert is_listed("Sepsis", 5, deadly)
    assert not is_listed("Fever", 1, deadly)


@settings(max_examples=100)
@given(
    versions=st.lists(
        st.tuples(st.integers(-5, 5), st.one_of(st.none(), st.integers(-5, 5))),
        max_size=5,
    ),
    day=st.integers(-6, 6),
)
def test_the_version_in_force(versions: list[tuple[int, int | None]], day: int) -> None:
    """It is signed, began and was signed by the day, and none that counts began later."""
    made = [
        version(
            number,
            DAY + timedelta(days=effective),
            None if signed is None else DAY + timedelta(days=signed),
        )
        for number, (effective, signed) in enumerate(versions, start=1)
    ]
    today = DAY + timedelta(days=day)
    counting = [
        each
        for each in made
        if each.signed_on is not None and each.signed_on <= today and each.effective_on <= today
    ]
    found = version_in_force(made, today)
    assert (found is None) is (counting == [])
    if found is not None:
        assert found in counting
        assert found.counts_from is not None
        for each in counting:
            assert each.counts_from is not None
            assert (each.counts_from, each.number) <= (found.counts_from, found.number)


def test_a_late_signature_reaches_no_earlier_day() -> None:
    """A version meant for the first that is signed on the third counts from the third."""
    late = version(signed_on=DAY + timedelta(days=2))
    assert late.counts_from == DAY + timedelta(days=2)
    assert version_in_force([late], DAY + timedelta(days=1)) is None
    assert version_in_force([late], DAY + timedelta(days=2)) is late
    assert version(signed_on=DAY - timedelta(days=9)).counts_from == DAY


def test_the_recorded_word_counts_and_a_difference_is_named() -> None:
    """Both are shown; without a word the list decides, without a list nothing does."""
    listed = expectedness(None, "Fever", 3, version())
    assert (listed.expected, listed.source) == (True, ExpectednessSource.REFERENCE)
    assert listed.sentence == (
        "Version 1 of the reference safety information lists it at this grade."
    )
    unlisted = expectedness(None, "Fever", 4, version())
    assert (unlisted.expected, unlisted.difference) == (False, None)
    assert "does not list" in unlisted.sentence
    against = expectedness(True, "Fever", 4, version(7))
    assert (against.expected, against.derived, against.source) == (
        True, False, ExpectednessSource.RECORDED,
    )  # fmt: skip
    assert against.difference == (
        "Version 7 of the reference safety information says unexpected; the investigator's word"
        " counts."
    )
    other_way = expectedness(False, "Fever", 3, version())
    assert other_way.difference is not None
    assert "says expected" in other_way.difference
    agreed = expectedness(False, "Fever", 4, version())
    assert (agreed.difference, agreed.sentence) == (
        None, "The investigator recorded it as unexpected.",
    )  # fmt: skip
    alone = expectedness(True, "Fever", 4, None)
    assert (alone.derived, alone.difference, alone.reference_version) == (None, None, None)
    nothing = expectedness(None, "Fever", 4, None)
    assert (nothing.expected, nothing.source) == (None, ExpectednessSource.UNDECIDED)
    assert nothing.sentence.startswith("No signed reference safety information was in force")


def test_a_list_that_contradicts_itself_is_refused() -> None:
    """Each repeated term and each grade that its term lacks is named by its place."""
    check_entries([(entry("Fever", 4), ALL), (entry("Headache", None), frozenset({1, 2, 3}))])
    with pytest.raises(DomainError) as refused:
        check_entries(
            [
                (entry("Headache", 4), frozenset({1, 2, 3})),
                (entry("Fever", 5), ALL),
                (entry("Fever", 2), ALL),
            ]
        )
    named = {(reason.code, reason.pointer) for reason in refused.value.reasons}
    assert named == {
        ("grade_not_in_term", "/body/entries/0/max_expected_grade"),
        ("term_twice", "/body/entries/2/term"),
    }


OTHER = "Cardiac disorders - Other, specify"


def test_a_term_that_says_nothing_is_never_listed() -> None:
    """It cannot be put on a list, and one that is on an earlier list expects nothing."""
    with pytest.raises(DomainError) as refused:
        check_entries([(entry("Fever", None), ALL), (entry(OTHER, 4), ALL)])
    (reason,) = refused.value.reasons
    assert (reason.code, reason.pointer) == ("term_says_nothing", "/body/entries/1/term")
    assert not is_listed(OTHER, 1, replace(version(), entries=(entry(OTHER, None),)))


@pytest.mark.parametrize(
    ("word", "term", "grade", "lapses"),
    [(True, "Fever", 3, False), (True, "Fever", 2, False), (True, "Fever", 4, True),
     (True, "Chills", 3, True), (False, "Chills", 5, False), (None, "Chills", 5, False)],
)  # fmt: skip
def test_how_long_the_word_holds(word: bool | None, term: str, grade: int, lapses: bool) -> None:
    """Expected holds for the term up to the grade it was said of; the word of caution stays."""
    assert word_lapses(word, ("Fever", 3), (term, grade)) is lapses


def test_a_word_that_lapsed_is_named() -> None:
    """The list decides again, and what was said before is in the difference."""
    found = expectedness(None, "Fever", 4, version(), lapsed=True)
    assert (found.expected, found.source) == (False, ExpectednessSource.REFERENCE)
    assert found.difference is not None
    assert found.difference.endswith("so state it anew.")
