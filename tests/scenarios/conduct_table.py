"""What the 3 + 3 table says to do next, given the counts of the levels and the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.scenarios.conduct_oracle import CAP, COHORT, FULL, LEVELS, TOXIC, Records, held_by

Counts = Mapping[str, Mapping[str, int]]


@dataclass
class State:
    """Where the decisions in force have brought the ladder."""

    open_level: str | None = "A"
    opened: set[str] = field(default_factory=lambda: {"A"})
    expanded: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    reviewed: set[str] = field(default_factory=set)
    on_hold: bool = False
    stopped: bool = False
    mtd: str | None = None

    def take(self, action: str, level: str | None, reviewed: list[str]) -> None:
        """Let a decision come into force."""
        if action in {"escalate", "refill_lower"}:
            self.open_level = level
            self.opened.add(str(level))
        if action in {"expand_to_six", "refill_lower"}:
            self.expanded.add(str(level))
        if action == "declare_mtd":
            self.open_level, self.mtd = None, level
        if action in {"hold", "resume"}:
            self.on_hold = action == "hold"
            self.reviewed |= set(reviewed)
        if action == "stop_level":
            self.closed |= set(LEVELS[LEVELS.index(str(level)) :])
            self.open_level = None if self.open_level in self.closed else self.open_level
            self.mtd = None if self.mtd in self.closed else self.mtd
        if action == "stop_trial":
            self.stopped, self.open_level = True, None


def replayed(records: Records) -> State:
    """Take every decision in force, in the order in which they came into force."""
    state = State()
    verdicts = {row["decision_id"]: row["verdict"] for row in records["decision_verdict"]}
    for row in records["escalation_decision"]:
        at_once = row["action"] in {"hold", "stop_level", "stop_trial"}
        if verdicts.get(row["id"], "confirmed" if at_once else "proposed") == "confirmed":
            reviewed = [held["id"] for held in row["recommendation"]["held_by"]]
            state.take(
                row["action"], row["dose_level"], reviewed if row["action"] == "resume" else []
            )
    return state


def held(counts: Mapping[str, int]) -> int:
    """Count the slots that are taken: everybody enrolled who can still count."""
    return (
        sum(counts[name] for name in ("evaluable", "in_window", "unresolved"))
        + counts["enrolled_not_dosed"]
    )


def ceiling_of(counts: Counts, state: State) -> int:
    """Find the lowest level that is toxic or closed."""
    shut = (
        place
        for place, level in enumerate(LEVELS)
        if counts[level]["dlts"] >= TOXIC or level in state.closed
    )
    return next(shut, len(LEVELS))


def doubtful(counts: Counts) -> int:
    """Find the lowest level that an open adjudication may make toxic."""
    found = (
        place
        for place, level in enumerate(LEVELS)
        if counts[level]["dlts"] + counts[level]["may_have_dlt"] >= TOXIC
    )
    return next(found, len(LEVELS))


def may_dose(level: str, counts: Counts, state: State, records: Records) -> bool:
    """Tell whether anybody may be dosed on a level."""
    if state.stopped or state.on_hold or held_by(records) - state.reviewed:
        return False
    place = LEVELS.index(level)
    return level in state.opened and place < min(ceiling_of(counts, state), doubtful(counts))


def _needed(place: int, counts: Mapping[str, int], ceiling: int) -> int:
    """Say how many subjects decide a level: six after a DLT, and below a level that was shut."""
    second = counts["dlts"] > 0 or held(counts) > COHORT or place + 1 == ceiling < len(LEVELS)
    return FULL if second else COHORT


def _passes(counts: Mapping[str, int], needed: int) -> bool:
    """Tell whether a level passes whatever is still out: 0 of 3, or at most 1 of 6."""
    out = counts["in_window"] + counts["unresolved"]
    allowed = 0 if needed == COHORT else 1
    return counts["evaluable"] + out >= needed and counts["dlts"] + out <= allowed


def next_action(counts: Counts, state: State, records: Records) -> str:
    """Say what the table wants next."""
    if state.stopped:
        return "stop_trial"
    ceiling = ceiling_of(counts, state)
    if ceiling == 0:
        return "stop_trial"
    if any(counts[x]["dlts"] >= TOXIC and x not in state.closed for x in LEVELS[ceiling:]):
        return "stop_level"
    if state.on_hold or held_by(records) - state.reviewed or doubtful(counts) < ceiling:
        return "hold"
    for place, level in enumerate(LEVELS[:ceiling]):
        needed = _needed(place, counts[level], ceiling)
        if not _passes(counts[level], needed):
            return _unfinished(place, needed, counts, state)
    top = ceiling == len(LEVELS)
    return "level_tolerated" if top or state.mtd == LEVELS[ceiling - 1] else "declare_mtd"


def _unfinished(place: int, needed: int, counts: Counts, state: State) -> str:
    """Say what the lowest level that has not passed needs."""
    level = LEVELS[place]
    mine = counts[level]
    capacity = FULL if level in state.expanded else COHORT
    out = mine["in_window"] + mine["unresolved"] + mine["enrolled_not_dosed"]
    if held(mine) < min(needed, capacity):
        status = "enrol"
    elif capacity >= needed or out:
        status = "hold"
    else:
        status = "expand_to_six"
    is_below = state.open_level is not None and LEVELS.index(state.open_level) < place
    if level == state.open_level:
        full = sum(held(each) for each in counts.values()) >= CAP
        return "hold" if status == "enrol" and full else status
    if level not in state.opened or is_below:
        return "escalate"
    return "hold" if status == "hold" else "refill_lower"
