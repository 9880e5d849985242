"""Evaluability: who counts for the escalation, who is replaced, who is still out."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import evaluability as judging
from app.domain.dlt import DltFacts
from app.domain.dlt_rules import DltRules, UnderdosedSlot, WindowAnchor
from app.domain.evaluability import Evaluability, EvaluabilityState
from app.domain.vocabulary import Causality, DispositionEvent
from tests.domain.dlt_cases import (
    CELLS,
    LEVELS,
    NOON,
    RULES,
    adjudication,
    course,
    day,
    event,
    given_infusion,
    left,
    planned_infusion,
)

IN_WINDOW, UNRESOLVED = EvaluabilityState.IN_WINDOW, EvaluabilityState.UNRESOLVED
EVALUABLE, NOT_EVALUABLE = EvaluabilityState.EVALUABLE, EvaluabilityState.NOT_EVALUABLE
END = {"A": 28, "B": 35, "C": 49}
LEAVES_OBSERVATION = RULES.evaluability.ends_observation
STAYS_OBSERVED = [kind for kind in DispositionEvent if kind not in LEAVES_OBSERVATION]


def evaluability(facts: DltFacts, today: date, rules: DltRules) -> Evaluability:
    """Judge a subject with the trial's two days of tolerance for an infusion."""
    return judging.evaluability(facts, today, rules, 2)


def state(facts: DltFacts, offset: int, rules=RULES) -> EvaluabilityState:
    """Give the state on a day counted from the first infusion."""
    return evaluability(facts, day(offset), rules).state


@pytest.mark.parametrize("level", ["A", "B", "C"])
def test_a_fully_dosed_subject_counts_once_the_last_day_has_passed(level):
    """The last day of the window belongs to it."""
    assert state(course(level), END[level]) is IN_WINDOW
    assert state(course(level), END[level] + 1) is EVALUABLE


def test_a_subject_not_yet_dosed_holds_its_place():
    """An enrolled subject before the first infusion is neither counted nor replaced."""
    facts = DltFacts(level=LEVELS["A"], infusions=(planned_infusion(1, 0),))
    conclusion = evaluability(facts, day(0), RULES)
    assert conclusion.state is EvaluabilityState.NOT_DOSED
    assert conclusion.window is None


def test_a_subject_who_leaves_before_dosing_is_replaced():
    """Somebody who never was dosed gives up the slot."""
    facts = DltFacts(level=LEVELS["A"], dispositions=(left(DispositionEvent.WITHDREW_CONSENT, -1),))
    assert state(facts, 0) is NOT_EVALUABLE


def test_a_never_dosed_subject_has_no_dlt():
    """An adjudicated event of a subject who was never dosed is no toxicity of the dose."""
    facts = DltFacts(level=LEVELS["A"], events=(event(),), adjudications=(adjudication(True),))
    assert not evaluability(facts, day(30), RULES).has_dlt


@pytest.mark.parametrize("kind", [None, *DispositionEvent])
def test_a_dlt_always_counts(kind):
    """With a DLT the subject is evaluable at once, also underdosed and after leaving."""
    facts = replace(
        course("C", 1),
        events=(event(3),),
        adjudications=(adjudication(True),),
        dispositions=(left(kind, 4),) if kind else (),
    )
    conclusion = evaluability(facts, day(5), RULES)
    assert conclusion.state is EVALUABLE
    assert conclusion.has_dlt
    assert not conclusion.may_have_dlt
    assert "adj-1" in conclusion.evidence


@pytest.mark.parametrize("kind", LEAVES_OBSERVATION)
def test_a_subject_no_longer_observed_is_replaced_at_once(kind):
    """Who leaves in the window, even on its last day, cannot become evaluable."""
    happened = (
        event(28, grade=5, causality_disease=Causality.PROBABLE, causality=Causality.UNRELATED),
    )
    facts = replace(course("A"), dispositions=(left(kind, 28),), events=happened)
    assert state(facts, 28) is NOT_EVALUABLE


@pytest.mark.parametrize("kind", DispositionEvent)
def test_leaving_after_the_window_changes_nothing(kind):
    """The observation was complete."""
    facts = replace(course("A"), dispositions=(left(kind, 29),))
    assert state(facts, 40) is EVALUABLE


