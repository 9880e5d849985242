"""Whether a subject counts for the escalation decision, and if not, whether it is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.domain.dlt import DltFacts, DltStatus, DltWindow, adjudicate, dlt_candidates, window
from app.domain.dlt_rules import DltRules, EvaluabilityRules, UnderdosedSlot
from app.domain.errors import Reason
from app.domain.vocabulary import DispositionEvent


class EvaluabilityState(StrEnum):
    """What an enrolled subject means for its level.

    `unresolved`: the observation is over, but an adjudication or a record is still missing.
    `not_evaluable`: replaced at the same level; a subject once dosed stays in the safety set.
    """

    NOT_DOSED = "not_dosed"
    IN_WINDOW = "in_window"
    UNRESOLVED = "unresolved"
    EVALUABLE = "evaluable"
    NOT_EVALUABLE = "not_evaluable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluability:
    """How a subject counts; `open_items` are undecided events and an unexplained death.

    `first_infusion_day` is the day from which product may be in the subject: a started infusion
    counts until its volume is recorded as zero. The window may begin earlier, at an attempt.
    """

    state: EvaluabilityState
    has_dlt: bool
    open_items: int
    window: DltWindow | None
    first_infusion_day: date | None
    status: DltStatus
    reasons: tuple[Reason, ...]
    rule: str
    evidence: tuple[str, ...]

    @property
    def may_have_dlt(self) -> bool:
        """Tell whether an open item could still make this the subject's first DLT."""
        return self.open_items > 0 and not self.has_dlt


def evaluability(
    facts: DltFacts, today: date, rules: DltRules, infusion_window_days: int
) -> Evaluability:
    """Derive how the subject counts on `today`, a day in the study's zone.

    An infusion that is neither given nor cancelled `infusion_window_days` after its day is named,
    because it keeps the window open.
    """
    observed = window(facts, rules)
    candidates = dlt_candidates(facts, observed, rules)
    status = adjudicate(facts, candidates) if observed else DltStatus()
    unexplained = _died_unexplained(facts, observed, rules)
    open_items = len(status.pending) + int(unexplained)
    state, reason = _state(facts, observed, status, today, rules)
    reasons = [reason, *_overdue(facts, today, timedelta(days=infusion_window_days))]
    if status.pending:
        reasons.append(_PENDING)
    if unexplained:
        reasons.append(_UNEXPLAINED)
    settled = state in (EvaluabilityState.EVALUABLE, EvaluabilityState.NOT_EVALUABLE)
    if settled and open_items and not status.dlts:
        state = EvaluabilityState.UNRESOLVED
    return Evaluability(
        state=state,
        has_dlt=bool(status.dlts),
        open_items=open_items,
        window=observed,
        first_infusion_day=facts.started[0].day if facts.started else None,
        status=status,
        reasons=tuple(reasons),
        rule="dlt.evaluability",
        evidence=_evidence(facts, status),
    )


_PENDING = Reason("adjudication_pending", "An event has to be adjudicated.")
_UNEXPLAINED = Reason(
    "death_without_event",
    "The subject died in the DLT window and no grade 5 event is recorded; record the event.",
)
_WITH_DLT = Reason("dlt", "A subject with a dose-limiting toxicity always counts.")
_COMPLETED = Reason("completed", "The dose was received and the window has passed without DLT.")
_NOT_DOSED = Reason("not_dosed", "The first infusion has not started.")
_LEFT_BEFORE = Reason("left_before_dosing", "The subject left before the first infusion.")
_LEFT = Reason("observation_ended", "The observation ended before the window had passed.")
_UNDERDOSED = Reason("underdosed", "The subject received too little of the planned dose.")
_WINDOW_RUNS = Reason("window_running", "The DLT window has not passed.")
_INFUSIONS_TO_COME = Reason("infusions_to_come", "Planned infusions are still to be given.")
_CELLS_MISSING = Reason("cells_not_recorded", "The cells of an infusion are not recorded.")


