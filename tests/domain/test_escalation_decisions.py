"""Which decisions a recommendation admits: the recommended one and the more cautious ones."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.committee import Decision
from app.domain.errors import DomainError, ErrorKind
from app.domain.escalation import admissible_actions, require_admissible
from app.domain.escalation_rules import DecisionAction, EscalationRules
from app.domain.ladder import HoldTrigger
from tests.domain.ladder_cases import LEVELS, RULES, UP_TO, advise, facts, tallied

STOPS = {DecisionAction.STOP_LEVEL, DecisionAction.STOP_TRIAL}
CAUTIOUS = STOPS | {DecisionAction.HOLD}
PASSED = (3, 0)
TRIGGER = HoldTrigger(id="ae-9:1", code="related_death", message="An event happened.")


def refused(advice, action: str, level: str | None = None) -> str | None:
    """Give the code with which a decision is refused; None if it is admitted."""
    try:
        require_admissible(advice, Decision(id="dec", action=DecisionAction(action), level=level))
    except DomainError as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("advice", "recommended"),
    [
        (advise(facts((1, 0))), None),
        (advise(facts(PASSED)), DecisionAction.ESCALATE),
        (advise(facts((3, 1))), DecisionAction.EXPAND_TO_SIX),
        (advise(facts(PASSED, (2, 2)), *UP_TO["B"]), DecisionAction.STOP_LEVEL),
        (advise(facts(PASSED, (2, 2)), *UP_TO["B"], "stop_level B"), DecisionAction.REFILL_LOWER),
        (advise(facts((6, 1), (2, 2)), *UP_TO["B"], "stop_level B"), DecisionAction.DECLARE_MTD),
        (advise(facts(PASSED, PASSED, PASSED), *UP_TO["C"]), DecisionAction.OPEN_EXPANSION),
        (advise(facts((2, 2))), DecisionAction.STOP_TRIAL),
    ],
)
def test_the_recommended_decision_and_every_cautious_one(advice, recommended):
    """A hold and a stop are always possible; nothing bolder than the recommendation is."""
    assert admissible_actions(advice) == CAUTIOUS | ({recommended} if recommended else set())


def test_a_blocked_step_cannot_be_decided():
    """The next level waits for the last window, also for the committee."""
    advice = advise(facts(tallied("A", 5, 0, in_window=1)), "expand_to_six A")
    assert admissible_actions(advice) == CAUTIOUS
    assert refused(advice, "escalate", "B") == "decision_not_admissible"


def test_a_refusal_says_what_is_in_the_way():
    """The reasons name the recommendation's and each blocking item."""
    advice = advise(facts(tallied("A", 5, 0, in_window=1)), "expand_to_six A")
    decision = Decision(id="dec", action=DecisionAction.ESCALATE, level="B")
    with pytest.raises(DomainError) as refusal:
        require_admissible(advice, decision)
    assert refusal.value.kind is ErrorKind.CONFLICT
    assert [reason.code for reason in refusal.value.reasons] == ["level_tolerated", "in_window"]


def test_during_a_hold_only_a_resume_or_a_stop_can_follow():
    """A second hold says nothing."""
    advice = advise(facts(PASSED), "hold")
    assert admissible_actions(advice) == STOPS | {DecisionAction.RESUME}


def test_a_trigger_can_be_reviewed_or_turned_into_a_hold():
    """The committee may take its time."""
    advice = advise(facts(PASSED, triggers=(TRIGGER,)))
    assert admissible_actions(advice) == CAUTIOUS | {DecisionAction.RESUME}


def test_nothing_follows_a_stopped_trial():
    """The last decision is final."""
    assert admissible_actions(advise(facts(), "stop_trial")) == frozenset()


def test_the_expansion_is_opened_once():
    """A complete expansion does not admit another."""
    known = replace(facts(PASSED, PASSED, PASSED), expansions=(tallied("C", 6),))
    advice = advise(known, *UP_TO["C"], "open_expansion C")
    assert admissible_actions(advice) == CAUTIOUS


