"""Late results, holds and the expansion: what stops a ladder that was already higher."""

from dataclasses import replace

import pytest

from app.domain.committee import Decision, apply
from app.domain.escalation import NO_TOLERATED_LEVEL, recommend
from app.domain.escalation_rules import DecisionAction
from app.domain.escalation_steps import LadderAction
from app.domain.ladder import HoldTrigger
from app.domain.level_standing import LevelStatus
from app.domain.vocabulary import CohortPhase
from tests.domain.ladder_cases import (
    RULES,
    UP_TO,
    advise,
    decided,
    facts,
    standing,
    summary,
    tallied,
)

PASSED = (3, 0)
TRIGGER = HoldTrigger(id="ae-9:1", code="related_death", message="An event happened.")
TOP_PASSED = facts(PASSED, PASSED, PASSED)
IN_EXPANSION = (*UP_TO["C"], "open_expansion C")


def resumed(*steps: str, reviewed: tuple[str, ...]):
    """Replay decisions and a resume that reviewed some triggers."""
    decision = Decision(id="dec-r", action=DecisionAction.RESUME, reviewed=reviewed)
    return apply(decided(*steps), decision)


# Late results on a lower level


def test_a_lower_level_that_turns_toxic_stops_everything_above():
    """Two DLTs at B while C is open: neither is dosed, and A has to be filled before it counts."""
    advice = advise(facts(PASSED, (6, 2), tallied("C", 1, in_window=2)), *UP_TO["C"])
    assert summary(advice) == (LadderAction.STOP_LEVEL, "B", None)
    assert advice.slots_open_now == 0
    assert [standing(advice, name).dosing_blocked for name in "ABC"] == [False, True, True]
    assert advice.highest_tolerated is None


def test_a_lowest_level_that_turns_toxic_late_ends_the_trial():
    """Nothing above it may be tolerated."""
    advice = advise(facts((3, 2), PASSED), *UP_TO["B"])
    assert summary(advice) == (LadderAction.STOP_TRIAL, "A", None)
    assert advice.mtd == NO_TOLERATED_LEVEL
    assert standing(advice, "B").dosing_blocked


def test_a_late_dlt_below_brings_the_ladder_back():
    """1/3 at A while B is open: A takes six before B goes on."""
    known = facts((3, 1), tallied("B", in_window=1))
    advice = advise(known, *UP_TO["B"])
    assert summary(advice) == (LadderAction.REFILL_LOWER, "B", "A")
    assert advice.slots_open_now == 0
    back = advise(known, *UP_TO["B"], "refill_lower A")
    assert (summary(back), back.slots_open_now) == ((LadderAction.ENROL, "A", None), 3)
    again = advise(facts((6, 1), tallied("B", in_window=1)), *UP_TO["B"], "refill_lower A")
    assert summary(again) == (LadderAction.ESCALATE, "A", "B")
    on = advise(
        facts((6, 1), tallied("B", in_window=1)), *UP_TO["B"], "refill_lower A", "escalate B"
    )
    assert (summary(on), on.slots_open_now) == ((LadderAction.ENROL, "B", None), 2)


def test_an_event_below_that_opens_again_stops_enrolment_above():
    """A changed event at A makes its subject unresolved; B enrols nobody until it is judged."""
    below = tallied("A", 2, 0, unresolved=1, may_have_dlt=1, open_items=1)
    advice = advise(facts(below, (1, 0)), *UP_TO["B"])
    assert summary(advice) == (LadderAction.HOLD, "A", None)
    assert [item.code for item in advice.blocked_by] == ["unresolved", "open_items"]
    assert not standing(advice, "B").dosing_blocked


def test_a_possibly_toxic_level_below_stops_dosing_above():
    """A late candidate at A that would be its second DLT blocks B too."""
    below = tallied("A", 5, 1, unresolved=1, may_have_dlt=1, open_items=1)
    advice = advise(facts(below, (1, 0)), "expand_to_six A", *UP_TO["B"])
    assert advice.reasons[0].code == "possibly_toxic"
    assert standing(advice, "B").dosing_blocked


def test_a_reversed_stop_stays_closed():
    """A level closed by decision is never reopened, even if a DLT is taken back."""
    steps = (*UP_TO["B"], "stop_level B", "refill_lower A")
    advice = advise(facts((6, 0), (3, 1)), *steps)
    assert summary(advice) == (LadderAction.DECLARE_MTD, "A", None)
    assert standing(advice, "B").status is LevelStatus.CLOSED


# Holds


def test_a_hold_stops_enrolment_and_dosing_everywhere():
    """The committee's hold is in force until it resumes."""
    advice = advise(facts((1, 0)), "hold")
    assert summary(advice) == (LadderAction.HOLD, "A", None)
    assert all(level.dosing_blocked for level in advice.levels)
    assert advise(facts((1, 0)), "hold", "resume").slots_open_now == 2


