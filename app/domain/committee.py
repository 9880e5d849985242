"""What the committee has decided so far, and how each decision moves the ladder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce

from app.domain.errors import DomainError, conflict
from app.domain.escalation_rules import DecisionAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision in force.

    `level` is the level that opens, expands, closes or is declared; hold, resume and stop_trial
    have none. `reviewed` are the ids of the hold triggers that a resume has looked at.
    """

    id: str
    action: DecisionAction
    level: str | None = None
    reviewed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderState:
    """Where the decisions have brought the ladder; at most one level is open at a time.

    `levels` are all levels, lowest first; `opened` those that ever were open; `expanded` those
    that may fill two cohorts; `closed` those that are never dosed again.
    """

    levels: tuple[str, ...]
    opened: tuple[str, ...]
    open_level: str | None
    expanded: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    on_hold: bool = False
    stopped: bool = False
    declared_mtd: str | None = None
    expansion_level: str | None = None
    reviewed: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    def index(self, level: str) -> int:
        """Give the place of a level on the ladder, 0 for the lowest."""
        return self.levels.index(level)


def initial_state(levels: tuple[str, ...]) -> LadderState:
    """Start the ladder: the lowest level is open (record: 'from low dose to high dose')."""
    return LadderState(levels=levels, opened=levels[:1], open_level=levels[0])


def replay(levels: tuple[str, ...], decisions: Iterable[Decision]) -> LadderState:
    """Give the state after all decisions, in the order in which they came into force."""
    return reduce(apply, decisions, initial_state(levels))


def apply(state: LadderState, decision: Decision) -> LadderState:
    """Give the state after a decision.

    Raises a conflict when the ladder cannot make that step at all, whatever the counts say;
    whether the counts allow it is for `escalation.require_admissible`.
    """
    if state.stopped:
        raise conflict("trial_stopped", "The trial has stopped; no decision can follow.")
    step = _STEPS[decision.action]
    return replace(step(state, decision), evidence=(*state.evidence, decision.id))


def _level(state: LadderState, decision: Decision) -> str:
    """Give the level of the decision, which must be on the ladder."""
    if decision.level not in state.levels:
        raise conflict("level_unknown", "Name a level of this ladder.")
    return decision.level


def _treatable(state: LadderState, decision: Decision) -> str:
    """Give the level of the decision, which must have been opened and never closed."""
    level = _level(state, decision)
    if level not in state.opened or level in state.closed:
        raise _refusal("level_not_treatable", "That level is closed or was never opened.")
    return level


def _refusal(code: str, message: str) -> DomainError:
    """Word a refused step."""
    return conflict(code, f"{message} Read the recommendation again.")


def _escalate(state: LadderState, decision: Decision) -> LadderState:
    """Open a higher level; every level below must have been opened before, none is skipped."""
    level = _level(state, decision)
    place = state.index(level)
    if level in state.closed:
        raise _refusal("level_closed", "A closed level is never opened again.")
    if state.open_level is not None and place <= state.index(state.open_level):
        raise _refusal("level_not_higher", "Escalation goes from the open level upward.")
    if any(lower not in state.opened for lower in state.levels[:place]):
        raise _refusal("level_skipped", "No level may be skipped.")
    return replace(state, open_level=level, opened=_with(state.opened, level))


def _expand(state: LadderState, decision: Decision) -> LadderState:
    """Let the open level fill a second cohort."""
    level = _treatable(state, decision)
    if level != state.open_level:
        raise _refusal("level_not_open", "Only the open level can be expanded.")
    return replace(state, expanded=_with(state.expanded, level))


def _refill(state: LadderState, decision: Decision) -> LadderState:
    """Go back to a lower level and let it fill a second cohort."""
    level = _treatable(state, decision)
    if state.open_level is not None and state.index(level) >= state.index(state.open_level):
        raise _refusal("level_not_lower", "Only a level below the open one can be refilled.")
    return replace(state, open_level=level, expanded=_with(state.expanded, level))


def _declare(state: LadderState, decision: Decision) -> LadderState:
    """Name the MTD and end the escalation."""
    return replace(state, declared_mtd=_treatable(state, decision), open_level=None)


def _hold(state: LadderState, _: Decision) -> LadderState:
    """Stop enrolment and dosing for the time being."""
    return replace(state, on_hold=True)


def _resume(state: LadderState, decision: Decision) -> LadderState:
    """End a hold and remember which triggers were looked at."""
    return replace(state, on_hold=False, reviewed=(*state.reviewed, *decision.reviewed))


def _stop_level(state: LadderState, decision: Decision) -> LadderState:
    """Close a level and all above it for good."""
    level = _level(state, decision)
    place = state.index(level)
    closed = state.levels[place:]
    return replace(
        state,
        closed=tuple(dict.fromkeys((*closed, *state.closed))),
        open_level=_unless(closed, state.open_level),
        declared_mtd=_unless(closed, state.declared_mtd),
        expansion_level=_unless(closed, state.expansion_level),
    )


def _stop_trial(state: LadderState, _: Decision) -> LadderState:
    """End all enrolment and dosing for good."""
    return replace(state, stopped=True, open_level=None, expansion_level=None)


def _open_expansion(state: LadderState, decision: Decision) -> LadderState:
    """Open the expansion on a level that was treated, not above a declared MTD (C22)."""
    level = _treatable(state, decision)
    if state.expansion_level is not None:
        raise _refusal("expansion_open", "The expansion is already open.")
    if state.declared_mtd is not None and state.index(level) > state.index(state.declared_mtd):
        raise _refusal("level_above_mtd", "The expansion may not exceed the MTD.")
    return replace(state, expansion_level=level, open_level=None)


def _with(levels: tuple[str, ...], level: str) -> tuple[str, ...]:
    """Add a level once."""
    return levels if level in levels else (*levels, level)


def _unless(closed: tuple[str, ...], level: str | None) -> str | None:
    """Forget a level that has been closed."""
    return None if level in closed else level


_STEPS: dict[DecisionAction, Callable[[LadderState, Decision], LadderState]] = {
    DecisionAction.ESCALATE: _escalate,
    DecisionAction.EXPAND_TO_SIX: _expand,
    DecisionAction.REFILL_LOWER: _refill,
    DecisionAction.DECLARE_MTD: _declare,
    DecisionAction.HOLD: _hold,
    DecisionAction.RESUME: _resume,
    DecisionAction.STOP_LEVEL: _stop_level,
    DecisionAction.STOP_TRIAL: _stop_trial,
    DecisionAction.OPEN_EXPANSION: _open_expansion,
}
