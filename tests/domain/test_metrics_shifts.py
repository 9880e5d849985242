"""Shift tables: which grade a subject begins with, which is the worst since, and who is counted."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.ctcae.tables import LAB_TABLES
from app.domain.lab_grades import background, grades_for
from app.domain.metrics_shifts import GradeShift, ShiftGrade, draw_shifts, shift_tables
from app.domain.vocabulary import LabStatus
from tests.domain.response_cases import infusion, lab, series

ANEMIA = "Anemia"


def draw(*labs, infusions=(infusion(1, 0),)):
    """Grade a subject's results before and since noon of day 0."""
    by_analyte = defaultdict(list)
    for each in labs:
        by_analyte[each.analyte].append(each)
    return draw_shifts(by_analyte, background(infusions, labs, ()))


def grades(*labs, term=ANEMIA):
    """Give the two grades of one term."""
    (found,) = (each for each in draw(*labs) if each.term == term)
    return found.baseline.value, found.worst.value


def hgb(number, value, lln="120", **more):
    """Make a haemoglobin with a lower limit."""
    return replace(
        lab("HGB", number, value, **more), lln=None if lln is None else Decimal(lln), uln=None
    )


@pytest.mark.parametrize(
    ("value", "grade"),
    [("120", "0"), ("119.9", "1"), ("100", "1"), ("99.9", "2"), ("80", "2"), ("79.9", "3")],
)
def test_the_grades_are_those_of_the_ctcae(value, grade):
    """Each boundary of anaemia, at baseline and since."""
    assert grades(hgb(-1, value), hgb(3, value)) == (grade, grade)


def test_the_worst_grade_since_counts():
    """It stays though the last value is better; what came before is the baseline's alone."""
    assert grades(hgb(-9, "70"), hgb(-1, "110"), hgb(3, "95"), hgb(9, "78"), hgb(20, "119")) == (
        "1",
        "3",
    )


def test_a_result_of_the_very_instant_comes_after():
    """The infusion begins at noon: 11 o'clock is before, noon is since."""
    assert grades(hgb(0, "110", hour=11), hgb(0, "90", hour=12)) == ("1", "2")


def test_without_a_result_the_grade_is_missing():
    """No baseline, or nothing since, is a row of its own."""
    assert grades(hgb(3, "90")) == ("missing", "2")
    assert grades(hgb(-3, "90")) == ("2", "missing")


def test_a_withdrawn_result_is_none():
    """Were it counted, the worst grade would be 3."""
    labs = hgb(-1, "110"), hgb(3, "110")
    for status in (LabStatus.ENTERED_IN_ERROR, LabStatus.CANCELLED, LabStatus.PRELIMINARY):
        assert grades(*labs, hgb(4, "70", status=status)) == ("1", "1")
    assert grades(*labs, hgb(4, "70")) == ("1", "3")


def test_what_cannot_be_graded_is_told():
    """Without its lower limit 110 is grade 0 or 1; beside a grade 2 that no longer matters."""
    unknown = hgb(3, "110", lln=None)
    assert grades(hgb(-1, "110"), unknown) == ("1", "not_gradable")
    assert grades(hgb(-1, "110", lln=None), hgb(3, "110")) == ("not_gradable", "1")
    assert grades(hgb(-1, "110"), unknown, hgb(4, "90")) == ("1", "2")


def test_a_bound_that_could_be_worse_is_not_gradable():
    """Below 90 is at least grade 2 and may be grade 3."""
    assert grades(hgb(-1, "110"), hgb(3, "<90"), hgb(4, "95")) == ("1", "not_gradable")
    assert grades(hgb(-1, "110"), hgb(3, "<90"), hgb(4, "75")) == ("1", "3")


def test_before_an_infusion_nothing_shifts():
    """Without a first infusion there is neither a baseline nor a time since."""
    assert draw(hgb(-1, "70"), infusions=()) == ()


def test_an_analyte_without_a_term_has_no_shift():
    """Ferritin has no grades in the CTCAE (C39)."""
    assert draw(*series("FERR", {-1: "900", 3: "5000"})) == ()


