"""The questions a recommendation asks of the ladder, one function each, in order of gravity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Reason
from app.domain.escalation_rules import StaggerPolicy
from app.domain.ladder import Blocker, LevelTally, blockers, stagger_reason
from app.domain.level_standing import LadderView, LevelStanding, LevelStatus


class LadderAction(StrEnum):
    """What the ladder can recommend; `hold` means: enrol nobody for now."""

    ENROL = "enrol"
    HOLD = "hold"
    EXPAND_TO_SIX = "expand_to_six"
    ESCALATE = "escalate"
    LEVEL_TOLERATED = "level_tolerated"
    STOP_LEVEL = "stop_level"
    REFILL_LOWER = "refill_lower"
    DECLARE_MTD = "declare_mtd"
    STOP_TRIAL = "stop_trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do next, at which level, leading to which, and what is in the way."""

    action: LadderAction
    reason: Reason
    level: str | None = None
    target: str | None = None
    blocked_by: tuple[Blocker, ...] = ()
    warnings: tuple[Reason, ...] = ()
    slots: int = 0


def next_step(view: LadderView) -> Step:
    """Answer the first question that applies.

    Lower levels come first, so that a late DLT on a level that was left long ago stops whatever
    was built upon it.
    """
    return (
        _trial_stopped(view)
        or _toxicity(view)
        or _hold(view)
        or _possible_toxicity(view)
        or _expansion(view)
        or _unfinished_level(view)
        or _finished(view)
    )


def _trial_stopped(view: LadderView) -> Step | None:
    """Ask whether the committee has stopped the trial."""
    if not view.state.stopped:
        return None
    reason = Reason("trial_stopped", "The committee has stopped the trial.")
    return Step(action=LadderAction.STOP_TRIAL, reason=reason)


def _toxicity(view: LadderView) -> Step | None:
    """Ask whether a toxic level still has to be closed, or no level is left to go to."""
    if view.ceiling == 0:
        reason = Reason("no_tolerated_level", "The lowest level is toxic or closed; none is left.")
        return Step(action=LadderAction.STOP_TRIAL, reason=reason, level=view.state.levels[0])
    closing = [
        standing.tally
        for standing in view.standings[view.ceiling :]
        if standing.status is LevelStatus.TOXIC and standing.level not in view.state.closed
    ]
    if not closing:
        return None
    tally = closing[0]
    reason = Reason(
        "level_toxic",
        f"{tally.dlts} DLTs make level {tally.level} toxic whatever is outstanding; "
        "dosing stops there and above.",
    )
    return Step(action=LadderAction.STOP_LEVEL, reason=reason, level=tally.level)


def _hold(view: LadderView) -> Step | None:
    """Ask whether a hold is in force or something waits for the committee's review."""
    level = view.state.expansion_level or view.state.open_level
    if view.state.on_hold:
        reason = Reason("hold_in_force", "The committee holds the trial until it resumes it.")
        return Step(action=LadderAction.HOLD, reason=reason, level=level)
    if view.held_by:
        trigger = view.held_by[0]
        reason = Reason(trigger.code, f"{trigger.message} The committee has to review it.")
        return Step(action=LadderAction.HOLD, reason=reason, level=level)
    return None


def _possible_toxicity(view: LadderView) -> Step | None:
    """Ask whether an open adjudication may make a level toxic."""
    if not view.rules.stop_on_possible_toxicity:
        return None
    for standing in view.usable:
        tally = standing.tally
        if tally.possible_dlts >= view.rules.design.stop_at_dlts:
            text = f"Level {tally.level} is toxic if the open adjudications say so."
            return _wait(tally, Reason("possibly_toxic", text))
    return None


def _expansion(view: LadderView) -> Step | None:
    """Ask whether the expansion runs, and what it needs."""
    level = view.state.expansion_level
    if level is None:
        return None
    found = [tally for tally in view.facts.expansions if tally.level == level]
    tally = found[0] if found else LevelTally(level=level)
    free = view.rules.expansion.size - tally.slots_held
    if free > 0:
        return _enrol(view, tally, min(free, _room_in_trial(view)))
    if not tally.settled:
        reason = Reason("results_outstanding", "The expansion is full and results are out.")
        return _wait(tally, reason)
    reason = Reason("expansion_complete", "The expansion is full and every result is in.")
    return Step(action=LadderAction.LEVEL_TOLERATED, reason=reason, level=level)


def _unfinished_level(view: LadderView) -> Step | None:
    """Ask which is the lowest level that is not tolerated yet, and what it needs."""
    place = next(
        (
            place
            for place, standing in enumerate(view.usable)
            if standing.status is not LevelStatus.TOLERATED
        ),
        None,
    )
    if place is None:
        return None
    standing, open_level = view.standings[place], view.state.open_level
    if standing.level == open_level:
        return _open_level(view, standing)
    opened_below = open_level is not None and view.state.index(open_level) < place
    if standing.status is LevelStatus.NOT_OPEN or opened_below:
        return _escalate(view, place)
    return _return_to(view, standing)


