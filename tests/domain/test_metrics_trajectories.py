"""Trajectories: what the values of a visit come to, level by level, and their change."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.metrics_laboratory import MARKERS, LaboratoryFacts, draw_laboratory
from app.domain.metrics_trajectories import markers, summarise, trajectories
from app.domain.outcomes import median
from app.domain.response_rules import Anchor
from app.domain.schedule import ScheduleRules
from app.domain.visits import LastInfusion
from tests.domain.response_cases import RULES, day, infusion, measurement, series
from tests.protocol_data import section

VISITS = section("schedule", ScheduleRules).visits
LEVELS = ("A", "B", "C")


def subject(values, analyte="ANC", level="A", *, treated=True):
    """Draw a subject with one infusion and one value on each of some days."""
    facts = LaboratoryFacts(
        level=level,
        last_infusion=LastInfusion(day=day(0), projected=False, evidence=()),
        infusions=(infusion(1, 0),) if treated else (),
        labs=series(analyte, values),
    )
    return draw_laboratory(facts, RULES, VISITS, day(400))


def summed(*subjects, analyte="ANC"):
    """Sum up one analyte; groups by level."""
    every = (*trajectories(subjects, LEVELS, RULES, VISITS), *markers(subjects, LEVELS, VISITS))
    (found,) = (each for each in every if each.analyte == analyte)
    return {group.level: group for group in found.groups}


def point(group, visit, anchor=Anchor.LAST):
    """Pick one visit."""
    (found,) = (each for each in group.visits if (each.visit, each.anchor) == (visit, anchor))
    return found


def numbers(summary):
    """Read a summary as n, median, minimum, maximum and bounds."""
    return summary.n, summary.median, summary.minimum, summary.maximum, summary.bounds


def test_worked_by_hand():
    """Three neutrophil counts of week 4, two baselines, one subject of another level."""
    found = summed(
        subject({-1: "0.3", 28: "1.0"}),
        subject({-2: "0.5", 27: "0.9", 30: "5"}),
        subject({28: "2.0"}, level="B"),
    )
    whole = point(found[None], "W4")
    assert numbers(whole.value) == (3, Decimal("1.0"), Decimal("0.9"), Decimal("2.0"), 0)
    assert numbers(whole.change) == (2, Decimal("0.55"), Decimal("0.4"), Decimal("0.7"), 0)
    assert (whole.target_day, found[None].subjects) == (28, 3)
    assert numbers(found[None].baseline) == (2, Decimal("0.4"), Decimal("0.3"), Decimal("0.5"), 0)
    assert numbers(point(found["A"], "W4").value)[:2] == (2, Decimal("0.95"))
    assert numbers(point(found["B"], "W4").change) == (0, None, None, None, 0)
    assert (found["C"].subjects, found["C"].visits) == (0, ())
    assert numbers(found["C"].baseline) == (0, None, None, None, 0)


def test_lineages_and_markers_are_all_there():
    """In the order of the protocol and of the record, with names and units, results or not."""
    lineages = trajectories([], LEVELS, RULES, VISITS)
    assert [(x.analyte, x.unit) for x in lineages] == [
        ("ANC", "10*9/L"),
        ("PLT", "10*9/L"),
        ("HGB", "g/L"),
    ]
    found = markers([], LEVELS, VISITS)
    assert tuple(each.analyte for each in found) == MARKERS
    assert (found[0].name, [group.level for group in found[0].groups]) == (
        "Ferritin",
        [None, *LEVELS],
    )
    assert all(group.visits == () for each in found for group in each.groups)


def test_a_visit_without_values_is_left_out():
    """Only week 1 was measured, from either anchor: one infusion is the first and the last."""
    group = summed(subject({7: "900"}, "FERR"), analyte="FERR")[None]
    assert [(each.anchor, each.visit) for each in group.visits] == [
        (Anchor.FIRST, "W1"),
        (Anchor.LAST, "W1"),
    ]


def test_bounds_are_counted_as_their_limit():
    """Below 5 stands for 5 and is told; from it an increase is only a bound as well."""
    subjects = (subject({-1: "<5", 7: "12"}, "IL6"), subject({-1: "8", 7: "<5"}, "IL6"))
    group = summed(*subjects, analyte="IL6")[None]
    assert numbers(group.baseline) == (2, Decimal("6.5"), Decimal(5), Decimal(8), 1)
    week = point(group, "W1")
    assert numbers(week.value) == (2, Decimal("8.5"), Decimal(5), Decimal(12), 1)
    assert numbers(week.change) == (2, Decimal(2), Decimal(-3), Decimal(7), 2)


def test_two_bounds_may_say_nothing_of_a_change():
    """From below 5 to below 3 the value may have gone either way."""
    week = point(summed(subject({-1: "<5", 7: "<3"}, "IL6"), analyte="IL6")[None], "W1")
    assert (week.value.n, week.change.n) == (1, 0)


def test_an_untreated_subject_adds_nothing():
    """Without a first infusion there is no visit to count."""
    group = summed(subject({-1: "0.3", 28: "1"}, treated=False))[None]
    assert (group.subjects, group.baseline.n, group.visits) == (0, 0, ())


VALUES = st.lists(st.integers(0, 4000).map(lambda number: Decimal(number) / 100), max_size=9)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_a_summary_is_exact(values):
    """The median is that of the domain, to the last digit; the ends are values themselves."""
    found = summarise(measurement(str(value)) for value in values)
    assert (found.n, found.median) == (len(values), median(values))
    assert (found.minimum, found.maximum) == (min(values, default=None), max(values, default=None))


@given(st.lists(st.tuples(st.sampled_from(LEVELS), st.integers(25, 31), st.integers(1, 99))))
@settings(max_examples=50, deadline=None)
def test_levels_add_up_to_the_whole(drawn):
    """Every subject with a value of week 4 is in the whole and in one level."""
    found = summed(*(subject({number: str(value)}, level=level) for level, number, value in drawn))
    counted = [
        sum(each.value.n for each in found[level].visits if each.anchor is Anchor.LAST)
        for level in (None, *LEVELS)
    ]
    assert counted[0] == sum(counted[1:]) == len(drawn)
