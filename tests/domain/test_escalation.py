"""The ladder's worked examples: capacity, early determination, top, toxicity, caps."""

from dataclasses import replace

import pytest

from app.domain.escalation import MTD_NOT_REACHED, NO_TOLERATED_LEVEL
from app.domain.escalation_rules import StaggerPolicy, Variant
from app.domain.escalation_steps import LadderAction
from app.domain.level_standing import LevelStatus
from tests.domain.ladder_cases import (
    RULES,
    TODAY,
    UP_TO,
    advise,
    facts,
    standing,
    summary,
    tallied,
    with_variant,
)

PASSED = (3, 0)


# Capacity


@pytest.mark.parametrize("held", [{"in_window": 1}, {"unresolved": 1}, {"enrolled_not_dosed": 1}])
def test_slots_are_held_from_enrolment_on(held):
    """The third slot is taken by a subject who has not counted yet."""
    advice = advise(facts(tallied("A", 1, **held)))
    assert advice.slots_open_now == 1
    full = advise(facts(tallied("A", 2, **held)))
    assert summary(full) == (LadderAction.HOLD, "A", None)
    assert full.reasons[0].code == "results_outstanding"
    assert full.permitted
    assert [standing(full, name).free_slots for name in "AB"] == [0, 0]
    over = advise(facts(tallied("A", 4, **held)))
    assert standing(over, "A").free_slots == 0


def test_a_replaced_subject_frees_the_slot():
    """Who cannot count any more is replaced at the same level."""
    advice = advise(facts(tallied("A", 2, not_evaluable=4)))
    assert advice.slots_open_now == 1


def test_no_fourth_subject_while_the_first_three_are_out():
    """With 1 DLT and 2 in window the level waits."""
    advice = advise(facts(tallied("A", 1, 1, in_window=2)))
    assert summary(advice) == (LadderAction.HOLD, "A", None)
    assert [item.code for item in advice.blocked_by] == ["in_window"]
    assert standing(advice, "A").status is LevelStatus.WAITING


def test_the_fourth_subject_can_be_configured_not_to_wait():
    """Without the wait the second cohort may be asked for at the first DLT, not before."""
    rules = replace(RULES, wait_for_first_cohort=False)
    with_dlt = advise(facts(tallied("A", 1, 1, in_window=2)), rules=rules)
    assert summary(with_dlt) == (LadderAction.EXPAND_TO_SIX, "A", None)
    without = advise(facts(tallied("A", 1, in_window=2)), rules=rules)
    assert summary(without) == (LadderAction.HOLD, "A", None)
    full = advise(facts(tallied("A", 5, 1, in_window=1)), "expand_to_six A", rules=rules)
    assert summary(full) == (LadderAction.HOLD, "A", None)


# Early determination


@pytest.mark.parametrize("in_flight", [{"in_window": 4}, {"unresolved": 4, "may_have_dlt": 4}])
def test_two_dlts_are_toxic_whatever_is_outstanding(in_flight):
    """The second DLT stops the level at once."""
    advice = advise(facts(PASSED, tallied("B", 2, 2, **in_flight)), *UP_TO["B"])
    assert summary(advice) == (LadderAction.STOP_LEVEL, "B", None)
    assert advice.permitted
    assert standing(advice, "B").dosing_blocked
    assert standing(advice, "B").status is LevelStatus.TOXIC
    assert not standing(advice, "A").dosing_blocked


def test_one_of_five_with_one_outstanding_waits():
    """The sixth result decides."""
    known = facts(PASSED, tallied("B", 5, 1, in_window=1))
    advice = advise(known, *UP_TO["B"], "expand_to_six B")
    assert summary(advice) == (LadderAction.HOLD, "B", None)


def test_none_of_five_with_one_outstanding_goes_up_but_not_yet():
    """The level cannot exceed 1/6 any more; the next one still waits for the window."""
    known = facts(PASSED, tallied("B", 5, 0, in_window=1))
    advice = advise(known, *UP_TO["B"], "expand_to_six B")
    assert summary(advice) == (LadderAction.ESCALATE, "B", "C")
    assert not advice.permitted
    assert [(item.level, item.code) for item in advice.blocked_by] == [("B", "in_window")]
    assert standing(advice, "B").status is LevelStatus.TOLERATED
    assert advice.highest_tolerated == "A"


