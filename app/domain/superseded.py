"""Decisions in force that the counts they rest on do not admit any more, as after a late DLT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.domain.committee import Decision, LadderState, replay
from app.domain.errors import DomainError, Reason
from app.domain.escalation import recommend, require_admissible
from app.domain.escalation_rules import DecisionAction, EscalationRules
from app.domain.evaluability import Evaluability, EvaluabilityState
from app.domain.ladder import Counted, count_ladder

# What goes on with the trial. The others stop something, or end a hold that was reviewed then.
_FORWARD = (
    DecisionAction.ESCALATE,
    DecisionAction.EXPAND_TO_SIX,
    DecisionAction.REFILL_LOWER,
    DecisionAction.DECLARE_MTD,
    DecisionAction.OPEN_EXPANSION,
)
_SETTLED = (EvaluabilityState.EVALUABLE, EvaluabilityState.NOT_EVALUABLE)


@dataclass(frozen=True, slots=True)
class Stood:
    """How a subject counted when something was decided."""

    state: EvaluabilityState
    has_dlt: bool
    open_items: int


@dataclass(frozen=True, slots=True)
class Basis:
    """A decision in force, and how each subject counted when it was proposed, by id."""

    decision: Decision
    counted: Mapping[str, Stood]


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A decision in force whose basis gives another step now, and who counts otherwise since.

    It stays in force until the committee decides anew; the recommendation takes it back.
    """

    decision_id: str
    subject_ids: tuple[str, ...]
    reason: Reason


def superseded(
    bases: Sequence[Basis], present: Mapping[str, Counted], rules: EscalationRules, today: date,
    levels: tuple[str, ...],
) -> Iterator[Superseded]:  # fmt: skip
    """Hold each decision in force, in their order, against its subjects as they count now.

    `present` is by subject in the order of enrolment. A result that was not in yet, and one that
    is out again until somebody adjudicates, is as it was: neither is a late result.
    """
    for place, basis in enumerate(bases):
        if basis.decision.action not in _FORWARD:
            continue
        known = {
            name: _as_known(each, basis.counted[name])
            for name, each in present.items()
            if name in basis.counted
        }
        changed = tuple(
            name
            for name, each in known.items()
            if _stands(each.evaluability) != basis.counted[name]
        )
        if changed:
            before = replay(levels, (each.decision for each in bases[:place]))
            reason = _refusal(basis.decision, before, known.values(), rules, today)
            if reason is not None:
                yield Superseded(decision_id=basis.decision.id, subject_ids=changed, reason=reason)


def _stands(counts: Evaluability) -> Stood:
    return Stood(counts.state, counts.has_dlt, counts.open_items)


def _as_known(counted: Counted, stood: Stood) -> Counted:
    """Count a result that was in and is in as it is now, any other one as it was."""
    now = counted.evaluability
    decided = not now.open_items or (now.has_dlt and not stood.has_dlt)
    if stood.state in _SETTLED and now.state in _SETTLED and decided:
        return counted
    then = replace(now, state=stood.state, has_dlt=stood.has_dlt, open_items=stood.open_items)
    return replace(counted, evaluability=then)


def _refusal(
    decision: Decision,
    before: LadderState,
    counted: Iterable[Counted],
    rules: EscalationRules,
    today: date,
) -> Reason | None:
    """Say why these counts do not admit a decision, None if they do."""
    facts = count_ladder(tuple(counted), before, today)
    try:
        require_admissible(recommend(facts, before, rules), decision)
    except DomainError as refusal:
        said = " ".join(each.message for each in refusal.reasons)
        return Reason(
            "decision_superseded", f"The counts that this decision rests on changed since: {said}"
        )
    return None