@pytest.mark.parametrize("kind", STAYS_OBSERVED)
def test_an_underdosed_subject_keeps_the_slot_while_observed(kind):
    """A DLT may still come within 28 days of the last infusion, so the slot is not free."""
    facts = replace(course("C", 2), dispositions=(left(kind, 10),))
    assert state(facts, 35) is IN_WINDOW
    assert state(facts, 36) is NOT_EVALUABLE


def test_an_underdosed_slot_can_be_freed_when_dosing_ends():
    """The other reading replaces the subject as soon as it stops treatment."""
    eager = replace(RULES.evaluability, underdosed_slot=UnderdosedSlot.WHEN_DOSING_ENDS)
    facts = replace(course("C", 2), dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 10),))
    assert state(facts, 10, replace(RULES, evaluability=eager)) is NOT_EVALUABLE


def test_a_fully_dosed_subject_who_withdraws_treatment_still_counts():
    """After the last infusion there is no treatment left to withdraw from."""
    facts = replace(course("B"), dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 10),))
    assert state(facts, 36) is EVALUABLE


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [("0.8999999", NOT_EVALUABLE), ("0.9", EVALUABLE), ("1.1", EVALUABLE)],
)
def test_at_least_90_percent_of_the_cells_are_needed(fraction, expected):
    """The boundary itself is enough."""
    infusion = given_infusion(1, 0, cells=CELLS * Decimal(fraction))
    facts = DltFacts(level=LEVELS["A"], infusions=(infusion,))
    assert state(facts, 28) is IN_WINDOW
    assert state(facts, 29) is expected


@pytest.mark.parametrize(("second", "expected"), [("0.8", EVALUABLE), ("0.79", NOT_EVALUABLE)])
def test_the_cells_are_summed_over_the_infusions(second, expected):
    """What escalates is the cumulative dose (C5), so 100 % and 80 % make 90 %."""
    infusions = (given_infusion(1, 0), given_infusion(2, 7, cells=CELLS * Decimal(second)))
    facts = DltFacts(level=LEVELS["B"], infusions=infusions)
    assert state(facts, 36) is expected


def test_fewer_infusions_can_be_configured_to_be_enough():
    """With 75 % of the infusions three of four count."""
    rules = replace(
        RULES,
        evaluability=replace(RULES.evaluability, min_infusion_fraction=Decimal("0.75")),
    )
    facts = replace(course("C", 3), dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 20),))
    assert state(facts, 43, rules) is EVALUABLE
    assert state(facts, 43) is NOT_EVALUABLE


@pytest.mark.parametrize("missing", [{"cells": None}, {"volume_ml": None}])
def test_a_missing_dose_record_leaves_the_subject_unresolved(missing):
    """Nobody can say that the dose was received, nor that it was not."""
    facts = DltFacts(level=LEVELS["A"], infusions=(given_infusion(1, 0, **missing),))
    assert state(facts, 28) is IN_WINDOW
    conclusion = evaluability(facts, day(29), RULES)
    assert conclusion.state is UNRESOLVED
    assert conclusion.reasons[0].code == "cells_not_recorded"
    assert not conclusion.may_have_dlt


def test_infusions_to_come_keep_a_subject_in_the_window():
    """A window anchored at the first infusion may be over before the dose is complete."""
    rules = replace(RULES, window_anchor=WindowAnchor.FIRST)
    assert state(course("C", 3), 40, rules) is IN_WINDOW
    assert evaluability(course("C", 3), day(40), rules).reasons[0].code == "infusions_to_come"


@pytest.mark.parametrize(
    ("facts", "offset"),
    [
        (course("A"), 29),
        (replace(course("C", 1), dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 3),)), 29),
        (replace(course("A"), dispositions=(left(DispositionEvent.WITHDREW_CONSENT, 15),)), 15),
    ],
)
def test_an_undecided_event_keeps_the_slot(facts, offset):
    """Whoever may still turn out to have a DLT is neither counted nor replaced."""
    conclusion = evaluability(replace(facts, events=(event(10),)), day(offset), RULES)
    assert conclusion.state is UNRESOLVED
    assert conclusion.may_have_dlt
    assert conclusion.open_items == 1
    assert conclusion.reasons[-1].code == "adjudication_pending"