@pytest.mark.parametrize(
    ("action", "level", "code"),
    [
        ("escalate", "B", None),
        ("escalate", "C", "decision_level_not_admissible"),
        ("escalate", "A", "decision_level_not_admissible"),
        ("escalate", None, "decision_level_not_admissible"),
        ("stop_level", "A", None),
        ("stop_level", "C", None),
        ("stop_level", "D", "decision_level_not_admissible"),
        ("hold", None, None),
        ("hold", "A", "decision_level_not_admissible"),
        ("stop_trial", None, None),
        ("expand_to_six", "A", "decision_not_admissible"),
        ("declare_mtd", "A", "decision_not_admissible"),
        ("open_expansion", "A", "decision_not_admissible"),
        ("resume", None, "decision_not_admissible"),
    ],
)
def test_decisions_after_three_of_three_tolerated(action, level, code):
    """0/3 at A admits escalation to B and nothing bolder."""
    assert refused(advise(facts(PASSED)), action, level) == code


@pytest.mark.parametrize("level", LEVELS)
def test_the_expansion_may_take_any_tolerated_level(level):
    """The record lets the investigators choose one of A, B and C (C22)."""
    advice = advise(facts(PASSED, PASSED, PASSED), *UP_TO["C"])
    assert refused(advice, "open_expansion", level) is None


@pytest.mark.parametrize(
    ("level", "code"), [("A", None), ("B", None), ("C", "decision_level_not_admissible")]
)
def test_the_expansion_may_not_exceed_the_highest_tolerated_level(level, code):
    """After C proved toxic and B is the MTD, C is out of the question."""
    steps = (*UP_TO["C"], "stop_level C", "declare_mtd B")
    advice = advise(facts(PASSED, (6, 1), (2, 2)), *steps)
    assert refused(advice, "open_expansion", level) == code


@pytest.mark.parametrize(
    ("advice", "needed"),
    [
        (advise(facts(PASSED)), True),
        (advise(facts((3, 1))), True),
        (advise(facts(PASSED, PASSED, PASSED), *UP_TO["C"]), True),
        (advise(facts(PASSED, (2, 2)), *UP_TO["B"]), False),
        (advise(facts((1, 0))), False),
    ],
)
def test_bold_decisions_need_the_committees_approval(advice, needed):
    """Opening and declaring is gated, stopping is not (C35)."""
    assert advice.approval_required is needed


def test_a_gate_can_be_switched_off():
    """Each decision's gate is its own entry."""
    rules = replace(RULES, approval_required=(DecisionAction.DECLARE_MTD,))
    assert not advise(facts(PASSED), rules=rules).approval_required


# The rule set


@pytest.mark.parametrize("changes", [{"max_in_escalation": 5}, {"max_in_total": 11}])
def test_caps_without_room_are_refused(changes):
    """One full level and its expansion must fit."""
    with pytest.raises(ValueError, match="room"):
        replace(RULES, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"cohort_size": 0, "max_level_size": 0},
        {"max_level_size": 5},
        {"stop_at_dlts": 1},
        {"stop_at_dlts": 4},
    ],
)
def test_designs_that_are_not_a_doubled_cohort_are_refused(changes):
    """The table needs one cohort that may be doubled, and a stop within it."""
    with pytest.raises(ValueError, match="level"):
        replace(RULES.design, **changes)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("stagger", {"after_first_days": -1}),
        ("stagger", {"after_others_days": -1}),
        ("expansion", {"size": 0}),
        ("expansion", {"alert_dlts": 7}),
        ("expansion", {"alert_rate": Decimal(1)}),
    ],
)
def test_contradictory_safeguards_are_refused(part, changes):
    """Delays run forward and alerts can ring."""
    rules: EscalationRules = RULES
    with pytest.raises(ValueError, match=r"stagger|expansion|alert"):
        replace(getattr(rules, part), **changes)


def test_the_narrowest_rules_are_accepted():
    """Cohorts of two, no delay, an alert that only a full toll rings, caps that just fit."""
    rules = replace(
        RULES,
        design=replace(RULES.design, cohort_size=2, max_level_size=4),
        stagger=replace(RULES.stagger, after_first_days=0, after_others_days=0),
        expansion=replace(RULES.expansion, size=1, first_subjects=2, alert_dlts=2),
        max_in_escalation=4,
        max_in_total=5,
    )
    assert advise(facts(), rules=rules).slots_open_now == 2
