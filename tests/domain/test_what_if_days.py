"""Suppositions on their day: whose windows are over by then, and what is left of the doses."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import DltFacts
from app.domain.dlt_rules import UnderdosedSlot
from app.domain.escalation_steps import LadderAction
from app.domain.evaluability import EvaluabilityState, evaluability
from app.domain.vocabulary import DispositionEvent
from app.domain.what_if import Supposition
from tests.domain.dlt_cases import (
    CELLS,
    LEVELS,
    course,
    day,
    given_infusion,
    left,
    planned_infusion,
)
from tests.domain.ladder_cases import UP_TO
from tests.domain.what_if_cases import (
    IN_WINDOW,
    RULES,
    clean,
    enrolled,
    found,
    observed,
    shifted,
    summary,
    suppose,
    with_dlt,
)


def test_who_closes_later_is_still_out_when_the_next_one_is_through():
    """One DLT and two in the window on other days: the level waits for the last of them."""
    later = enrolled("3", shifted(course("A"), 4), IN_WINDOW)
    cases = suppose(with_dlt("1"), observed("2"), later)
    (one,) = found(cases, Supposition.COMPLETES)
    assert (one.subject_ids, one.day) == (("2",), day(29))
    assert summary(one)[0] is LadderAction.HOLD
    assert one.changes == ()
    (both,) = found(cases, Supposition.ALL_COMPLETE)
    assert (both.subject_ids, both.day) == (("2", "3"), day(33))
    assert summary(both) == (LadderAction.EXPAND_TO_SIX, "A", None)


# The day of the supposition


def test_windows_that_close_before_the_supposed_day_are_over():
    """Two whose last day is today have come through tomorrow, when the third has its toxicity."""
    closing = [enrolled(name, course("A"), 28) for name in "12"]
    open_ = enrolled("3", shifted(course("A"), 5), 28)
    cases = suppose(*closing, open_, today=28)
    (third,) = (each for each in found(cases, Supposition.DLT) if each.subject_ids == ("3",))
    assert third.day == day(29)
    assert summary(third) == (LadderAction.EXPAND_TO_SIX, "A", None)


def test_a_toxicity_is_supposed_on_a_day_of_the_window_only():
    """On the last day of the window it is today's; the others are in theirs as well then."""
    for today, supposed in ((26, 27), (27, 28), (28, 28)):
        cases = suppose(*(observed(name, today=today) for name in "12"), today=today)
        assert {each.day for each in found(cases, Supposition.DLT)} == {day(supposed)}
    assert found(suppose(observed("1", today=29), today=29), Supposition.DLT) == []


def test_who_is_replaced_counts_with_a_toxicity():
    """Too small a dose is no evidence of tolerance, and a toxicity after it is one."""
    rules = replace(
        RULES,
        dlt=replace(
            RULES.dlt,
            evaluability=replace(
                RULES.dlt.evaluability, underdosed_slot=UnderdosedSlot.WHEN_DOSING_ENDS
            ),
        ),
    )
    low = shifted(course("A"), 0, cells=CELLS / 2)
    judged = evaluability(low, day(IN_WINDOW), rules.dlt, rules.schedule.infusion_window_days)
    assert judged.state is EvaluabilityState.NOT_EVALUABLE
    subject = enrolled("3", low, IN_WINDOW, evaluability=judged)
    cases = suppose(clean("1"), clean("2"), subject, rules=rules)
    assert [case.supposition for case in cases] == [Supposition.DLT]
    assert summary(cases[0]) == (LadderAction.EXPAND_TO_SIX, "A", None)


def test_nobody_who_left_the_observation_is_supposed_to_have_a_toxicity():
    """Who withdrew consent has no tomorrow on record; who stopped treatment is still observed."""
    for exit_, number in (("withdrew_consent", 0), ("withdrew_treatment", 1)):
        gone = replace(course("A"), dispositions=(left(DispositionEvent(exit_), 5),))
        cases = suppose(enrolled("1", gone, IN_WINDOW))
        assert len(found(cases, Supposition.DLT)) == number, exit_


# What is left of the doses


def test_too_small_a_dose_stays_too_small():
    """Whoever got half of the cells comes through and is to be replaced, as the ladder says."""
    low = enrolled("3", shifted(course("A"), 0, cells=CELLS / 2), IN_WINDOW)
    (through,) = found(suppose(clean("1"), clean("2"), low), Supposition.COMPLETES)
    assert summary(through) == (LadderAction.ENROL, "A", None)
    assert through.outlook.slots_open_now == 1


def test_an_unrecorded_dose_stays_unrecorded():
    """No supposition files the cells; until somebody does the subject is unresolved."""
    unfiled = enrolled("3", shifted(course("A"), 0, cells=None), IN_WINDOW)
    (through,) = found(suppose(clean("1"), clean("2"), unfiled), Supposition.COMPLETES)
    assert summary(through) == (LadderAction.HOLD, "A", None)
    assert [each.code for each in through.outlook.blocked_by] == ["unresolved"]


@settings(max_examples=60, deadline=None)
@given(
    level=st.sampled_from("ABC"),
    started=st.integers(1, 4),
    planned=st.integers(0, 3),
    late=st.integers(0, 9),
)
def test_the_infusions_to_come_are_given_in_full_by_the_projected_day(
    level, started, planned, late
):
    """Prescribed or not, all are given, and the window closes on the day it was projected to."""
    total = LEVELS[level].planned_infusions
    started = min(started, total)
    infusions = [given_infusion(number, 7 * number) for number in range(1, started + 1)]
    infusions += [
        planned_infusion(number, 7 * number + late)
        for number in range(started + 1, min(started + planned, total) + 1)
    ]
    facts = DltFacts(level=LEVELS[level], infusions=tuple(infusions))
    subject = enrolled("1", facts, 7 * started + 1)
    window = subject.evaluability.window
    last_day = window.end_day or window.projected_end_day
    cases = suppose(subject, steps=UP_TO[level], today=7 * started + 1)
    (through,) = found(cases, Supposition.COMPLETES)
    assert through.day == last_day + timedelta(days=1)
    below = [clean(f"{lower}{number}", lower) for lower in "ABC"[: "ABC".index(level)]
             for number in range(3)]  # fmt: skip
    mates = [clean("2", level), clean("3", level)]
    cases = suppose(*below, *mates, subject, steps=UP_TO[level], today=7 * started + 1)
    (through,) = found(cases, Supposition.COMPLETES)
    assert through.outlook.blocked_by == ()
    assert through.outlook.recommendation in (LadderAction.ESCALATE, LadderAction.LEVEL_TOLERATED)
