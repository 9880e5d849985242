"""What would change the recommendation: supposed outcomes, held against the ladder that follows."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import DltFacts
from app.domain.escalation import recommend
from app.domain.escalation_rules import StaggerPolicy, StaggerRules
from app.domain.escalation_steps import LadderAction
from app.domain.evaluability import EvaluabilityState
from app.domain.ladder import Counted, HoldTrigger, count_ladder
from app.domain.vocabulary import CohortPhase
from app.domain.what_if import Supposition
from tests.domain.dlt_cases import (
    LEVELS,
    adjudication,
    course,
    day,
    event,
    given_infusion,
    planned_infusion,
)
from tests.domain.ladder_cases import UP_TO, decided
from tests.domain.what_if_cases import (
    AFTER,
    IN_WINDOW,
    RULES,
    clean,
    enrolled,
    found,
    observed,
    pending,
    summary,
    suppose,
    with_dlt,
)


def test_nothing_is_supposed_when_nothing_is_out():
    """With every result in, and nobody enrolled, there is nothing that could come out otherwise."""
    assert suppose() == ()
    assert suppose(clean("1"), clean("2"), clean("3"), today=80) == ()
    waiting = enrolled("1", DltFacts(level=LEVELS["A"], infusions=(planned_infusion(1, 0),)), 0)
    assert suppose(waiting) == ()


def test_a_toxicity_of_the_last_subject_asks_for_a_second_cohort():
    """Two clean and one in the window: with a DLT it takes six, without one the ladder goes up."""
    cases = suppose(clean("1"), clean("2"), observed("3"))
    assert [case.supposition for case in cases] == [Supposition.DLT, Supposition.COMPLETES]
    toxic, through = cases
    assert summary(toxic) == (LadderAction.EXPAND_TO_SIX, "A", None)
    assert (toxic.subject_ids, toxic.day) == (("3",), day(IN_WINDOW + 1))
    assert summary(through) == (LadderAction.ESCALATE, "A", "B")
    assert through.outlook.permitted
    assert (through.subject_ids, through.day) == (("3",), day(29))


def test_a_second_toxicity_stops_the_level():
    """One DLT and two in the window: either of them may make the level toxic."""
    cases = suppose(with_dlt("1"), observed("2"), observed("3"))
    for case, subject in zip(found(cases, Supposition.DLT), "23", strict=True):
        assert case.subject_ids == (subject,)
        assert summary(case)[0] is LadderAction.STOP_TRIAL
        assert case.outlook.undosed_levels == ("A", "B", "C")
        assert {"recommendation", "undosed_levels"} <= set(case.changes)
    for word in (Supposition.COMPLETES, Supposition.ALL_COMPLETE):
        (both,) = found(cases, word)
        assert both.subject_ids == ("2", "3"), "their windows close on the same day"
        assert summary(both) == (LadderAction.EXPAND_TO_SIX, "A", None)


def test_a_toxicity_on_a_higher_level_leaves_the_lower_one():
    """The second DLT on B closes B; A may still be dosed."""
    below = [clean(str(number)) for number in range(3)]
    cases = suppose(*below, with_dlt("4", "B"), observed("5", "B"), steps=UP_TO["B"])
    (toxic,) = found(cases, Supposition.DLT)
    assert summary(toxic) == (LadderAction.STOP_LEVEL, "B", None)
    assert toxic.outlook.undosed_levels == ("B", "C")


def test_the_next_to_complete_is_whose_window_closes_first():
    """An open course is taken at its projected end; the earliest of all comes first."""
    first, second = given_infusion(1, 0), planned_infusion(2, 7)
    to_come = enrolled("2", DltFacts(level=LEVELS["B"], infusions=(first, second)), IN_WINDOW - 3)
    late = replace(course("A"), infusions=(given_infusion(1, 5),))
    cases = suppose(to_come, enrolled("1", late, IN_WINDOW), steps=UP_TO["B"])
    (one,) = found(cases, Supposition.COMPLETES)
    (both,) = found(cases, Supposition.ALL_COMPLETE)
    assert (one.subject_ids, one.day) == (("1",), day(5 + 28 + 1))
    assert (both.subject_ids, both.day) == (("1", "2"), day(7 + 28 + 1))


def test_an_overdue_infusion_does_not_suppose_the_past():
    """A projected window that is over on the calendar is taken to close today."""
    first, second = given_infusion(1, 0), planned_infusion(2, 7)
    overdue = enrolled("1", DltFacts(level=LEVELS["B"], infusions=(first, second)), 60)
    (case,) = found(suppose(overdue, steps=UP_TO["B"], today=60), Supposition.COMPLETES)
    assert case.day == day(60)


def test_a_pending_adjudication_is_answered_both_ways():
    """Yes makes it the level's DLT, no lets the subject count without one."""
    cases = suppose(clean("1"), clean("2"), pending("3"))
    yes, no = cases
    assert [case.supposition for case in cases] == [
        Supposition.JUDGED_DLT,
        Supposition.JUDGED_NOT_DLT,
    ]
    assert {(case.adverse_event_id, case.day) for case in cases} == {("ae-1", day(IN_WINDOW))}
    assert summary(yes) == (LadderAction.EXPAND_TO_SIX, "A", None)
    assert summary(no) == (LadderAction.ESCALATE, "A", "B")