def test_an_undecided_event_in_the_window_is_shown():
    """The state stays in_window and the open item is counted."""
    conclusion = evaluability(replace(course("A"), events=(event(3),)), day(5), RULES)
    assert conclusion.state is IN_WINDOW
    assert conclusion.may_have_dlt


def test_a_second_undecided_event_of_a_subject_with_dlt_is_only_open():
    """It cannot add a DLT, because subjects count once."""
    facts = replace(
        course("A"),
        events=(event(3), event(4, id="ae-2")),
        adjudications=(adjudication(True),),
    )
    conclusion = evaluability(facts, day(5), RULES)
    assert conclusion.state is EVALUABLE
    assert conclusion.open_items == 1
    assert not conclusion.may_have_dlt


def test_a_no_closes_the_event():
    """After the adjudication the subject counts without DLT."""
    facts = replace(course("A"), events=(event(3),), adjudications=(adjudication(False),))
    conclusion = evaluability(facts, day(29), RULES)
    assert conclusion.state is EVALUABLE
    assert not conclusion.has_dlt
    assert conclusion.evidence == ("inf-1", "ae-1", "adj-1")


@pytest.mark.parametrize("death", [2, 28])
def test_a_death_in_the_window_needs_an_event(death):
    """Until a fatal event is recorded and judged, the death may be a DLT."""
    facts = replace(course("A"), dispositions=(left(DispositionEvent.DIED, death),))
    conclusion = evaluability(facts, day(40), RULES)
    assert conclusion.state is UNRESOLVED
    assert conclusion.may_have_dlt
    assert conclusion.reasons[-1].code == "death_without_event"


def test_a_death_after_the_window_needs_none():
    """It cannot be a DLT."""
    facts = replace(course("A"), dispositions=(left(DispositionEvent.DIED, 29),))
    assert state(facts, 40) is EVALUABLE


def test_a_death_of_the_disease_is_replaced():
    """A fatal event clearly due to the disease closes the question."""
    fatal = event(20, grade=5, causality=Causality.UNRELATED, causality_disease=Causality.PROBABLE)
    facts = replace(course("A"), events=(fatal,), dispositions=(left(DispositionEvent.DIED, 20),))
    assert state(facts, 20) is NOT_EVALUABLE


@given(
    level=st.sampled_from("ABC"),
    doses=st.integers(0, 4),
    kind=st.sampled_from([None, *DispositionEvent]),
    left_on=st.integers(1, 60),
    grade=st.sampled_from([None, 2, 3, 5]),
    verdict=st.sampled_from([None, True, False]),
    today=st.integers(0, 120),
)
@settings(max_examples=200)
def test_no_subject_counts_without_dlt_before_it_can_be_known(
    level, doses, kind, left_on, grade, verdict, today
):
    """Evaluable without DLT means fully dosed, window passed, still observed, nothing open."""
    facts = course(level, min(doses, LEVELS[level].planned_infusions))
    facts = replace(
        facts,
        dispositions=(left(kind, left_on),) if kind else (),
        events=(event(5, grade=grade),) if grade else (),
        adjudications=(adjudication(verdict),) if grade and verdict is not None else (),
    )
    conclusion = evaluability(facts, day(today), RULES)
    if conclusion.state is EVALUABLE and not conclusion.has_dlt:
        assert len(facts.started) == LEVELS[level].planned_infusions
        assert today > END[level]
        assert kind not in LEAVES_OBSERVATION or left_on > END[level]
        assert conclusion.open_items == 0
    assert not (conclusion.state is NOT_EVALUABLE and conclusion.may_have_dlt)


@given(today=st.integers(0, 60), more=st.integers(0, 60))
@settings(max_examples=50)
def test_time_alone_never_takes_an_evaluable_subject_back(today, more):
    """Once counted, a subject stays counted unless a fact changes."""
    facts = replace(course("A"), events=(event(5, end_at=NOON + timedelta(days=6), grade=2),))
    if state(facts, today) is EVALUABLE:
        assert state(facts, today + more) is EVALUABLE
