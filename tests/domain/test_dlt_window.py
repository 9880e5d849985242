"""The DLT window, from the first infusion to 28 days after the last."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import CandidateReason, DltFacts, dlt_candidates, window
from app.domain.dlt_rules import WindowAnchor
from app.domain.vocabulary import DispositionEvent
from tests.domain.dlt_cases import (
    LEVELS,
    RULES,
    START,
    course,
    day,
    event,
    given_infusion,
    left,
    planned_infusion,
)


@pytest.mark.parametrize(("level", "end"), [("A", 28), ("B", 35), ("C", 49)])
def test_window_ends_28_days_after_the_last_infusion(level, end):
    """The window runs to day 28, 35 and 49 for levels A, B and C."""
    observed = window(course(level), RULES)
    assert observed.start_day == START
    assert observed.end_day == observed.projected_end_day == day(end)
    assert observed.evidence == tuple(
        f"inf-{n + 1}" for n in range(LEVELS[level].planned_infusions)
    )


@pytest.mark.parametrize("level", ["A", "B", "C"])
def test_window_anchored_at_the_first_infusion_ends_on_day_28(level):
    """With the anchor at the first infusion every level has the same 28 days."""
    observed = window(course(level), replace(RULES, window_anchor=WindowAnchor.FIRST))
    assert observed.end_day == day(28)


def test_window_anchored_at_the_first_infusion_is_fixed_before_the_last():
    """Infusions to come do not open the end of a window anchored at the first."""
    observed = window(course("C", 1), replace(RULES, window_anchor=WindowAnchor.FIRST))
    assert observed.end_day == observed.projected_end_day == day(28)


def test_an_exclusive_boundary_ends_the_window_one_day_earlier():
    """A boundary that does not belong to the window makes day 27 the last."""
    observed = window(course("A"), replace(RULES, window_end_inclusive=False))
    assert observed.end_day == day(27)


def test_there_is_no_window_before_the_first_infusion():
    """A subject who was never dosed has no window and no candidates."""
    facts = DltFacts(
        level=LEVELS["B"], infusions=(planned_infusion(1, 0),), events=(event(grade=5),)
    )
    assert window(facts, RULES) is None
    assert dlt_candidates(facts, None, RULES) == ()


def test_the_end_is_only_projected_while_infusions_are_to_come():
    """After the first of four infusions the end is projected from the interval."""
    observed = window(course("C", 1), RULES)
    assert observed.end_day is None
    assert observed.anchor_day is None
    assert observed.projected_end_day == day(49)
    assert not observed.is_over(day(365))


def test_a_later_plan_moves_the_projected_end():
    """A planned day later than the interval says moves the projection."""
    facts = course("B", 1)
    facts = replace(facts, infusions=(*facts.infusions, planned_infusion(2, 12)))
    assert window(facts, RULES).projected_end_day == day(40)


def test_a_cancelled_plan_does_not_move_the_projected_end():
    """Two of four infusions are left; the planned day of the cancelled one does not matter."""
    facts = course("C", 1)
    cancelled = planned_infusion(4, 60, cancelled=True)
    facts = replace(facts, infusions=(*facts.infusions, cancelled))
    assert window(facts, RULES).projected_end_day == day(42)


def test_a_delayed_infusion_moves_the_window():
    """The window counts from when the last infusion was given, not planned."""
    facts = replace(course("B", 1), infusions=(given_infusion(1, 0), given_infusion(2, 9)))
    assert window(facts, RULES).end_day == day(37)


@pytest.mark.parametrize(
    "exit_event", [DispositionEvent.WITHDREW_TREATMENT, DispositionEvent.PREGNANCY]
)
def test_an_early_stop_counts_from_the_last_started_infusion(exit_event):
    """A subject who stops after two of four infusions is observed to day 35 (C10)."""
    facts = replace(course("C", 2), dispositions=(left(exit_event, 10),))
    observed = window(facts, RULES)
    assert observed.end_day == day(35)
    assert observed.evidence == ("inf-1", "inf-2", "dis-1")


def test_cancelled_infusions_are_not_waited_for():
    """When the remaining infusions are cancelled, the last started one is the last."""
    facts = course("C", 2)
    cancelled = tuple(planned_infusion(n, 7 * n, cancelled=True) for n in (3, 4))
    facts = replace(facts, infusions=(*facts.infusions, *cancelled))
    assert window(facts, RULES).end_day == day(35)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_infusion_without_any_volume_is_not_the_last(cancelled):
    """Nothing entered the subject (C10), so another one is to come and the end is open."""
    empty = given_infusion(2, 7, volume_ml=Decimal(0), cells=Decimal(0), cancelled=cancelled)
    facts = replace(course("B", 1), infusions=(given_infusion(1, 0), empty))
    assert window(facts, RULES).end_day is None
    given_later = replace(facts, infusions=(*facts.infusions, given_infusion(3, 9)))
    assert window(given_later, RULES).end_day == day(37)
    stopped = replace(facts, dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 8),))
    assert window(stopped, RULES).end_day == day(28)


@pytest.mark.parametrize("anchor", list(WindowAnchor))
def test_an_attempt_that_gave_nothing_begins_the_observation(anchor):
    """A reaction after it is proposed; the length counts from the first or last real infusion."""
    empty = given_infusion(1, 0, volume_ml=Decimal(0), cells=None, cancelled=True)
    attempted = DltFacts(level=LEVELS["A"], infusions=(empty,), events=(event(0, grade=4),))
    rules = replace(RULES, window_anchor=anchor)
    observed = window(attempted, rules)
    assert (observed.start_day, observed.evidence) == (START, ("inf-1",))
    assert len(dlt_candidates(attempted, observed, rules)) == 1
    given_later = replace(attempted, infusions=(empty, given_infusion(2, 3)))
    observed = window(given_later, rules)
    assert (observed.start_day, observed.end_day) == (START, day(31))


def test_attempts_alone_end_the_window_once_the_subject_left():
    """Without any dose the last attempt stands in for the last infusion."""
    empty = given_infusion(1, 0, volume_ml=Decimal(0))
    gone = (left(DispositionEvent.WITHDREW_TREATMENT, 1),)
    facts = DltFacts(level=LEVELS["A"], infusions=(empty,), dispositions=gone)
    assert window(facts, RULES).end_day == day(28)


def test_a_started_infusion_without_recorded_volume_opens_the_window():
    """Reactions during an infusion are seen before somebody files the volume."""
    facts = DltFacts(
        level=LEVELS["A"],
        infusions=(given_infusion(1, 0, volume_ml=None, cells=None),),
        events=(event(0),),
    )
    observed = window(facts, RULES)
    assert observed.end_day == day(28)
    (candidate,) = dlt_candidates(facts, observed, RULES)
    assert candidate.reasons == (CandidateReason.SEVERE_AND_RELATED,)


@given(
    level=st.sampled_from("ABC"),
    delays=st.lists(st.integers(0, 10), min_size=4, max_size=4),
    days=st.integers(1, 60),
)
@settings(max_examples=100)
def test_the_window_holds_exactly_its_days(level, delays, days):
    """From the first infusion to the last plus the length, and not one day more."""
    planned = LEVELS[level].planned_infusions
    offsets = [7 * n + sum(delays[1 : n + 1]) for n in range(planned)]
    infusions = tuple(given_infusion(n + 1, offset) for n, offset in enumerate(offsets))
    observed = window(
        DltFacts(level=LEVELS[level], infusions=infusions), replace(RULES, window_days=days)
    )
    end = offsets[-1] + days
    assert [observed.holds(day(offset)) for offset in (-1, 0, end, end + 1)] == [
        False,
        True,
        True,
        False,
    ]
    assert not observed.is_over(day(end))
    assert observed.is_over(day(end + 1))
