"""The weeks: at and within, from first and last infusion, their windows and when they are due."""

from dataclasses import replace
from itertools import product

import pytest

from app.domain.response_endpoints import CategoryReason
from app.domain.response_rules import Anchor, WeekMode
from tests.domain.response_cases import (
    GOOD,
    LOW,
    RULES,
    category,
    day,
    disposition,
    endpoint,
    infusion,
    medication,
    panels,
    respond,
    series,
    transfusion,
)

START = panels({})
TWICE = (infusion(1, 0), infusion(2, 7))


@pytest.mark.parametrize(
    ("days", "chosen"),
    [((25,), 25), ((31,), 31), ((26, 30), 26), ((26, 29), 29), ((25, 28, 31), 28), ((27, 29), 27)],
)
def test_week_is_read_at_the_nearest_count_and_on_a_tie_at_the_earlier(days, chosen):
    """Within 3 days of the visit the nearest count is looked at."""
    reading = endpoint(respond(panels(dict.fromkeys(days, LOW))), 4)
    assert (reading.test_day, reading.standing.category) == (day(chosen), "NR")
    assert (reading.window.first_day, reading.window.last_day) == (day(25), day(31))


@pytest.mark.parametrize("number", [24, 32])
def test_count_outside_the_visit_window_is_not_evaluable(number):
    """Four days off is out of the window: NE, however good the count is."""
    reading = endpoint(respond(panels({7: GOOD, 14: GOOD, number: GOOD})), 4)
    assert (reading.standing.category, reading.standing.reason) == ("NE", CategoryReason.NO_TEST)
    assert (reading.test_day, reading.standing.final) == (None, True)


def test_at_reads_the_state_and_within_reads_the_past():
    """A response lost before the visit counts within the weeks, not at the visit (C7)."""
    lost = respond(panels({7: GOOD, 14: GOOD, 21: LOW, 28: LOW}))
    assert (category(lost, 4), category(lost, 4, "within")) == ("NR", "CR")
    window = endpoint(lost, 4, "within").window
    assert (window.first_day, window.last_day) == (day(1), day(28))
    late = respond(panels({28: LOW, 35: GOOD, 42: GOOD}))
    assert (category(late, 4), category(late, 4, "within")) == ("NR", "NR")
    assert category(late, 8, "within") == "CR"


def test_transfusion_on_the_visit_day_ends_the_response_that_day():
    """Who is transfused on the day of the count is not free of transfusion on it."""
    labs = panels({14: GOOD, 21: GOOD, 28: GOOD})
    assert category(respond(labs, transfusion(28)), 4) == "NR"
    assert category(respond(labs, transfusion(29)), 4) == "CR"


@pytest.mark.parametrize(("start", "found"), [(28, "CR"), (29, "NR")])
def test_within_counts_a_start_up_to_the_day_itself(start, found):
    """A response that begins on day 28 is within four weeks; the confirmation may come later."""
    labs = panels({20: LOW, start: GOOD, 40: GOOD})
    assert category(respond(labs), 4, "within") == found


@pytest.mark.parametrize(("given_on", "distance"), [((0,), 0), ((0, 7), 7), ((0, 7, 14, 21), 21)])
def test_first_and_last_infusion_are_0_7_and_21_days_apart(given_on, distance):
    """The two anchors coincide in group A and drift apart in B and C (C7)."""
    infusions = tuple(infusion(i + 1, number) for i, number in enumerate(given_on))
    response = respond(START, infusions=infusions, planned=len(given_on))
    last, first = endpoint(response, 8), endpoint(response, 8, anchor="first")
    assert first.window.target_day == day(56)
    assert (last.window.target_day - first.window.target_day).days == distance


def test_four_readings_of_one_history_can_all_differ_in_what_they_see():
    """Group B: neutrophils respond only between day 28 and day 35."""
    labs = (*START, *series("ANC", {27: "0.3", 33: "0.9", 36: "0.9", 40: "0.3"}))
    response = respond(labs, infusions=TWICE, planned=2)
    found = {
        (mode, anchor): category(response, 4, mode, anchor)
        for mode, anchor in product(("at", "within"), ("first", "last"))
    }
    assert found == {
        ("at", "first"): "NR",
        ("within", "first"): "NR",
        ("at", "last"): "PR",
        ("within", "last"): "PR",
    }


def test_only_the_registered_reading_is_primary():
    """At week 4 and 8 after the last infusion is the registered outcome; config moves it."""
    primary = [x.reading for x in respond(START).endpoints if x.reading.primary]
    assert [(x.week, x.mode, x.anchor) for x in primary] == [(4, "at", "last"), (8, "at", "last")]
    rules = replace(RULES, week_mode=WeekMode.WITHIN, anchor=Anchor.FIRST)
    primary = [x.reading for x in respond(START, rules=rules).endpoints if x.reading.primary]
    assert {(x.mode, x.anchor) for x in primary} == {("within", "first")}
    assert endpoint(respond(START), 4).rule == "response.week_mode=at;response.anchor=last"