def test_both_directions_of_an_analyte_are_rows():
    """Potassium can be too high and too low; the two are apart."""
    found = {each.term: each for each in draw(*series("K", {-1: "4", 3: "2.4", 5: "6.5"}))}
    assert set(found) == {"Hyperkalemia", "Hypokalemia"}
    # 2.4 is below every band of hypokalaemia but the lowest; limits are missing for grade 1.
    assert (found["Hypokalemia"].worst, found["Hyperkalemia"].worst) == (
        ShiftGrade.GRADE_4,
        ShiftGrade.GRADE_3,
    )


def test_every_numeric_grade_has_a_row():
    """Numbers alone never give a fifth grade, which would have no place in a table."""
    known = {each.value for each in ShiftGrade}
    assert {str(rule.grade) for table in LAB_TABLES for rule in table.rules} | {"0"} <= known


def shift(baseline, worst, term=ANEMIA, analyte="HGB"):
    """Make one subject's shift."""
    return GradeShift(
        soc="Blood",
        term=term,
        analyte=analyte,
        baseline=ShiftGrade(baseline),
        worst=ShiftGrade(worst),
    )


def cells(group):
    """Read a group as a mapping."""
    return {(each.baseline.value, each.worst.value): each.subjects for each in group.cells}


def test_the_cells_of_a_table_add_up_to_all_treated():
    """Who has no result of the term is counted as missing, on each level and over all."""
    subjects = [
        ("A", [shift("1", "3")]),
        ("A", [shift("1", "3"), shift("0", "1", "Other", "PLT")]),
        ("B", [shift("missing", "2")]),
        ("B", []),
    ]
    anemia, other = shift_tables(subjects, ("A", "B", "C"))
    assert (anemia.term, other.term) == (ANEMIA, "Other")
    whole, a, b, c = anemia.groups
    assert [group.level for group in anemia.groups] == [None, "A", "B", "C"]
    assert [group.subjects for group in anemia.groups] == [4, 2, 2, 0]
    assert cells(whole) == {("1", "3"): 2, ("missing", "2"): 1, ("missing", "missing"): 1}
    assert (cells(a), cells(c)) == ({("1", "3"): 2}, {})
    assert cells(b) == {("missing", "2"): 1, ("missing", "missing"): 1}
    assert cells(other.groups[0]) == {("0", "1"): 1, ("missing", "missing"): 3}


def test_nobody_has_no_table():
    """Without results there is no table, with or without subjects."""
    assert shift_tables([], ("A",)) == shift_tables([("A", [])], ("A",)) == ()


GRADES = st.sampled_from([each.value for each in ShiftGrade])


@given(st.lists(st.tuples(st.sampled_from("ABC"), GRADES, GRADES), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_levels_add_up_to_the_whole(drawn):
    """Cell by cell, the levels together are what the whole is."""
    subjects = [(level, [shift(before, since)]) for level, before, since in drawn]
    (table,) = shift_tables(subjects, ("A", "B", "C"))
    whole, *levels = table.groups
    added = defaultdict(int)
    for group in levels:
        for key, number in cells(group).items():
            added[key] += number
    assert dict(added) == cells(whole)
    assert sum(added.values()) == whole.subjects == len(drawn)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(40, 160), st.booleans()), max_size=8),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_the_worst_is_never_better_than_any_result(results, has_limit):
    """No result since is certainly worse than the grade of the table."""
    labs = [
        hgb(number, f"{'<' if is_bound else ''}{value}", "120" if has_limit else None,
            name=str(place))
        for place, (number, value, is_bound) in enumerate(results)
    ]  # fmt: skip
    against = background((infusion(1, 0),), labs, ())
    every = [each for one in labs for each in grades_for(one, against)]
    found = draw(*labs)
    assert {each.term for each in found} == {each.term for each in every}
    for each in found:
        own = [one for one in every if one.term == each.term]
        certain, possible = (
            max(x) for x in zip(*((y.grade_min, y.grade_max) for y in own), strict=True)
        )
        if each.worst is ShiftGrade.NOT_GRADABLE:
            assert possible > certain
        else:
            assert int(each.worst) == certain