def test_a_trigger_holds_until_it_is_reviewed():
    """A related death stops the trial by itself; only a review ends that."""
    known = facts((1, 0), triggers=(TRIGGER,))
    advice = advise(known)
    assert summary(advice) == (LadderAction.HOLD, "A", None)
    assert advice.reasons[0].code == "related_death"
    assert advice.held_by == (TRIGGER,)
    assert standing(advice, "A").dosing_blocked
    unread = recommend(known, resumed(reviewed=("ae-9:0",)), RULES)
    assert unread.held_by == (TRIGGER,)
    reviewed = recommend(known, resumed(reviewed=("ae-9:1",)), RULES)
    assert reviewed.slots_open_now == 2
    assert not standing(reviewed, "A").dosing_blocked


def test_toxicity_is_named_even_during_a_hold():
    """The graver finding comes first."""
    advice = advise(facts(PASSED, (2, 2), triggers=(TRIGGER,)), *UP_TO["B"], "hold")
    assert summary(advice) == (LadderAction.STOP_LEVEL, "B", None)


def test_a_stopped_trial_stays_stopped():
    """Nothing is dosed and nothing else is recommended."""
    advice = advise(facts((1, 0)), "stop_trial")
    assert summary(advice) == (LadderAction.STOP_TRIAL, None, None)
    assert advice.reasons[0].code == "trial_stopped"
    assert advice.mtd is None
    assert all(level.dosing_blocked for level in advice.levels)


# The expansion


@pytest.mark.parametrize(("held", "slots"), [({}, 6), ({"in_window": 5}, 1)])
def test_the_expansion_takes_six_more(held, slots):
    """The expansion's subjects are additional to those of the escalation."""
    known = replace(TOP_PASSED, expansions=(tallied("C", **held),) if held else ())
    advice = advise(known, *IN_EXPANSION)
    assert (summary(advice), advice.slots_open_now) == ((LadderAction.ENROL, "C", None), slots)
    assert advice.phase is CohortPhase.EXPANSION
    assert not standing(advice, "C").dosing_blocked


def test_a_full_expansion_waits_for_its_results_and_is_then_complete():
    """No seventh subject."""
    waiting = replace(TOP_PASSED, expansions=(tallied("C", 5, in_window=1),))
    assert summary(advise(waiting, *IN_EXPANSION)) == (LadderAction.HOLD, "C", None)
    done = advise(replace(TOP_PASSED, expansions=(tallied("C", 6, 1),)), *IN_EXPANSION)
    assert summary(done) == (LadderAction.LEVEL_TOLERATED, "C", None)
    assert done.reasons[0].code == "expansion_complete"


def test_the_expansion_counts_in_the_total_cap():
    """18 in the escalation and 6 in the expansion are the planned 24."""
    levels = ((6, 1), (6, 1), (6, 1))
    known = facts(*levels, expansions=(tallied("C", 5),))
    steps = ("expand_to_six A", *IN_EXPANSION)
    assert advise(known, *steps).slots_open_now == 1
    earlier = (tallied("B", 1), tallied("C", 5))
    assert advise(facts(*levels, expansions=earlier), *steps).reasons[0].code == "cap_reached"


def test_too_many_dlts_in_the_expansion_hold_it():
    """Two of the first six treated at the level; a third needs another review."""
    pooled = (False, False, False, True, True)
    known = replace(TOP_PASSED, expansions=(tallied("C", 2, 2),), pooled_outcomes=pooled)
    advice = advise(known, *IN_EXPANSION)
    assert summary(advice) == (LadderAction.HOLD, "C", None)
    assert standing(advice, "C").dosing_blocked
    reviewed = resumed(*IN_EXPANSION, reviewed=("expansion_dlts:2",))
    assert recommend(known, reviewed, RULES).slots_open_now == 4
    third = replace(known, pooled_outcomes=(*pooled, True))
    assert recommend(third, reviewed, RULES).action is LadderAction.HOLD


def test_pooled_dlts_matter_only_in_the_expansion():
    """During the escalation the table decides."""
    known = replace(facts((2, 1)), pooled_outcomes=(True, True))
    assert advise(known).action is LadderAction.ENROL


def test_an_expansion_whose_basis_changed_is_held():
    """A late DLT of the escalation at the expanded level needs a review."""
    known = facts(PASSED, PASSED, (3, 1))
    advice = advise(known, *IN_EXPANSION)
    assert summary(advice) == (LadderAction.HOLD, "C", None)
    assert advice.held_by[0].id == "expansion_basis:0/3-0/3-1/3"
    reviewed = resumed(*IN_EXPANSION, reviewed=(advice.held_by[0].id,))
    assert recommend(known, reviewed, RULES).action is LadderAction.ENROL


def test_a_toxic_expansion_level_is_closed():
    """A second late DLT of the escalation stops the level and its expansion."""
    known = facts(PASSED, PASSED, (3, 2))
    advice = advise(known, *IN_EXPANSION)
    assert summary(advice) == (LadderAction.STOP_LEVEL, "C", None)
    assert standing(advice, "C").dosing_blocked
    after = advise(known, *IN_EXPANSION, "stop_level C")
    assert summary(after) == (LadderAction.REFILL_LOWER, None, "B")


def test_the_ladder_needs_its_own_levels():
    """Counts of other levels are a mistake of the caller."""
    known = replace(facts(), levels=(tallied("A"), tallied("C"), tallied("B")))
    with pytest.raises(ValueError, match="one tally per level"):
        advise(known)