def _open_level(view: LadderView, standing: LevelStanding) -> Step:
    """Go on with the open level: enrol, wait, or ask for the second cohort."""
    tally = standing.tally
    if standing.status is LevelStatus.ENROLLING:
        room = min(_room_in_escalation(view), _room_in_trial(view))
        stagger = stagger_reason(tally, view.facts.today, view.rules.stagger)
        return _enrol(view, tally, min(standing.free_slots, room), stagger)
    if standing.status is LevelStatus.NEEDS_SIX:
        reason = Reason(
            "second_cohort_needed",
            f"{tally.dlts} of {tally.evaluable} subjects of level {tally.level} had a DLT; "
            f"it takes {standing.required} to decide.",
        )
        return Step(action=LadderAction.EXPAND_TO_SIX, reason=reason, level=tally.level)
    reason = Reason("results_outstanding", f"Results of level {tally.level} are still out.")
    return _wait(tally, reason)


def _enrol(view: LadderView, tally: LevelTally, slots: int, stagger: Reason | None = None) -> Step:
    """Offer the free slots, unless a cap or the stagger forbids it."""
    if slots <= 0:
        reason = Reason("cap_reached", "The planned number of subjects is reached.")
        return Step(action=LadderAction.HOLD, reason=reason, level=tally.level)
    if stagger and view.rules.stagger.policy is StaggerPolicy.BLOCK:
        return Step(action=LadderAction.HOLD, reason=stagger, level=tally.level)
    return Step(
        action=LadderAction.ENROL,
        reason=Reason("slots_free", f"Level {tally.level} has room for {slots} more."),
        level=tally.level,
        warnings=(*((stagger,) if stagger else ()), *_beyond_plan(view)),
        slots=slots,
    )


def _escalate(view: LadderView, place: int) -> Step:
    """Go up, once everything below has closed."""
    below = view.standings[:place]
    level = below[-1].level
    return Step(
        action=LadderAction.ESCALATE,
        reason=Reason("level_tolerated", f"Level {level} is tolerated."),
        level=level,
        target=view.standings[place].level,
        blocked_by=blockers(_tallies(below)),
    )


def _return_to(view: LadderView, standing: LevelStanding) -> Step:
    """Go back to a lower level that is not, or no longer, decided."""
    tally = standing.tally
    if standing.status is LevelStatus.WAITING:
        reason = Reason("results_outstanding", f"Level {tally.level} is not decided any more.")
        return _wait(tally, reason)
    reason = Reason(
        "lower_level_undecided",
        f"{tally.dlts} of {tally.evaluable} subjects of level {tally.level} had a DLT; "
        f"it takes {standing.required} to decide.",
    )
    return Step(
        action=LadderAction.REFILL_LOWER,
        reason=reason,
        level=view.state.open_level,
        target=tally.level,
    )


def _finished(view: LadderView) -> Step:
    """Name the MTD, or say that none was reached: every level below the ceiling is tolerated."""
    level = view.usable[-1].level
    top_tolerated = view.ceiling == len(view.standings)
    declared = view.state.declared_mtd == level
    if top_tolerated:
        reason = Reason("mtd_not_reached", f"The highest level, {level}, is tolerated.")
    elif declared:
        reason = Reason("mtd_declared", f"Level {level} is the MTD.")
    else:
        reason = Reason("mtd_found", f"Level {level} is tolerated and the next one is not.")
    done = top_tolerated or declared
    return Step(
        action=LadderAction.LEVEL_TOLERATED if done else LadderAction.DECLARE_MTD,
        reason=reason,
        level=level,
        blocked_by=blockers(_tallies(view.usable)),
    )


def _wait(tally: LevelTally, reason: Reason) -> Step:
    """Enrol nobody until the level's results are in."""
    return Step(
        action=LadderAction.HOLD, reason=reason, level=tally.level, blocked_by=blockers((tally,))
    )


def _tallies(standings: tuple[LevelStanding, ...]) -> tuple[LevelTally, ...]:
    """Give the counts of some levels."""
    return tuple(standing.tally for standing in standings)


def _room_in_escalation(view: LadderView) -> int:
    """Count the slots that the cap of the escalation leaves (C2)."""
    held = sum(tally.slots_held for tally in view.facts.levels)
    return view.rules.max_in_escalation - held


def _room_in_trial(view: LadderView) -> int:
    """Count the slots that the cap of the trial leaves (C2)."""
    tallies = (*view.facts.levels, *view.facts.expansions)
    counted = sum(tally.slots_held for tally in tallies)
    if not view.rules.replacements_may_exceed_total:
        counted += sum(tally.not_evaluable for tally in tallies)
    return view.rules.max_in_total - counted


def _beyond_plan(view: LadderView) -> tuple[Reason, ...]:
    """Warn when the next subject goes beyond the planned total, replacements included."""
    tallies = (*view.facts.levels, *view.facts.expansions)
    enrolled = sum(tally.slots_held + tally.not_evaluable for tally in tallies)
    if enrolled < view.rules.max_in_total:
        return ()
    return (Reason("beyond_planned_total", "Replacements exceed the planned total; say why."),)