def test_none_of_four_with_two_outstanding_waits():
    """Both could be DLTs."""
    known = facts(PASSED, tallied("B", 4, 0, in_window=2))
    assert summary(advise(known, *UP_TO["B"], "expand_to_six B"))[0] is LadderAction.HOLD


def test_six_results_with_a_seventh_outstanding_wait():
    """1/6 passes, but the seventh subject could make it two DLTs."""
    known = facts(PASSED, tallied("B", 6, 1, in_window=1))
    assert summary(advise(known, *UP_TO["B"], "expand_to_six B"))[0] is LadderAction.HOLD


@pytest.mark.parametrize(
    ("outstanding", "code"),
    [({"open_items": 1}, "open_items"), ({"enrolled_not_dosed": 1}, "not_dosed")],
)
def test_a_level_opens_only_when_everything_below_has_closed(outstanding, code):
    """An open adjudication of a subject who has a DLT already still has to be signed."""
    known = facts(tallied("A", 6, 1, **outstanding))
    advice = advise(known, "expand_to_six A")
    assert summary(advice) == (LadderAction.ESCALATE, "A", "B")
    assert not advice.permitted
    assert [item.code for item in advice.blocked_by] == [code]


@pytest.mark.parametrize("outstanding", ["in_window", "unresolved"])
def test_a_possible_second_dlt_stops_enrolment_and_dosing(outstanding):
    """One DLT and one open candidate may be two."""
    level = tallied("A", 1, 1, may_have_dlt=1, open_items=1, **{outstanding: 1})
    advice = advise(facts(level))
    assert summary(advice) == (LadderAction.HOLD, "A", None)
    assert advice.reasons[0].code == "possibly_toxic"
    assert standing(advice, "A").dosing_blocked


def test_a_possible_second_dlt_can_be_configured_to_be_waited_for():
    """Without the safeguard the third slot stays open."""
    level = tallied("A", 1, 1, may_have_dlt=1, open_items=1, in_window=1)
    advice = advise(facts(level), rules=replace(RULES, stop_on_possible_toxicity=False))
    assert summary(advice) == (LadderAction.ENROL, "A", None)
    assert not standing(advice, "A").dosing_blocked


# Top, toxic, refill


def test_a_tolerated_top_is_not_an_mtd():
    """0/3 at the top: the MTD was not reached and C may be expanded."""
    advice = advise(facts(PASSED, PASSED, PASSED), *UP_TO["C"])
    assert advice.mtd == MTD_NOT_REACHED
    assert advice.highest_tolerated == advice.rp2d_candidate == "C"


def test_korn6_wants_six_at_the_top():
    """With the stricter variant 0/3 at the top needs a second cohort, elsewhere it does not."""
    rules = with_variant(Variant.KORN6)
    advice = advise(facts(PASSED, PASSED, PASSED), *UP_TO["C"], rules=rules)
    assert summary(advice) == (LadderAction.EXPAND_TO_SIX, "C", None)
    assert advice.mtd is None
    passed = advise(facts(PASSED, PASSED, (6, 1)), *UP_TO["C"], "expand_to_six C", rules=rules)
    assert passed.mtd == MTD_NOT_REACHED
    assert summary(advise(facts(PASSED), rules=rules))[0] is LadderAction.ESCALATE


def test_a_toxic_lowest_level_ends_the_trial():
    """There is no tolerated level."""
    advice = advise(facts((2, 2)))
    assert summary(advice) == (LadderAction.STOP_TRIAL, "A", None)
    assert advice.mtd == NO_TOLERATED_LEVEL
    assert advice.rp2d_candidate is advice.highest_tolerated is None


@pytest.mark.parametrize(
    ("variant", "below", "action", "mtd"),
    [
        (Variant.KORN, (6, 1), LadderAction.DECLARE_MTD, "A"),
        (Variant.KORN, (6, 0), LadderAction.DECLARE_MTD, "A"),
        (Variant.KORN, (3, 0), LadderAction.REFILL_LOWER, None),
        (Variant.KORN6, (3, 0), LadderAction.REFILL_LOWER, None),
        (Variant.STORER, (3, 0), LadderAction.DECLARE_MTD, "A"),
        (Variant.STORER, (6, 1), LadderAction.DECLARE_MTD, "A"),
    ],
)
def test_what_follows_a_closed_level(variant, below, action, mtd):
    """The level below has six with at most one DLT, or is filled, or is the MTD at once."""
    advice = advise(facts(below, (3, 2)), "escalate B", "stop_level B", rules=with_variant(variant))
    assert advice.action is action
    assert (advice.target_level or advice.level) == "A"
    assert advice.mtd == mtd == advice.rp2d_candidate == advice.highest_tolerated
    assert standing(advice, "B").dosing_blocked


