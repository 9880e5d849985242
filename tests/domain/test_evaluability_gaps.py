"""Subjects of whom too little was given or recorded: empty attempts and missed infusions."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.dlt import DltFacts
from app.domain.evaluability import Evaluability, EvaluabilityState, evaluability
from app.domain.vocabulary import DispositionEvent
from tests.domain.dlt_cases import (
    LEVELS,
    RULES,
    adjudication,
    course,
    day,
    event,
    given_infusion,
    left,
    planned_infusion,
)

TOLERANCE = 2
NOTHING = given_infusion(1, 0, volume_ml=Decimal(0), cells=None)
ATTEMPTED = DltFacts(level=LEVELS["A"], infusions=(NOTHING,))


def judge(facts: DltFacts, offset: int) -> Evaluability:
    """Judge a subject on a day counted from the first infusion."""
    return evaluability(facts, day(offset), RULES, TOLERANCE)


def codes(facts: DltFacts, offset: int) -> list[str]:
    """Give the codes of the reasons on a day."""
    return [reason.code for reason in judge(facts, offset).reasons]


def test_an_attempt_that_gave_nothing_is_observed_but_no_dose():
    """The subject is not dosed, but what happens after the attempt has to be adjudicated."""
    judged = judge(replace(ATTEMPTED, events=(event(0, grade=4),)), 1)
    assert judged.state is EvaluabilityState.NOT_DOSED
    assert judged.first_infusion_day is None
    assert judged.may_have_dlt
    assert judged.window.start_day == day(0)


def test_who_only_had_an_empty_attempt_is_replaced():
    """Once the subject left, the slot is free unless an event is undecided or was a DLT."""
    gone = replace(ATTEMPTED, dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 0),))
    assert judge(gone, 1).state is EvaluabilityState.NOT_EVALUABLE
    pending = replace(gone, events=(event(0),))
    assert judge(pending, 1).state is EvaluabilityState.UNRESOLVED
    limited = replace(pending, adjudications=(adjudication(True),))
    assert judge(limited, 1).state is EvaluabilityState.EVALUABLE
    assert judge(limited, 1).has_dlt


def test_a_full_dose_after_an_empty_attempt_counts():
    """The attempt used up no infusion, and the window ends 28 days after the dose."""
    voided = replace(NOTHING, cancelled=True)
    facts = replace(ATTEMPTED, infusions=(voided, given_infusion(2, 3)))
    assert judge(facts, 31).state is EvaluabilityState.IN_WINDOW
    assert judge(facts, 32).state is EvaluabilityState.EVALUABLE
    assert judge(facts, 32).first_infusion_day == day(3)


@pytest.mark.parametrize(("offset", "overdue"), [(16, False), (17, True)])
def test_a_missed_infusion_is_named(offset, overdue):
    """From the third day after its plan on, since two days of delay are tolerated."""
    facts = course("C", 2)
    waiting = (planned_infusion(4, 21), planned_infusion(3, 14))
    facts = replace(facts, infusions=(*facts.infusions, *waiting))
    assert codes(facts, offset) == ["infusions_to_come", *["infusion_overdue"] * overdue]
    if overdue:
        message = judge(facts, offset).reasons[1].message
        assert message == "Infusion 3 is neither given nor cancelled; record it or cancel it."


@pytest.mark.parametrize(("offset", "overdue"), [(16, False), (17, True)])
def test_an_infusion_nobody_prescribed_is_named(offset, overdue):
    """Its day is a week after the one before."""
    facts = course("C", 2)
    assert codes(facts, offset) == ["infusions_to_come", *["infusion_not_prescribed"] * overdue]
    if overdue:
        assert judge(facts, offset).reasons[1].message == "Infusion 3 has not been prescribed."


def test_a_first_infusion_is_named_once_it_is_planned():
    """Before a plan or a dose there is no day to count from."""
    planned = DltFacts(level=LEVELS["A"], infusions=(planned_infusion(1, 0),))
    assert codes(planned, 2) == ["not_dosed"]
    assert codes(planned, 3) == ["not_dosed", "infusion_overdue"]
    assert codes(DltFacts(level=LEVELS["A"]), 300) == ["not_dosed"]


def test_nothing_is_overdue_once_cancelled_or_after_an_exit():
    """Nobody waits for it any more."""
    facts = course("B", 1)
    cancelled = replace(facts, infusions=(*facts.infusions, planned_infusion(2, 7, cancelled=True)))
    assert codes(cancelled, 20) == ["window_running"]
    gone = replace(facts, dispositions=(left(DispositionEvent.WITHDREW_TREATMENT, 3),))
    assert codes(gone, 20) == ["window_running"]
