"""What one subject's laboratory adds: the value of a day, of a visit, and of the baseline."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.analytes import find_analyte
from app.domain.metrics_laboratory import (
    MARKERS,
    DayValue,
    LaboratoryFacts,
    draw_laboratory,
    followed_analytes,
)
from app.domain.quantities import Comparator, Measurement
from app.domain.response_rules import Anchor, SameDayRule
from app.domain.response_timeline import build_timeline
from app.domain.schedule import ScheduleRules
from app.domain.visits import LastInfusion
from app.domain.vocabulary import LabStatus
from tests.domain.response_cases import RULES, day, facts, infusion, lab, moment, series
from tests.protocol_data import section

VISITS = section("schedule", ScheduleRules).visits


def last(number, *, projected=False):
    """Say which infusion visits count from."""
    return LastInfusion(day=day(number), projected=projected, evidence=())


def draw(*labs, infusions=(infusion(1, 0),), ends=0, today=400, rules=RULES, **more):
    """Draw what a subject of level A adds; `ends` is the day of the last infusion."""
    known = LaboratoryFacts(
        level="A",
        last_infusion=None if ends is None else last(ends),
        infusions=infusions,
        labs=tuple(labs),
        **more,
    )
    return draw_laboratory(known, rules, VISITS, day(today))


def visit_days(drawn, analyte="ANC", anchor=Anchor.LAST):
    """List the day whose value stands for each visit."""
    found = drawn.visits.get(analyte, ())
    return {each.visit: each.found.day for each in found if each.anchor is anchor}


def test_before_the_first_infusion_nothing_has_a_day():
    """Without an infusion that began there is no day 0, so neither series nor shifts."""
    for infusions in ((), (infusion(1, None),)):
        drawn = draw(*series("ANC", {-3: "0.4"}), infusions=infusions, ends=None)
        assert drawn.first_infusion_day is None
        assert (drawn.baselines, drawn.series, drawn.visits, drawn.shifts) == ({}, {}, {}, ())
        assert drawn.level == "A"


def test_a_start_that_gave_nothing_is_no_first_infusion():
    """Days count from the first start that may have brought product into the subject."""
    empty = replace(infusion(1, 0), volume_ml=Decimal(0))
    drawn = draw(*series("ANC", {-1: "0.3", 7: "0.9"}), infusions=(empty, infusion(2, 7)), ends=7)
    assert drawn.first_infusion_day == day(7)
    assert [value.day for value in drawn.series["ANC"]] == [-8, 0]


def test_a_start_without_a_volume_counts():
    """Product may have entered, so days count from there until somebody says otherwise."""
    unknown = replace(infusion(1, 0), volume_ml=None)
    assert draw(infusions=(unknown,)).first_infusion_day == day(0)


def test_the_lowest_value_of_a_day_counts():
    """The rule of the same day is that of response (response.same_day_rule)."""
    labs = [
        lab("ANC", 3, "0.9", hour=8),
        lab("ANC", 3, "0.7", hour=9),
        lab("ANC", 3, "0.8", hour=20),
    ]
    assert draw(*labs).series["ANC"] == (DayValue(3, Decimal("0.7"), None),)
    latest = replace(RULES, same_day_rule=SameDayRule.LATEST)
    assert draw(*labs, rules=latest).series["ANC"] == (DayValue(3, Decimal("0.8"), None),)


@pytest.mark.parametrize("status", LabStatus)
def test_only_usable_numbers_count(status):
    """Provisional, cancelled and withdrawn results are no values, and neither is a finding."""
    usable = status in {LabStatus.FINAL, LabStatus.CORRECTED, LabStatus.AMENDED}
    drawn = draw(lab("CRP", 5, "12", status=status))
    assert ("CRP" in drawn.series) is usable
    assert draw(lab("CRP", 5, None, status=status)).series == {}


def test_a_bound_keeps_its_comparator():
    """Below 5 is not 5: the comparator stays beside the number."""
    (value,) = draw(lab("IL6", 2, "<5")).series["IL6"]
    assert value == DayValue(2, Decimal(5), Comparator.LT)
    assert value.measurement == Measurement(Decimal(5), Comparator.LT)


def test_the_baseline_is_the_last_usable_value_before_the_start():
    """Infusions start at noon: 11 o'clock is before, noon is not (C18)."""
    labs = (lab("PLT", 0, "20", hour=11), lab("PLT", 0, "30", hour=12), lab("PLT", -4, "10"))
    drawn = draw(*labs)
    assert drawn.baselines == {"PLT": DayValue(0, Decimal(20), None)}
    assert [value.day for value in drawn.series["PLT"]] == [-4, 0]


def test_an_analyte_that_nobody_follows_has_no_series():
    """Sodium is graded and has neither a baseline value nor a series here."""
    drawn = draw(lab("NA", -1, "140"), lab("NA", 3, "128"))
    assert (drawn.series, drawn.baselines) == ({}, {})
    assert [shift.term for shift in drawn.shifts] == ["Hypernatremia", "Hyponatremia"]


def test_what_lies_after_today_is_not_seen():
    """Today's value counts, tomorrow's does not."""
    labs = series("ANC", {9: "0.5", 10: "0.6"})
    assert [value.day for value in draw(*labs, today=9).series["ANC"]] == [9]


