"""Late results: which decisions in force the counts that they rest on do not admit any more."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.committee import Decision
from app.domain.escalation_rules import DecisionAction
from app.domain.evaluability import EvaluabilityState
from app.domain.ladder import Counted
from app.domain.superseded import Basis, Stood, superseded
from app.domain.vocabulary import CohortPhase
from tests.domain.ladder_cases import LEVELS, RULES, TODAY
from tests.domain.what_if_cases import clean, observed, pending, with_dlt

IN, OUT = EvaluabilityState.EVALUABLE, EvaluabilityState.NOT_EVALUABLE
CLEAN, TOXIC = Stood(IN, False, 0), Stood(IN, True, 0)
RUNNING = Stood(EvaluabilityState.IN_WINDOW, False, 0)
ESCALATE = Decision(id="up", action=DecisionAction.ESCALATE, level="B")


def counted(subject) -> Counted:
    """Count a subject on its level."""
    return Counted(subject.level, subject.phase, subject.evaluability)


def present(**subjects):
    """Say how subjects count now."""
    return {name: counted(each(name)) for name, each in subjects.items()}


def found(now, *bases):
    """Name the superseded decisions, who counts otherwise, and the reason."""
    return [
        (each.decision_id, each.subject_ids, each.reason.message)
        for each in superseded(bases, now, RULES, TODAY, LEVELS)
    ]


def after(*before: Stood) -> Basis:
    """Escalate on the results of subjects a, b, c, ..."""
    return Basis(ESCALATE, dict(zip("abcdef", before, strict=False)))


def test_a_late_toxicity_supersedes_the_escalation():
    """0 of 3 opened the next level, and it is 1 of 3 now: the sentence says what follows."""
    basis = after(CLEAN, CLEAN, CLEAN)
    assert found(present(a=clean, b=clean, c=clean), basis) == []
    ((decision, subjects, message),) = found(present(a=clean, b=with_dlt, c=clean), basis)
    assert (decision, subjects) == ("up", ("b",))
    assert message == (
        "The counts that this decision rests on changed since: 1 of 3 subjects of level A had a"
        " DLT; it takes 6 to decide."
    )
    two = found(present(a=with_dlt, b=with_dlt, c=clean), basis)
    assert two[0][1] == ("a", "b")
    assert "none is left" in two[0][2]


def test_a_late_toxicity_that_changes_nothing_supersedes_nothing():
    """One of six is as good as none of six."""
    basis = Basis(ESCALATE, dict.fromkeys("abcdef", CLEAN))
    expand = Basis(Decision(id="six", action=DecisionAction.EXPAND_TO_SIX, level="A"), {})
    now = present(a=with_dlt, b=clean, c=clean, d=clean, e=clean, f=clean)
    assert found(now, expand, basis) == []


def test_a_result_that_was_still_out_is_no_late_one():
    """The second cohort was asked for after one DLT; a second one then makes the level toxic."""
    expand = Decision(id="six", action=DecisionAction.EXPAND_TO_SIX, level="A")
    now = present(a=with_dlt, b=with_dlt, c=clean)
    rules = replace(RULES, wait_for_first_cohort=False)
    basis = Basis(expand, {"a": TOXIC, "b": RUNNING, "c": RUNNING})
    assert list(superseded((basis,), now, rules, TODAY, LEVELS)) == []
    settled = Basis(expand, {"a": TOXIC, "b": CLEAN, "c": CLEAN})
    assert [each[1] for each in found(now, settled)] == [("b",)]


@pytest.mark.parametrize("again", [pending, observed])
def test_a_result_that_is_out_again_waits_for_its_answer(again):
    """An event to be adjudicated, or a window that runs again, holds the ladder and no more."""
    assert found(present(a=clean, b=clean, c=again), after(CLEAN, CLEAN, CLEAN)) == []


def test_a_second_open_event_leaves_a_toxicity_what_it_was():
    """Who counted with a DLT still does, whatever else waits to be adjudicated."""

    def open_(name):
        subject = with_dlt(name)
        return replace(subject, evaluability=replace(subject.evaluability, open_items=1))

    expand = Decision(id="six", action=DecisionAction.EXPAND_TO_SIX, level="A")
    basis = Basis(expand, {"a": TOXIC, "b": CLEAN, "c": CLEAN})
    assert found(present(a=open_, b=clean, c=clean), basis) == []
    late = Basis(ESCALATE, {"a": CLEAN, "b": CLEAN, "c": CLEAN})
    assert [each[1] for each in found(present(a=open_, b=clean, c=clean), late)] == [("a",)]


def test_who_turns_out_not_to_count_supersedes_as_well():
    """A corrected dose that was too small leaves two of three; one that counted not still does."""

    def out(name):
        subject = clean(name)
        return replace(subject, evaluability=replace(subject.evaluability, state=OUT))

    basis = after(CLEAN, CLEAN, CLEAN, Stood(OUT, False, 0))
    now = present(a=clean, b=clean, c=out, d=out)
    assert found(now, basis) == [
        (
            "up",
            ("c",),
            "The counts that this decision rests on changed since: Level A has room for 1 more.",
        )
    ]


def test_each_decision_is_held_against_the_ladder_that_it_met():
    """After the way back and the second cohort the new escalation stands; the first does not."""
    steps = (
        after(CLEAN, CLEAN, CLEAN),
        Basis(Decision(id="back", action=DecisionAction.REFILL_LOWER, level="A"),
              {"a": TOXIC, "b": CLEAN, "c": CLEAN}),
        Basis(replace(ESCALATE, id="again"), {"a": TOXIC} | dict.fromkeys("bcdef", CLEAN)),
    )  # fmt: skip
    now = present(a=with_dlt, b=clean, c=clean, d=clean, e=clean, f=clean)
    assert [each[0] for each in found(now, *steps)] == ["up"]
    now["b"] = counted(with_dlt("b"))
    assert [each[0] for each in found(now, *steps)] == ["up", "back", "again"]


@pytest.mark.parametrize("action", ["hold", "resume", "stop_level", "stop_trial"])
def test_what_stops_or_was_reviewed_is_never_superseded(action):
    """More caution needs no counts."""
    level = "A" if action == "stop_level" else None
    basis = Basis(
        Decision(id="x", action=DecisionAction(action), level=level), {"a": CLEAN, "b": CLEAN}
    )
    assert found(present(a=with_dlt, b=with_dlt), basis) == []


def test_a_decision_without_its_evidence_is_left_alone():
    """Nothing can be held against counts that are not on record, or whose subject is not there."""
    assert found(present(a=with_dlt, b=with_dlt), Basis(ESCALATE, {})) == []
    assert found({}, after(CLEAN, CLEAN, CLEAN)) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=3, max_size=3), st.lists(st.booleans(), max_size=3))
def test_an_escalation_stands_exactly_while_its_level_has_no_toxicity(first, others):
    """Of a level of three: superseded by any DLT of its own subjects, never by one above."""
    names = "abc"
    now = present(**{name: with_dlt if toxic else clean
                     for name, toxic in zip(names, first, strict=True)})  # fmt: skip
    for number, toxic in enumerate(others):
        maker = with_dlt if toxic else clean
        now[f"above-{number}"] = counted(maker(f"above-{number}", "B"))
    late = found(now, after(CLEAN, CLEAN, CLEAN))
    assert bool(late) is any(first)
    assert all(each.phase is CohortPhase.ESCALATION for each in now.values())
    if late:
        toxic = tuple(name for name, has in zip(names, first, strict=True) if has)
        assert late[0][1] == toxic
