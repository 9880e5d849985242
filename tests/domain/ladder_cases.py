"""Ladders for the tests of the escalation: counts by level, decisions so far, variants."""

from dataclasses import replace
from datetime import date

from app.domain.committee import Decision, LadderState, replay
from app.domain.escalation import Recommendation, recommend
from app.domain.escalation_rules import DecisionAction, EscalationRules, Variant
from app.domain.escalation_steps import LadderAction
from app.domain.ladder import LadderFacts, LevelTally
from app.domain.level_standing import LevelStanding
from tests.protocol_data import section

RULES = section("escalation", EscalationRules)
LEVELS = ("A", "B", "C")
TODAY = date(2026, 6, 1)


def with_variant(variant: Variant) -> EscalationRules:
    """Give the shipped rules with another variant."""
    return replace(RULES, design=replace(RULES.design, variant=variant))


def tallied(level: str, evaluable: int = 0, dlts: int = 0, **more) -> LevelTally:
    """Count a level by evaluable subjects and DLTs."""
    return LevelTally(level=level, evaluable=evaluable, dlts=dlts, **more)


def facts(*levels: tuple[int, int] | LevelTally, **more) -> LadderFacts:
    """Make the facts of levels A, B, C from (evaluable, DLTs) or tallies; the rest are empty."""
    filled = [*levels, *((0, 0),) * (len(LEVELS) - len(levels))]
    tallies = tuple(
        entry if isinstance(entry, LevelTally) else tallied(name, *entry)
        for name, entry in zip(LEVELS, filled, strict=True)
    )
    return LadderFacts(levels=tallies, today=TODAY, **more)


def decided(*steps: str) -> LadderState:
    """Replay decisions written as 'action' or 'action level'."""
    decisions = []
    for number, step in enumerate(steps):
        action, _, level = step.partition(" ")
        decisions.append(
            Decision(id=f"dec-{number}", action=DecisionAction(action), level=level or None)
        )
    return replay(LEVELS, decisions)


UP_TO = {
    "A": (),
    "B": ("escalate B",),
    "C": ("escalate B", "escalate C"),
}


def advise(known: LadderFacts, *steps: str, rules: EscalationRules = RULES) -> Recommendation:
    """Recommend after some decisions."""
    return recommend(known, decided(*steps), rules)


def summary(advice: Recommendation) -> tuple[LadderAction, str | None, str | None]:
    """Give the action with its levels."""
    return advice.action, advice.level, advice.target_level


def standing(advice: Recommendation, level: str) -> LevelStanding:
    """Find how one level stands."""
    return advice.levels[LEVELS.index(level)]