def _state(
    facts: DltFacts, observed: DltWindow | None, status: DltStatus, today: date, rules: DltRules
) -> tuple[EvaluabilityState, Reason]:
    """Decide the state as if every undecided event were no DLT."""
    if status.dlts:
        return EvaluabilityState.EVALUABLE, _WITH_DLT
    if observed is None or not facts.started:
        if facts.infusions_to_come:
            return EvaluabilityState.NOT_DOSED, _NOT_DOSED
        return EvaluabilityState.NOT_EVALUABLE, _LEFT_BEFORE
    if _left_in_window(facts, observed, rules.evaluability):
        return EvaluabilityState.NOT_EVALUABLE, _LEFT
    return _dosed_state(facts, observed, today, rules.evaluability)


def _dosed_state(
    facts: DltFacts, observed: DltWindow, today: date, rules: EvaluabilityRules
) -> tuple[EvaluabilityState, Reason]:
    """Decide the state of a subject under observation without DLT."""
    if facts.infusions_to_come:
        return EvaluabilityState.IN_WINDOW, _INFUSIONS_TO_COME
    enough = _received_enough(facts, rules)
    over = observed.is_over(today)
    if enough is False and (over or rules.underdosed_slot is UnderdosedSlot.WHEN_DOSING_ENDS):
        return EvaluabilityState.NOT_EVALUABLE, _UNDERDOSED
    if not over:
        return EvaluabilityState.IN_WINDOW, _WINDOW_RUNS
    if enough is None:
        return EvaluabilityState.UNRESOLVED, _CELLS_MISSING
    return EvaluabilityState.EVALUABLE, _COMPLETED


def _overdue(facts: DltFacts, today: date, tolerance: timedelta) -> Iterator[Reason]:
    """Name the infusion to come whose day and tolerance have passed.

    Without a prescription its day is counted from the last infusion.
    """
    if not facts.infusions_to_come:
        return
    started = facts.started
    waiting = [fact for fact in facts.infusions if not fact.cancelled and fact not in started]
    if waiting:
        infusion = min(waiting, key=lambda fact: fact.number)
        if today > infusion.planned_day + tolerance:
            text = f"Infusion {infusion.number} is neither given nor cancelled"
            yield Reason("infusion_overdue", f"{text}; record it or cancel it.")
        return
    last = started[-1].day if started else None
    interval = timedelta(days=facts.level.interval_days)
    if last is not None and today > last + interval + tolerance:
        number = 1 + max(fact.number for fact in facts.infusions)
        yield Reason("infusion_not_prescribed", f"Infusion {number} has not been prescribed.")


def _received_enough(facts: DltFacts, rules: EvaluabilityRules) -> bool | None:
    """Tell whether enough infusions, and enough cells in them, were given; None if unrecorded.

    The cells are summed over the infusions given, because the dose that escalates is cumulative
    (C5): one low bag does not make a subject unevaluable.
    """
    started = facts.started
    if len(started) < rules.min_infusion_fraction * facts.level.planned_infusions:
        return False
    received = [fact.cells for fact in started if fact.given and fact.cells is not None]
    if len(received) < len(started):
        return None
    return sum(received) >= rules.min_cells_fraction * sum(fact.planned_cells for fact in started)


def _left_in_window(facts: DltFacts, observed: DltWindow, rules: EvaluabilityRules) -> bool:
    """Tell whether the subject was not observed through the last day of the window."""
    return any(
        fact.event in rules.ends_observation and not observed.is_over(fact.day)
        for fact in facts.dispositions
    )


def _died_unexplained(facts: DltFacts, observed: DltWindow | None, rules: DltRules) -> bool:
    """Tell whether a death in the window has no fatal event that could be adjudicated."""
    if observed is None or any(event.grade >= rules.fatal_grade for event in facts.events):
        return False
    return any(
        fact.event is DispositionEvent.DIED and not observed.is_over(fact.day)
        for fact in facts.dispositions
    )


def _evidence(facts: DltFacts, status: DltStatus) -> tuple[str, ...]:
    """List the ids of the infusions, exits, events and adjudications behind the conclusion."""
    rulings = (*status.dlts, *status.pending, *status.not_dlt)
    ids = [fact.id for fact in facts.infusions]
    ids += [fact.id for fact in facts.dispositions]
    for ruling in rulings:
        ids.append(ruling.adverse_event_id)
        if ruling.adjudication_id is not None:
            ids.append(ruling.adjudication_id)
    return tuple(ids)
