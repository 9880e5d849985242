"""How each adverse event of a subject stands as a possible dose-limiting toxicity, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.dlt import (
    CandidateReason,
    DltCandidate,
    DltFacts,
    DltRuling,
    DltWindow,
    adjudicate,
    dlt_candidates,
    falls_in_window,
    window,
)
from app.domain.dlt_rules import DltRules
from app.domain.errors import Reason
from app.domain.facts import AdverseEvent


class DltState(StrEnum):
    """What an event means for the escalation; only a signature makes it yes or no."""

    NOT_A_CANDIDATE = "not_a_candidate"
    PENDING = "pending"
    DLT = "dlt"
    NOT_DLT = "not_dlt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DltStanding:
    """One event's standing; `stale` says that the signature judged an earlier version.

    `window_end` is a projection while infusions are to come.
    """

    state: DltState
    reasons: tuple[Reason, ...]
    stale: bool = False
    transient: bool = False
    adjudication_id: str | None = None
    window_start: date | None = None
    window_end: date | None = None
    rule: str = "dlt.candidate"


RETRACTED = DltStanding(
    state=DltState.NOT_A_CANDIDATE,
    reasons=(Reason("retracted", "The event was retracted."),),
)
NOT_ENROLLED = DltStanding(
    state=DltState.NOT_A_CANDIDATE,
    reasons=(Reason("not_enrolled", "The subject is not enrolled on a dose level."),),
)
_NOT_DOSED = DltStanding(
    state=DltState.NOT_A_CANDIDATE,
    reasons=(Reason("not_dosed", "The subject's first infusion has not started."),),
)
_STALE = Reason(
    "adjudication_stale",
    "The event was changed after it was adjudicated; it has to be adjudicated again.",
)
_SIGNED_ALONE = Reason("signed", "The event was signed as dose-limiting.")
_WHY = {
    CandidateReason.SEVERE_AND_RELATED: Reason(
        "severe_and_related",
        "It is severe, in the DLT window, and its relation to the cells is not excluded.",
    ),
    CandidateReason.DEATH_NOT_DUE_TO_DISEASE: Reason(
        "death_not_due_to_disease",
        "It is a death in the DLT window that is not clearly due to the disease.",
    ),
    CandidateReason.DECLARED_BY_INVESTIGATOR: Reason(
        "declared_by_investigator", "An investigator declared it dose-limiting."
    ),
}


def standings(facts: DltFacts, rules: DltRules) -> dict[str, DltStanding]:
    """Tell for every event of an enrolled subject, by id, how it stands and why."""
    observed = window(facts, rules)
    if observed is None:
        return dict.fromkeys((event.id for event in facts.events), _NOT_DOSED)
    candidates = dlt_candidates(facts, observed, rules)
    status = adjudicate(facts, candidates)
    proposed = {candidate.adverse_event_id: candidate for candidate in candidates}
    rulings = {
        ruling.adverse_event_id: (state, ruling)
        for state, group in (
            (DltState.DLT, status.dlts),
            (DltState.PENDING, status.pending),
            (DltState.NOT_DLT, status.not_dlt),
        )
        for ruling in group
    }
    return {
        event.id: _ruled(*rulings[event.id], proposed.get(event.id), observed)
        if event.id in rulings
        else _not_proposed(event, observed, rules)
        for event in facts.events
    }


def _ruled(
    state: DltState, ruling: DltRuling, candidate: DltCandidate | None, observed: DltWindow
) -> DltStanding:
    """Describe an event that was proposed or signed."""
    reasons = [_WHY[reason] for reason in candidate.reasons] if candidate else [_SIGNED_ALONE]
    if ruling.stale:
        reasons.append(_STALE)
    return DltStanding(
        state=state,
        reasons=tuple(reasons),
        stale=ruling.stale,
        transient=candidate is not None and candidate.transient,
        adjudication_id=ruling.adjudication_id,
        window_start=observed.start_day,
        window_end=observed.end_day or observed.projected_end_day,
    )


def _not_proposed(event: AdverseEvent, observed: DltWindow, rules: DltRules) -> DltStanding:
    """Describe an event that need not be adjudicated, by the first condition it fails."""
    if not falls_in_window(event, observed):
        reason = Reason("outside_window", "The event lies outside the DLT window.")
    elif event.grade < rules.min_grade:
        reason = Reason("grade_too_low", f"The event is below grade {rules.min_grade}.")
    elif not rules.relatedness.holds(event.causality):
        reason = Reason("not_related", "The event is not related to the cells.")
    else:
        reason = Reason(
            "there_before", "The cytopenia, or what follows from it, was no better at baseline."
        )
    return DltStanding(
        state=DltState.NOT_A_CANDIDATE,
        reasons=(reason,),
        window_start=observed.start_day,
        window_end=observed.end_day or observed.projected_end_day,
    )