def test_last_anchored_weeks_wait_for_planned_infusions():
    """While an infusion is to come, nobody knows which one is the last (C10)."""
    one = (infusion(1, 0), infusion(2, None))
    labs = panels({28: LOW})
    response = respond(labs, infusions=one, planned=2)
    waiting = endpoint(response, 4)
    assert waiting.standing.reason is CategoryReason.INFUSIONS_TO_COME
    assert (waiting.window, waiting.standing.category) == (None, "not_due")
    assert category(response, 4, anchor="first") == "NR"
    assert category(respond(labs, planned=2), 4) == "not_due"
    cancelled = (infusion(1, 0), infusion(2, None, cancelled=True))
    assert category(respond(labs, infusions=cancelled, planned=2), 4) == "NR"


def test_a_start_that_gave_nothing_is_still_made_up_for():
    """Cancelled after an empty start, the infusion is to come again, prescribed or not."""
    dry = replace(infusion(1, 0), volume_ml=infusion(1, 0).volume_ml * 0, cancelled=True)
    labs = panels({29: LOW, 36: LOW})
    found = [
        endpoint(respond(labs, infusions=(dry, infusion(2, 1), *more), planned=2), 4).standing
        for more in ((), (infusion(3, None),), (infusion(3, 8),))
    ]
    assert [each.reason for each in found[:2]] == [CategoryReason.INFUSIONS_TO_COME] * 2
    assert found[2].category == "NR"


def test_early_stop_counts_from_the_last_infusion_given():
    """Who withdraws from treatment is followed from the infusion that was started (C10)."""
    one = (infusion(1, 0), infusion(2, None))
    gone = disposition("withdrew_treatment", 10)
    response = respond(panels({28: LOW}), gone, infusions=one, planned=2)
    assert (category(response, 4), endpoint(response, 4).window.target_day) == ("NR", day(28))
    assert response.observation_end is None


def test_infusion_without_volume_was_not_given():
    """A bag that was hung but never ran does not move the anchor."""
    dry = replace(infusion(2, 7), volume_ml=infusion(2, 7).volume_ml * 0, cancelled=True)
    response = respond(panels({28: LOW}), infusions=(infusion(1, 0), dry), planned=2)
    assert response.treatment.last_day == day(0)


@pytest.mark.parametrize(
    ("as_of", "labs", "expected"),
    [
        (24, {}, ("not_due", CategoryReason.BEFORE_WINDOW, False)),
        (25, {}, ("not_due", CategoryReason.AWAITING_TEST, False)),
        (31, {}, ("not_due", CategoryReason.AWAITING_TEST, False)),
        (32, {}, ("NE", CategoryReason.NO_TEST, True)),
        (25, {25: LOW}, ("NR", None, False)),
        (31, {25: LOW}, ("NR", None, False)),
        (32, {25: LOW}, ("NR", None, True)),
    ],
)
def test_reading_at_becomes_due_and_final_with_its_window(as_of, labs, expected):
    """Not due before the window, provisional in it, final after it."""
    standing = endpoint(respond(panels(labs), as_of=as_of), 4).standing
    assert (standing.category.value, standing.reason, standing.final) == expected


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [(27, ("not_due", False)), (28, ("CR", False)), (29, ("CR", True))],
)
def test_reading_within_is_due_on_its_last_day(as_of, expected):
    """Within four weeks is asked for on day 28, and settled after it."""
    standing = endpoint(respond(panels({7: GOOD, 14: GOOD}), as_of=as_of), 4, "within").standing
    assert (standing.category.value, standing.final) == expected


def test_reading_within_without_any_count_is_not_evaluable():
    """No count at all by the day: nobody knows."""
    assert category(respond(panels({32: GOOD, 35: GOOD})), 4, "within") == "NE"
    assert category(respond(START, as_of=28), 4, "within") == "not_due"


def test_departure_settles_what_can_no_longer_come():
    """After a death on day 10 no count will come, so week 4 need not be waited for."""
    standing = endpoint(respond(START, disposition("died", 10), as_of=12), 4).standing
    assert (standing.category, standing.final) == ("NE", True)


def test_counts_after_a_therapy_of_its_own_do_not_count():
    """A response after a stem cell boost is not this treatment's (C19)."""
    labs = panels({14: LOW, 24: GOOD, 28: GOOD})
    boosted = respond(labs, medication("stem_cell_boost", 20))
    assert (category(boosted, 4), category(boosted, 4, "within")) == ("NE", "NR")
    assert boosted.observation_end.evidence == ("stem_cell_boost20",)
    assert category(respond(labs, medication("stem_cell_boost", -20)), 4) == "CR"