def test_the_markers_are_those_of_the_record():
    """Ferritin, CRP, LDH, lymphocyte subsets, immunoglobulins and cytokines, each in the catalogue.

    Procalcitonin is an inflammatory marker too, and the record does not name it (C39).
    """
    assert MARKERS[:3] == ("FERR", "CRP", "LDH")
    assert {"CD3_ABS", "CD4_CD8", "NK_PCT", "IGG", "IGA", "IGM", "IL6", "TNFA"} <= set(MARKERS)
    assert "PCT_PROC" not in MARKERS
    assert len(set(MARKERS)) == len(MARKERS)
    assert all(find_analyte(key).key == key for key in MARKERS)
    assert followed_analytes(RULES)[:3] == ("ANC", "PLT", "HGB")


@pytest.mark.parametrize(
    ("on_day", "visit"),
    [
        (0, None), (1, None), (3, None), (4, "W1"), (10, "W1"), (11, "W2"), (17, "W2"), (25, "W4"),
        (31, "W4"), (59, "W8"), (60, None), (76, None), (77, "W12"), (91, "W12"), (92, None),
        (161, "W24"), (175, "W24"), (176, None),
    ],
)  # fmt: skip
def test_a_value_stands_for_the_visit_in_whose_window_it_lies(on_day, visit):
    """Three days on either side to week 8, seven later; in between no visit has it (C11)."""
    found = visit_days(draw(lab("ANC", on_day, "0.5")))
    assert found == ({visit: on_day} if visit else {})


def test_the_day_nearest_to_the_target_stands_for_the_visit():
    """Day 28 before 27 and 30; of two as near, the earlier one."""
    assert visit_days(draw(*series("ANC", {25: "1", 27: "2", 28: "3", 30: "4"}))) == {"W4": 28}
    assert visit_days(draw(*series("ANC", {27: "2", 29: "4"}))) == {"W4": 27}


def test_each_analyte_has_its_own_days():
    """Ferritin of day 30 stands for week 4 though a blood count was taken on day 28."""
    drawn = draw(lab("ANC", 28, "1.0"), lab("FERR", 30, "900"))
    assert (visit_days(drawn), visit_days(drawn, "FERR")) == ({"W4": 28}, {"W4": 30})


def test_visits_count_from_both_infusions():
    """Day 28 is week 4 from the first infusion and week 1 from the last one on day 21 (C7, C11)."""
    drawn = draw(lab("ANC", 28, "1.0"), ends=21)
    assert visit_days(drawn, anchor=Anchor.FIRST) == {"W4": 28}
    assert visit_days(drawn, anchor=Anchor.LAST) == {"W1": 28}


@pytest.mark.parametrize("planned", [None, last(21, projected=True)])
def test_from_an_infusion_to_come_no_visit_counts(planned):
    """While infusions are outstanding only the first one is sure."""
    known = LaboratoryFacts(
        level="C",
        last_infusion=planned,
        infusions=(infusion(1, 0),),
        labs=series("ANC", {28: "1.0"}),
    )
    drawn = draw_laboratory(known, RULES, VISITS, day(40))
    assert visit_days(drawn, anchor=Anchor.LAST) == {}
    assert visit_days(drawn, anchor=Anchor.FIRST) == {"W4": 28}


PANELS = st.dictionaries(
    st.integers(-10, 60),
    st.lists(st.tuples(st.integers(0, 23), st.integers(0, 30)), min_size=1, max_size=3),
    max_size=8,
)


@given(PANELS)
@settings(max_examples=60, deadline=None)
def test_a_series_has_the_values_that_response_tests(panels):
    """On every day after the first infusion the series has the very value that response reads."""
    labs = tuple(
        lab("ANC", number, str(Decimal(value) / 10), hour=hour, name=f"{number}-{place}")
        for number, values in panels.items()
        for place, (hour, value) in enumerate(values)
    )
    drawn = draw(*labs)
    timeline = build_timeline(facts(labs), RULES, day(400))
    tests = next(x for x in timeline.lineages if x.criteria.analyte == "ANC").tests
    later = [(each.day, each.value) for each in drawn.series.get("ANC", ()) if each.day > 0]
    assert later == [((test.day - day(0)).days, test.value) for test in tests]


@given(PANELS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_facts_does_not_matter(panels, shuffle):
    """Results recorded in any order draw the same course."""
    labs = [
        lab("PLT", number, str(value), hour=hour, name=f"{number}-{place}")
        for number, values in panels.items()
        for place, (hour, value) in enumerate(values)
    ]
    other = list(labs)
    shuffle.shuffle(other)
    assert draw(*labs) == draw(*other)


@given(st.integers(1, 200), st.integers(-3, 190))
@settings(max_examples=100, deadline=None)
def test_a_visit_has_the_value_of_a_day_in_its_window(ends, number):
    """Whatever infusion is the last one, the value lies in the window counted from it."""
    drawn = draw(lab("HGB", number, "80"), ends=ends)
    windows = {offset.name: offset for offset in VISITS.offsets}
    for anchor, start in ((Anchor.FIRST, 0), (Anchor.LAST, ends)):
        for name, found in visit_days(drawn, "HGB", anchor).items():
            away = found - start - windows[name].target_day
            assert abs(away) <= windows[name].window_days


def test_moments_of_the_cases_are_local():
    """The cases above rest on infusions at noon of day 0 in the study's zone."""
    assert infusion(1, 0).started_at == moment(0, 12)
    assert day(1) - day(0) == timedelta(days=1)