def test_a_stale_adjudication_is_answered_anew():
    """The answer to the event as it is now counts, whatever was signed before."""
    changed = replace(
        course("A"), events=(event(version=2),), adjudications=(adjudication(True, version=1),)
    )
    yes, no = suppose(clean("1"), clean("2"), enrolled("3", changed, AFTER), today=AFTER)
    assert summary(yes)[0] is LadderAction.EXPAND_TO_SIX
    assert summary(no)[0] is LadderAction.ESCALATE


def test_who_completes_leaves_nothing_to_judge():
    """A subject in the window with a pending event completes only if that is no DLT."""
    cases = suppose(clean("1"), clean("2"), pending("3", 0))
    (through,) = found(cases, Supposition.COMPLETES)
    assert summary(through) == (LadderAction.ESCALATE, "A", "B")
    assert through.outlook.blocked_by == ()


def test_what_holds_the_trial_goes_on_holding_it():
    """No outcome of a subject reviews a trigger."""
    held = HoldTrigger(id="ae:1", code="related_death", message="A related death.")
    cases = suppose(clean("1"), observed("2"), triggers=(held,))
    assert {case.outlook.held_by for case in cases} == {(held,)}
    assert {case.outlook.recommendation for case in cases} == {LadderAction.HOLD}


def test_the_day_of_the_outcome_decides_on_the_stagger():
    """Who waits for the first subject's fourteen days does not wait after its window."""
    stagger = StaggerRules(policy=StaggerPolicy.BLOCK, after_first_days=14, after_others_days=0)
    rules = replace(RULES, escalation=replace(RULES.escalation, stagger=stagger))
    cases = suppose(observed("1"), rules=rules)
    assert summary(found(cases, Supposition.DLT)[0])[0] is LadderAction.HOLD
    (through,) = found(cases, Supposition.COMPLETES)
    assert summary(through)[0] is LadderAction.ENROL
    assert through.changes == ("recommendation", "slots_open_now")


def test_the_expansion_rings_on_a_supposed_toxicity():
    """Two DLTs among the pooled subjects of the expansion level hold it."""
    steps = ("open_expansion A",)
    subjects = [clean("1"), clean("2"), clean("3")]
    expanded = [
        replace(with_dlt("4"), phase=CohortPhase.EXPANSION),
        replace(observed("5"), phase=CohortPhase.EXPANSION),
    ]
    (toxic,) = found(suppose(*subjects, *expanded, steps=steps), Supposition.DLT)
    assert [trigger.id for trigger in toxic.outlook.held_by] == ["expansion_dlts:2"]
    assert "held_by" in toxic.changes


MAKERS = {"clean": clean, "dlt": with_dlt, "observed": observed, "pending": pending}


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from(sorted(MAKERS)), max_size=6))
def test_each_supposition_is_the_ladder_of_that_fact(words):
    """Supposing a DLT is as if it were on record, and everybody who is out is asked about once."""
    subjects = [MAKERS[word](str(number)) for number, word in enumerate(words)]
    state = decided("expand_to_six A")
    cases = suppose(*subjects, steps=("expand_to_six A",))
    for case in found(cases, Supposition.DLT):
        real = [with_dlt(each.id) if each.id in case.subject_ids else each for each in subjects]
        counted = [Counted(each.level, each.phase, each.evaluability) for each in real]
        advice = recommend(count_ladder(counted, state, case.day), state, RULES.escalation)
        assert case.outlook.recommendation is advice.action
        assert case.outlook.permitted is advice.permitted
        assert case.outlook.slots_open_now == advice.slots_open_now
    asked = [each.id for each in subjects if each.evaluability.state is EvaluabilityState.IN_WINDOW]
    assert [case.subject_ids[0] for case in found(cases, Supposition.DLT)] == asked
    assert len(found(cases, Supposition.JUDGED_DLT)) == words.count("pending")
    assert all(timedelta(0) <= case.day - day(IN_WINDOW) for case in cases)
