"""What the ladder recommends next, and which decisions that admits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.domain.committee import Decision, LadderState
from app.domain.errors import Reason, conflict
from app.domain.escalation_rules import DecisionAction, EscalationRules, Variant
from app.domain.escalation_steps import LadderAction, next_step
from app.domain.ladder import Blocker, HoldTrigger, LadderFacts, LevelTally
from app.domain.level_standing import LadderView, LevelStanding, view_ladder
from app.domain.vocabulary import CohortPhase

MTD_NOT_REACHED = "not_reached"
NO_TOLERATED_LEVEL = "none"

_DECISION_OF = {
    LadderAction.EXPAND_TO_SIX: DecisionAction.EXPAND_TO_SIX,
    LadderAction.ESCALATE: DecisionAction.ESCALATE,
    LadderAction.LEVEL_TOLERATED: DecisionAction.OPEN_EXPANSION,
    LadderAction.STOP_LEVEL: DecisionAction.STOP_LEVEL,
    LadderAction.REFILL_LOWER: DecisionAction.REFILL_LOWER,
    LadderAction.DECLARE_MTD: DecisionAction.DECLARE_MTD,
    LadderAction.STOP_TRIAL: DecisionAction.STOP_TRIAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What the counts and the decisions so far lead to.

    `level` is where things stand and `target_level` where the step leads, if elsewhere. The step
    is determined as soon as no outstanding result can change it, but `permitted` only when
    `blocked_by` is empty. `mtd` is a level, `not_reached` when the top is tolerated, `none` when
    no level is, and None while that is open; `rp2d_candidate` is the MTD or the tolerated top.
    `slots_open_now` is above zero exactly when the action is `enrol`.
    """

    action: LadderAction
    level: str | None
    target_level: str | None
    phase: CohortPhase
    reasons: tuple[Reason, ...]
    blocked_by: tuple[Blocker, ...]
    permitted: bool
    approval_required: bool
    warnings: tuple[Reason, ...]
    slots_open_now: int
    mtd: str | None
    highest_tolerated: str | None
    rp2d_candidate: str | None
    held_by: tuple[HoldTrigger, ...]
    levels: tuple[LevelStanding, ...]
    expansions: tuple[LevelTally, ...]
    state: LadderState
    today: date
    variant: Variant
    rule: str


def recommend(facts: LadderFacts, state: LadderState, rules: EscalationRules) -> Recommendation:
    """Say what should happen next."""
    view = view_ladder(facts, state, rules)
    step = next_step(view)
    mtd = _mtd(view)
    decision = _DECISION_OF.get(step.action)
    return Recommendation(
        action=step.action,
        level=step.level,
        target_level=step.target,
        phase=CohortPhase.EXPANSION if state.expansion_level else CohortPhase.ESCALATION,
        reasons=(step.reason,),
        blocked_by=step.blocked_by,
        permitted=step.action is LadderAction.HOLD or not step.blocked_by,
        approval_required=decision is not None and rules.needs_approval(decision),
        warnings=step.warnings,
        slots_open_now=step.slots,
        mtd=mtd,
        highest_tolerated=state.levels[view.highest] if view.highest >= 0 else None,
        rp2d_candidate=_rp2d_candidate(view, mtd),
        held_by=view.held_by,
        levels=view.standings,
        expansions=facts.expansions,
        state=state,
        today=facts.today,
        variant=rules.design.variant,
        rule=f"escalation.{rules.design.variant}",
    )


def admissible_actions(recommendation: Recommendation) -> frozenset[DecisionAction]:
    """Say which decisions may be taken now: the recommended one and every more cautious one."""
    state = recommendation.state
    if state.stopped:
        return frozenset()
    actions = {DecisionAction.STOP_LEVEL, DecisionAction.STOP_TRIAL}
    if not state.on_hold:
        actions.add(DecisionAction.HOLD)
    if state.on_hold or recommendation.held_by:
        actions.add(DecisionAction.RESUME)
    recommended = _DECISION_OF.get(recommendation.action)
    if recommended is DecisionAction.OPEN_EXPANSION and state.expansion_level is not None:
        recommended = None
    if recommended is not None and recommendation.permitted:
        actions.add(recommended)
    return frozenset(actions)


def require_admissible(recommendation: Recommendation, decision: Decision) -> None:
    """Refuse a decision that is less cautious than the recommendation.

    Raises a conflict with the reasons of the recommendation. Any level may be stopped; the
    expansion may be opened on any level up to the highest tolerated one (C22).
    """
    if decision.action not in admissible_actions(recommendation):
        raise conflict(
            "decision_not_admissible",
            "The recommendation does not admit this decision; see its reasons.",
            recommendation.reasons
            + tuple(Reason(block.code, block.message) for block in recommendation.blocked_by),
        )
    if not _names_the_right_level(recommendation, decision):
        raise conflict(
            "decision_level_not_admissible",
            "The recommendation does not admit this decision for that level.",
            recommendation.reasons,
        )


def _names_the_right_level(recommendation: Recommendation, decision: Decision) -> bool:
    """Tell whether the decision names a level that its action allows now."""
    state, action = recommendation.state, decision.action
    if action in (DecisionAction.HOLD, DecisionAction.RESUME, DecisionAction.STOP_TRIAL):
        return decision.level is None
    if decision.level not in state.levels:
        return False
    if action is DecisionAction.STOP_LEVEL:
        return True
    if action is DecisionAction.OPEN_EXPANSION:
        highest = recommendation.highest_tolerated
        return highest is not None and state.index(decision.level) <= state.index(highest)
    return decision.level == (recommendation.target_level or recommendation.level)


def _mtd(view: LadderView) -> str | None:
    """Name the MTD once every level below the ceiling is tolerated and settled."""
    if view.ceiling == 0:
        return NO_TOLERATED_LEVEL
    if view.highest < view.ceiling - 1:
        return None
    if view.ceiling == len(view.standings):
        return MTD_NOT_REACHED
    return view.state.levels[view.highest]


def _rp2d_candidate(view: LadderView, mtd: str | None) -> str | None:
    """Name the highest level that the expansion may take, once the escalation is finished."""
    if mtd is None or mtd == NO_TOLERATED_LEVEL:
        return None
    return view.state.levels[view.highest]
