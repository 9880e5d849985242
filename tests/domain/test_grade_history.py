"""The grades of an event: what stood when, what was never right, and the worst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.grade_history import GradeStated, corrected_by, grade_steps, worst_grade

START = datetime(2026, 6, 1, tzinfo=UTC)


def stated(*grades: int) -> list[GradeStated]:
    """State one grade for each version, an hour apart."""
    return [
        GradeStated(
            version=number, grade=grade, at=START + timedelta(hours=number), source=f"op-{number}"
        )
        for number, grade in enumerate(grades, start=1)
    ]


def test_a_grade_stands_until_another_is_stated() -> None:
    """Versions that leave the grade alone make no step; the last step has no end."""
    first, second = grade_steps(stated(2, 2, 4), ())
    assert (first.grade, first.version, first.since) == (2, 1, START + timedelta(hours=1))
    assert first.until == second.since == START + timedelta(hours=3)
    assert (second.grade, second.version, second.until, second.source) == (4, 3, None, "op-3")


def test_getting_better_keeps_the_worst() -> None:
    """Two, four, two: the worst is four, however the event ended."""
    assert worst_grade(grade_steps(stated(2, 4, 2), ())) == 4


def test_a_corrected_grade_was_never_there() -> None:
    """The correction takes away the grade before it alone, not what was right before that."""
    steps = grade_steps(stated(3, 4, 2), {3})
    assert [step.mistaken for step in steps] == [False, True, False]
    assert worst_grade(steps) == 3
    assert worst_grade(grade_steps(stated(4, 2), {2})) == 2


def test_the_grade_on_record_is_never_mistaken() -> None:
    """A correction without a following grade, or of a version that is not there, hides nothing."""
    assert worst_grade(grade_steps(stated(3), {1, 2})) == 3


@settings(max_examples=100)
@given(
    grades=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    corrections=st.sets(st.integers(2, 8), max_size=4),
)
def test_the_worst_lies_between_the_present_and_the_highest(
    grades: list[int], corrections: set[int]
) -> None:
    """Never below the grade on record, never above what was stated; each step differs."""
    steps = grade_steps(stated(*grades), corrections)
    assert grades[-1] <= worst_grade(steps) <= max(grades)
    assert worst_grade(grade_steps(stated(*grades), ())) == max(grades)
    assert all(a.grade != b.grade and a.until == b.since for a, b in pairwise(steps))


def corrected(grades: tuple[int, ...], grade: int, said: bool, term: set[int]) -> set[int]:
    """Tell what a further version corrects that states a grade of a term with these grades."""
    steps = grade_steps(stated(*grades), ())
    return set(corrected_by(steps, grade, len(grades) + 1, term, said))


ALL = {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("before", "after", "said", "expected"),
    [(3, 2, False, False), (3, 2, True, True), (2, 3, True, True), (5, 4, False, True),
     (5, 5, False, False), (4, 5, False, False)],
)  # fmt: skip
def test_what_is_a_correction(before: int, after: int, said: bool, expected: bool) -> None:
    """Only what is said to be one, and whatever leads back from death."""
    assert corrected((before,), after, said, ALL) == ({2} if expected else set())


def test_a_correction_needs_another_grade() -> None:
    """To say that a grade was wrong and give the same is refused."""
    with pytest.raises(DomainError) as refused:
        corrected((3,), 3, True, ALL)
    assert refused.value.code == "no_other_grade"


def test_a_term_that_lacks_the_worst_grade_needs_a_correction() -> None:
    """A grade four under a term up to three never was; a grade below the one stated may have."""
    with pytest.raises(DomainError) as refused:
        corrected((4,), 2, False, {1, 2, 3})
    assert (refused.value.code, refused.value.reasons[0].pointer) == (
        "worst_grade_not_in_term", "/body/corrects_grade",
    )  # fmt: skip
    assert corrected((4,), 2, True, {1, 2, 3}) == {2}
    assert corrected((2,), 4, False, {3, 4, 5}) == set()


def test_every_worse_grade_that_the_term_lacks_is_corrected_at_once() -> None:
    """Also one that got better before the term was corrected, even if the grade stays."""
    assert corrected((4, 2), 2, True, {1, 2, 3}) == {2}
    assert corrected((4, 3, 4, 2), 1, True, {1, 2}) == {2, 3, 4, 5}
    with pytest.raises(DomainError):
        corrected((4, 5), 3, False, {1, 2, 3})


@settings(max_examples=100)
@given(
    grades=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    term=st.sets(st.integers(1, 5), min_size=1),
    said=st.booleans(),
    data=st.data(),
)
def test_the_worst_grade_is_one_of_the_term(
    grades: list[int], term: set[int], said: bool, data: st.DataObject
) -> None:
    """Whatever was on record and is corrected, what counts is a grade that the term has."""
    grade = data.draw(st.sampled_from(sorted(term)))
    try:
        wrong = corrected(tuple(grades), grade, said, term)
    except DomainError:
        return
    assert worst_grade(grade_steps(stated(*grades, grade), wrong)) in term
