"""The committee's decisions: how each moves the ladder, and which steps do not exist."""

from dataclasses import replace

import pytest

from app.domain.committee import Decision, apply, initial_state
from app.domain.errors import DomainError, ErrorKind
from app.domain.escalation_rules import DecisionAction
from tests.domain.ladder_cases import LEVELS, UP_TO, decided


def refusal(*steps: str) -> str:
    """Give the code with which the last of the decisions is refused."""
    decided(*steps[:-1])
    with pytest.raises(DomainError) as refused:
        decided(*steps)
    assert refused.value.kind is ErrorKind.CONFLICT
    return refused.value.code


def test_the_ladder_starts_at_the_lowest_level():
    """Only level A is open, with one cohort."""
    state = initial_state(LEVELS)
    assert state.open_level == "A"
    assert state.opened == ("A",)
    assert state.expanded == ()
    assert state.evidence == ()


def test_escalation_opens_the_next_level_only():
    """One level is open at a time and the decisions are remembered."""
    state = decided(*UP_TO["C"])
    assert state.open_level == "C"
    assert state.opened == LEVELS
    assert state.evidence == ("dec-0", "dec-1")


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (("escalate C",), "level_skipped"),
        (("escalate A",), "level_not_higher"),
        (("escalate B", "escalate B"), "level_not_higher"),
        (("stop_level B", "escalate B"), "level_closed"),
        (("escalate D",), "level_unknown"),
        (("escalate",), "level_unknown"),
        (("expand_to_six B",), "level_not_treatable"),
        (("escalate B", "expand_to_six A"), "level_not_open"),
        (("stop_level A", "expand_to_six A"), "level_not_treatable"),
        (("refill_lower A",), "level_not_lower"),
        (("escalate B", "refill_lower B"), "level_not_lower"),
        (("escalate B", "stop_level B", "refill_lower B"), "level_not_treatable"),
        (("declare_mtd B",), "level_not_treatable"),
        (("declare_mtd A", "open_expansion B"), "level_not_treatable"),
        (("escalate B", "declare_mtd A", "open_expansion B"), "level_above_mtd"),
        (("open_expansion A", "open_expansion A"), "expansion_open"),
        (("stop_level D",), "level_unknown"),
        (("stop_trial", "resume"), "trial_stopped"),
    ],
)
def test_steps_that_no_ladder_can_make(steps, code):
    """Each impossible step has its own code."""
    assert refusal(*steps) == code


def test_expanding_authorises_a_second_cohort_once():
    """Repeating the decision changes nothing but the record of it."""
    state = decided("expand_to_six A", "expand_to_six A")
    assert state.expanded == ("A",)
    assert state.evidence == ("dec-0", "dec-1")


def test_a_refill_moves_the_open_level_down():
    """After level B is closed, level A may hold six."""
    state = decided("escalate B", "stop_level B", "refill_lower A")
    assert state.open_level == "A"
    assert state.expanded == ("A",)
    assert state.closed == ("B", "C")


def test_escalating_again_after_a_refill_reopens_the_level_above():
    """A level that was left for a lower one and never closed can be taken up again."""
    state = decided("escalate B", "refill_lower A", "escalate B")
    assert state.open_level == "B"
    assert state.opened == ("A", "B")


def test_stopping_a_level_closes_all_above():
    """Whatever was built on the level falls with it."""
    state = decided("escalate B", "declare_mtd B", "open_expansion B", "stop_level B")
    assert state.closed == ("B", "C")
    assert state.open_level is state.declared_mtd is state.expansion_level is None
    assert set(decided("stop_level C", "stop_level B").closed) == {"B", "C"}


def test_stopping_a_higher_level_leaves_the_lower_ones():
    """The open level below stays open, an MTD below stays declared."""
    assert decided("escalate B", "stop_level C").open_level == "B"
    state = decided("escalate B", "declare_mtd A", "open_expansion A", "stop_level B")
    assert state.declared_mtd == state.expansion_level == "A"


def test_declaring_the_mtd_ends_the_escalation():
    """No level is open for escalation any more."""
    state = decided("escalate B", "stop_level B", "declare_mtd A")
    assert state.declared_mtd == "A"
    assert state.open_level is None


def test_the_expansion_takes_one_level():
    """The escalation is over and the level is named."""
    state = decided("open_expansion A")
    assert state.expansion_level == "A"
    assert state.open_level is None


def test_a_hold_is_ended_by_a_resume_that_remembers_what_was_reviewed():
    """The reviewed triggers add up."""
    held = decided("hold")
    assert held.on_hold
    resumed = held
    for number, reviewed in enumerate((("ae-1:1",), ("ae-2:1",))):
        decision = Decision(id=f"res-{number}", action=DecisionAction.RESUME, reviewed=reviewed)
        resumed = apply(resumed, decision)
    assert not resumed.on_hold
    assert resumed.reviewed == ("ae-1:1", "ae-2:1")
    assert replace(resumed, reviewed=(), evidence=()) == initial_state(LEVELS)


def test_stopping_the_trial_closes_everything():
    """No level is open, no expansion runs, and nothing can follow."""
    state = decided("open_expansion A", "stop_trial")
    assert state.stopped
    assert state.open_level is state.expansion_level is None
    assert refusal("stop_trial", "stop_trial") == "trial_stopped"