@pytest.mark.parametrize(
    ("refilled", "action", "mtd"),
    [
        ((3, 0), LadderAction.ENROL, None),
        ((5, 1), LadderAction.ENROL, None),
        ((6, 0), LadderAction.DECLARE_MTD, "B"),
        ((6, 1), LadderAction.DECLARE_MTD, "B"),
        ((4, 2), LadderAction.STOP_LEVEL, None),
        ((6, 2), LadderAction.STOP_LEVEL, None),
    ],
)
def test_a_refilled_level_is_decided_at_six(refilled, action, mtd):
    """At most 1/6 makes it the MTD, a second DLT makes it toxic too."""
    steps = (*UP_TO["C"], "stop_level C", "refill_lower B")
    advice = advise(facts(PASSED, refilled, (2, 2)), *steps)
    assert (advice.action, advice.level, advice.mtd) == (action, "B", mtd)


def test_a_refilled_level_that_turns_toxic_sends_one_lower():
    """Level A is filled next."""
    steps = (*UP_TO["C"], "stop_level C", "refill_lower B", "stop_level B")
    advice = advise(facts(PASSED, (6, 2), (2, 2)), *steps)
    assert summary(advice) == (LadderAction.REFILL_LOWER, None, "A")


def test_a_declared_mtd_finishes_the_escalation():
    """What remains is to choose the level of the expansion."""
    steps = ("escalate B", "stop_level B", "declare_mtd A")
    advice = advise(facts((6, 1), (3, 2)), *steps)
    assert summary(advice) == (LadderAction.LEVEL_TOLERATED, "A", None)
    assert advice.reasons[0].code == "mtd_declared"
    assert advice.mtd == "A"


def test_a_level_closed_by_decision_counts_as_not_tolerated():
    """The committee may stop a level before its second DLT; the one below is then filled."""
    advice = advise(facts(PASSED, (3, 1)), "escalate B", "stop_level B")
    assert summary(advice) == (LadderAction.REFILL_LOWER, None, "A")
    assert standing(advice, "B").status is LevelStatus.CLOSED


# Caps and stagger


@pytest.mark.parametrize("cap", ["max_in_escalation", "max_in_total"])
def test_the_caps_close_enrolment(cap):
    """At the cap nobody is enrolled; one below it one slot is left."""
    rules = replace(RULES, **{cap: 12})
    full = facts((6, 1), tallied("B", 5, 0), tallied("C", in_window=1))
    steps = ("expand_to_six A", *UP_TO["B"], "expand_to_six B")
    advice = advise(full, *steps, rules=rules)
    assert summary(advice) == (LadderAction.HOLD, "B", None)
    assert advice.reasons[0].code == "cap_reached"
    assert advise(full, *steps, rules=replace(RULES, **{cap: 13})).slots_open_now == 1


def test_replacements_exceed_the_total_only_if_configured():
    """The caps count slots; beyond the planned total the registration warns or refuses."""
    known = facts(tallied("A", 2, not_evaluable=21))
    assert advise(known).warnings == ()
    known = facts(tallied("A", 2, not_evaluable=22))
    assert [warning.code for warning in advise(known).warnings] == ["beyond_planned_total"]
    strict = replace(RULES, replacements_may_exceed_total=False)
    assert advise(known, rules=strict).reasons[0].code == "cap_reached"


def test_the_stagger_warns_by_default():
    """The second subject of a level within 14 days is a warning."""
    known = facts(tallied("A", in_window=1, first_infusion_days=(TODAY,)))
    advice = advise(known)
    assert summary(advice) == (LadderAction.ENROL, "A", None)
    assert [warning.code for warning in advice.warnings] == ["stagger"]


def test_the_stagger_blocks_if_configured():
    """With the stricter policy the level waits."""
    rules = replace(RULES, stagger=replace(RULES.stagger, policy=StaggerPolicy.BLOCK))
    known = facts(tallied("A", in_window=1, first_infusion_days=(TODAY,)))
    advice = advise(known, rules=rules)
    assert summary(advice) == (LadderAction.HOLD, "A", None)
    assert advice.slots_open_now == 0
    assert advise(facts(), rules=rules).slots_open_now == 3
