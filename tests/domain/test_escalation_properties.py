"""Properties of the ladder, held against randomly run trials."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.committee import Decision, LadderState, apply, initial_state
from app.domain.escalation import Recommendation, recommend, require_admissible
from app.domain.escalation_rules import DecisionAction, EscalationRules, Variant
from app.domain.escalation_steps import LadderAction
from app.domain.ladder import LadderFacts, LevelTally
from app.domain.level_standing import LevelStatus
from tests.domain.ladder_cases import LEVELS, RULES, TODAY, advise, facts, tallied, with_variant

DECIDES = {
    LadderAction.ESCALATE: DecisionAction.ESCALATE,
    LadderAction.EXPAND_TO_SIX: DecisionAction.EXPAND_TO_SIX,
    LadderAction.REFILL_LOWER: DecisionAction.REFILL_LOWER,
    LadderAction.DECLARE_MTD: DecisionAction.DECLARE_MTD,
    LadderAction.STOP_LEVEL: DecisionAction.STOP_LEVEL,
    LadderAction.STOP_TRIAL: DecisionAction.STOP_TRIAL,
}
STOPS = {LadderAction.STOP_LEVEL, LadderAction.STOP_TRIAL}


def caution(action: LadderAction) -> int:
    """Rank an action: 0 goes up, 1 stays on the level, 2 stops it."""
    return 0 if action is LadderAction.ESCALATE else 2 if action in STOPS else 1


@dataclass
class Trial:
    """A trial run subject by subject; each level holds one word per enrolled subject."""

    rules: EscalationRules
    levels: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in LEVELS})
    state: LadderState = field(default_factory=lambda: initial_state(LEVELS))

    def known(self) -> LadderFacts:
        """Count the subjects."""
        return LadderFacts(today=TODAY, levels=tuple(self.counted(name) for name in LEVELS))

    def counted(self, level: str) -> LevelTally:
        """Count one level."""
        words = self.levels[level]
        return LevelTally(
            level=level,
            evaluable=words.count("clean") + words.count("dlt"),
            dlts=words.count("dlt"),
            in_window=words.count("in_window"),
            unresolved=words.count("pending"),
            may_have_dlt=words.count("pending"),
            open_items=words.count("pending"),
            enrolled_not_dosed=words.count("enrolled"),
            not_evaluable=words.count("gone"),
        )

    def advice(self) -> Recommendation:
        """Ask the ladder."""
        return recommend(self.known(), self.state, self.rules)

    def decide(self, advice: Recommendation) -> None:
        """Take the recommended decision."""
        level = (
            None
            if advice.action is LadderAction.STOP_TRIAL
            else (advice.target_level or advice.level)
        )
        decision = Decision(id="dec", action=DECIDES[advice.action], level=level)
        require_admissible(advice, decision)
        self.state = apply(self.state, decision)

    def move(self, draw, advice: Recommendation) -> None:
        """Let something happen to one subject that is not finished, if any."""
        blocked = {level.level for level in advice.levels if level.dosing_blocked}
        open_subjects = [
            (level, place)
            for level, words in self.levels.items()
            for place, word in enumerate(words)
            if word in NEXT and not (word == "enrolled" and level in blocked)
        ]
        if open_subjects:
            level, place = draw(st.sampled_from(open_subjects))
            words = self.levels[level]
            words[place] = draw(st.sampled_from(NEXT[words[place]]))


NEXT = {
    "enrolled": ["in_window", "in_window", "gone"],
    "in_window": ["clean", "clean", "dlt", "pending", "gone"],
    "pending": ["clean", "dlt"],
    "clean": ["pending"],
}


def check(trial: Trial, advice: Recommendation) -> None:
    """Hold one recommendation against what must always be true."""
    assert (advice.slots_open_now > 0) is (advice.action is LadderAction.ENROL)
    assert sum(level.tally.slots_held for level in advice.levels) <= 18
    for level in advice.levels:
        limit = 6 if level.level in trial.state.expanded else 3
        assert level.tally.slots_held <= limit
        if level.tally.dlts >= 2:
            assert level.status is LevelStatus.TOXIC
            assert level.dosing_blocked
        if level.level not in trial.state.opened:
            assert level.dosing_blocked
    if advice.action is LadderAction.ENROL:
        assert advice.level == trial.state.open_level
        held = trial.counted(advice.level).slots_held + advice.slots_open_now
        assert held <= (6 if advice.level in trial.state.expanded else 3)
    if advice.action is LadderAction.ESCALATE and advice.permitted:
        place = LEVELS.index(advice.target_level)
        below = advice.levels[:place]
        assert all(level.tally.settled and level.tally.dlts < 2 for level in below)
        assert advice.levels[place].tally.dlts < 2
        assert advice.target_level not in trial.state.closed
    if advice.mtd in LEVELS and trial.rules.design.refill_lower_to_six:
        mtd = trial.counted(advice.mtd)
        assert mtd.evaluable == 6
        assert mtd.dlts <= 1


@given(data=st.data(), variant=st.sampled_from(list(Variant)))
@settings(max_examples=150, deadline=None)
def test_a_trial_that_follows_the_ladder_keeps_its_promises(data, variant):
    """Enrolment, dosing, escalation and the MTD, whatever happens to the subjects."""
    trial = Trial(with_variant(variant))
    for _ in range(60):
        advice = trial.advice()
        check(trial, advice)
        if advice.action is LadderAction.ENROL and data.draw(st.booleans()):
            trial.levels[advice.level].append("enrolled")
        elif advice.action in DECIDES and advice.permitted and not trial.state.stopped:
            trial.decide(advice)
        else:
            trial.move(data.draw, advice)


@given(
    evaluable=st.integers(0, 6),
    dlts=st.integers(0, 2),
    outstanding=st.integers(0, 3),
    expanded=st.booleans(),
)
@settings(max_examples=150)
def test_more_dlts_never_make_the_ladder_bolder(evaluable, dlts, outstanding, expanded):
    """One more DLT never goes up where fewer stayed, nor stays where fewer stopped."""
    evaluable = max(evaluable, dlts + 1)
    steps = ("expand_to_six B",) if expanded else ()

    def rank(count: int) -> int:
        known = facts((3, 0), tallied("B", evaluable, count, in_window=outstanding))
        return caution(advise(known, "escalate B", *steps).action)

    assert rank(dlts + 1) >= rank(dlts)


@given(
    evaluable=st.integers(2, 6),
    more=st.integers(0, 4),
    dlts=st.integers(2, 6),
    outstanding=st.integers(0, 4),
    pending=st.integers(0, 4),
)
@settings(max_examples=100)
def test_toxic_is_absorbing(evaluable, more, dlts, outstanding, pending):
    """No further result makes a toxic level tolerable."""
    evaluable = max(evaluable, dlts)
    level = tallied(
        "B", evaluable + more, dlts, in_window=outstanding, may_have_dlt=pending, open_items=pending
    )
    advice = advise(facts((3, 0), level), "escalate B")
    assert advice.action is LadderAction.STOP_LEVEL
    assert advice.levels[1].dosing_blocked
    assert advice.levels[2].dosing_blocked


@given(
    evaluable=st.integers(0, 6),
    dlts=st.integers(0, 1),
    in_window=st.integers(0, 3),
    unresolved=st.integers(0, 3),
    waiting=st.integers(0, 3),
    items=st.integers(0, 3),
)
@settings(max_examples=150)
def test_nothing_opens_while_anything_is_outstanding(
    evaluable, dlts, in_window, unresolved, waiting, items
):
    """An escalation is permitted only on a settled level."""
    level = tallied(
        "A",
        max(evaluable, dlts),
        dlts,
        in_window=in_window,
        unresolved=unresolved,
        enrolled_not_dosed=waiting,
        open_items=items,
    )
    advice = advise(facts(level), "expand_to_six A")
    if advice.action is LadderAction.ESCALATE:
        assert advice.permitted is level.settled


@pytest.mark.parametrize("worst", ["clean", "dlt"])
def test_an_early_determination_holds_whatever_the_last_result_is(worst):
    """0/5 with one outstanding goes up after either result."""
    steps = ("escalate B", "expand_to_six B")
    early = advise(facts((3, 0), tallied("B", 5, 0, in_window=1)), *steps)
    late = advise(facts((3, 0), (6, int(worst == "dlt"))), *steps)
    assert early.action is late.action is LadderAction.ESCALATE
    assert not early.permitted
    assert late.permitted


def test_replacing_many_subjects_never_overfills_a_level():
    """However many leave, the level offers at most its own slots."""
    trial = Trial(replace(RULES, max_in_total=30))
    trial.levels["A"] = ["gone"] * 10 + ["clean"]
    assert trial.advice().slots_open_now == 2
