"""How each level of the ladder stands, given the counts of all levels and the decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

from app.domain.committee import LadderState
from app.domain.escalation_rules import Design, EscalationRules
from app.domain.ladder import HoldTrigger, LadderFacts, LevelTally, expansion_triggers


class LevelStatus(StrEnum):
    """Where a level stands.

    `needs_six`: one cohort is treated and a second needs a decision. `tolerated` may be reached
    before the last window closes, when no outstanding result can change it. `closed`: stopped by
    decision; `toxic`: stopped by its DLTs, whatever is outstanding.
    """

    NOT_OPEN = "not_open"
    ENROLLING = "enrolling"
    WAITING = "waiting"
    NEEDS_SIX = "needs_six"
    TOLERATED = "tolerated"
    TOXIC = "toxic"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelStanding:
    """One level: its counts, how many subjects it needs and may hold, and whether to dose.

    `free_slots` are those of the open level, before caps, holds and lower levels are looked at.
    """

    level: str
    status: LevelStatus
    required: int
    capacity: int
    free_slots: int
    dosing_blocked: bool
    tally: LevelTally


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderView:
    """The whole ladder as the steps of the recommendation look at it.

    `ceiling` is the place of the lowest toxic or closed level, or the number of levels; no level
    from there on is dosed. `highest` is the highest level up to which everything is tolerated
    and settled, -1 for none. `held_by` are the triggers not yet reviewed.
    """

    facts: LadderFacts
    state: LadderState
    rules: EscalationRules
    ceiling: int
    highest: int
    held_by: tuple[HoldTrigger, ...]
    standings: tuple[LevelStanding, ...]

    @property
    def usable(self) -> tuple[LevelStanding, ...]:
        """The levels below the ceiling."""
        return self.standings[: self.ceiling]


def view_ladder(facts: LadderFacts, state: LadderState, rules: EscalationRules) -> LadderView:
    """Derive how every level stands.

    Raises ValueError when the tallies are not those of the ladder's levels, in order.
    """
    if tuple(tally.level for tally in facts.levels) != state.levels:
        raise ValueError("a ladder needs one tally per level, lowest first")
    ceiling = _ceiling(facts, state, rules.design)
    standings = [
        _stand(
            tally, _required(place, tally, rules.design, ceiling, len(state.levels)), state, rules
        )
        for place, tally in enumerate(facts.levels)
    ]
    highest = _highest(standings[:ceiling])
    held_by = _held_by(facts, state, rules, highest)
    undosed = 0 if held_by or state.on_hold or state.stopped else ceiling
    undosed = min(undosed, _possible_ceiling(facts, rules))
    blocked = [replace(standing, dosing_blocked=True) for standing in standings[undosed:]]
    return LadderView(
        facts=facts,
        state=state,
        rules=rules,
        ceiling=ceiling,
        highest=highest,
        held_by=held_by,
        standings=(*standings[:undosed], *blocked),
    )


def _stand(
    tally: LevelTally, required: int, state: LadderState, rules: EscalationRules
) -> LevelStanding:
    """Put a level's status and slots together; only a level that was opened may be dosed."""
    capacity = rules.design.cohort_size
    if tally.level in state.expanded:
        capacity = rules.design.max_level_size
    if tally.dlts >= rules.design.stop_at_dlts:
        status = LevelStatus.TOXIC
    elif tally.level in state.closed:
        status = LevelStatus.CLOSED
    elif tally.level not in state.opened:
        status = LevelStatus.NOT_OPEN
    else:
        status = _treated_status(tally, required, capacity, rules)
    free = min(required, capacity) - tally.slots_held if tally.level == state.open_level else 0
    return LevelStanding(
        level=tally.level,
        status=status,
        required=required,
        capacity=capacity,
        free_slots=max(0, free),
        dosing_blocked=tally.level not in state.opened,
        tally=tally,
    )


def _treated_status(
    tally: LevelTally, required: int, capacity: int, rules: EscalationRules
) -> LevelStatus:
    """Decide where a level stands that may be treated."""
    if _is_tolerated(tally, required, rules.design):
        return LevelStatus.TOLERATED
    if tally.slots_held < min(required, capacity):
        return LevelStatus.ENROLLING
    outstanding = tally.in_flight or tally.enrolled_not_dosed
    if capacity >= required or (outstanding and (rules.wait_for_first_cohort or not tally.dlts)):
        return LevelStatus.WAITING
    return LevelStatus.NEEDS_SIX


def _ceiling(facts: LadderFacts, state: LadderState, design: Design) -> int:
    """Find the lowest toxic or closed level."""
    for place, tally in enumerate(facts.levels):
        if tally.dlts >= design.stop_at_dlts or tally.level in state.closed:
            return place
    return len(facts.levels)


def _possible_ceiling(facts: LadderFacts, rules: EscalationRules) -> int:
    """Find the lowest level that an open adjudication may make toxic."""
    if rules.stop_on_possible_toxicity:
        for place, tally in enumerate(facts.levels):
            if tally.possible_dlts >= rules.design.stop_at_dlts:
                return place
    return len(facts.levels)


def _required(place: int, tally: LevelTally, design: Design, ceiling: int, levels: int) -> int:
    """Say how many evaluable subjects decide the level.

    Two cohorts after a DLT or once a fourth subject is in; under `korn` also for the level below
    the ceiling, under `korn6` also for the top.
    """
    below_ceiling = design.refill_lower_to_six and place + 1 == ceiling < levels
    top = design.confirm_top_with_six and place + 1 == levels
    doubled = tally.dlts > 0 or tally.slots_held > design.cohort_size
    return design.max_level_size if doubled or below_ceiling or top else design.cohort_size


def _is_tolerated(tally: LevelTally, required: int, design: Design) -> bool:
    """Tell whether the level passes even if every result still out is a DLT."""
    allowed = 0 if required == design.cohort_size else design.stop_at_dlts - 1
    dosed = tally.evaluable + tally.in_flight
    return dosed >= required and tally.dlts + tally.in_flight <= allowed


def _highest(usable: list[LevelStanding]) -> int:
    """Find the last level of the unbroken run of tolerated and settled levels, -1 for none."""
    run = takewhile(
        lambda standing: standing.status is LevelStatus.TOLERATED and standing.tally.settled,
        usable,
    )
    return len(list(run)) - 1


def _held_by(
    facts: LadderFacts, state: LadderState, rules: EscalationRules, highest: int
) -> tuple[HoldTrigger, ...]:
    """Collect the triggers that no resume has reviewed."""
    triggers = list(facts.triggers)
    if state.expansion_level is not None:
        triggers += expansion_triggers(facts.pooled_outcomes, rules.expansion)
        triggers += _basis_changed(facts, state, state.expansion_level, highest)
    return tuple(trigger for trigger in triggers if trigger.id not in state.reviewed)


def _basis_changed(
    facts: LadderFacts, state: LadderState, expanded: str, highest: int
) -> tuple[HoldTrigger, ...]:
    """Ring when the escalation no longer says that the expansion level is tolerated."""
    place = state.index(expanded)
    if highest >= place:
        return ()
    counts = "-".join(f"{tally.dlts}/{tally.evaluable}" for tally in facts.levels[: place + 1])
    return (
        HoldTrigger(
            id=f"expansion_basis:{counts}",
            code="expansion_basis",
            message=f"The escalation no longer shows that level {expanded} is tolerated.",
        ),
    )
