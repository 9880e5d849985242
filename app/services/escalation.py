"""What the ladder recommends, and whether anybody may be dosed on a level now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Reason
from app.domain.escalation import Recommendation, admissible_actions
from app.domain.escalation_rules import DecisionAction
from app.domain.evaluability import EvaluabilityState
from app.domain.level_standing import LevelStatus
from app.domain.superseded import Basis, Stood, superseded
from app.domain.vocabulary import CohortPhase
from app.schemas.decisions import DecisionStatus
from app.schemas.escalation import EscalationView, SupersededView
from app.services.access import Actor
from app.services.ladder import Ladder, read_ladder


async def read_escalation(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> EscalationView:
    """Show the ladder with its recommendation, and what may be decided on it."""
    return show_ladder(await read_ladder(session, actor, at, past), at)


def show_ladder(ladder: Ladder, at: datetime) -> EscalationView:
    """Show a ladder that was drawn for a moment."""
    found = ladder.recommendation
    return EscalationView(
        recommendation=found.action,
        level=found.level,
        target_level=found.target_level,
        phase=found.phase,
        reasons=found.reasons,
        blocked_by=found.blocked_by,
        permitted=found.permitted,
        approval_required=found.approval_required,
        warnings=found.warnings,
        slots_open_now=found.slots_open_now,
        mtd=found.mtd,
        highest_tolerated=found.highest_tolerated,
        rp2d_candidate=found.rp2d_candidate,
        held_by=found.held_by,
        admissible_actions=tuple(sorted(admissible_actions(found))),
        ladder=found.levels,
        expansions=found.expansions,
        state=found.state,
        superseded=tuple(_superseded(ladder)),
        open_proposal=ladder.open_proposal.view if ladder.open_proposal else None,
        variant=found.variant,
        rule=found.rule,
        study_day=found.today,
        digest=ladder.digest,
        **ladder.protocol.basis(at),
    )


def _superseded(ladder: Ladder) -> Iterator[SupersededView]:
    """Name the decisions in force that a late result overtook."""
    in_force = [each for each in ladder.decisions if each.status is DecisionStatus.IN_FORCE]
    rows = {str(each.row.id): each.row for each in in_force}
    bases = [Basis(each.fact, _stood(each.row.evidence)) for each in in_force]
    present = {str(each.subject_id): each.counted for each in ladder.subjects}
    rules = ladder.protocol.rules.escalation
    for found in superseded(bases, present, rules, ladder.facts.today, ladder.state.levels):
        row = rows[found.decision_id]
        yield SupersededView(
            decision_id=row.id,
            round=row.round,
            action=DecisionAction(row.action),
            dose_level=row.dose_level,
            subject_ids=tuple(map(UUID, found.subject_ids)),
            reason=found.reason,
        )


def _stood(evidence: Mapping[str, Any]) -> dict[str, Stood]:
    """Read how each subject counted in the evidence that a decision names."""
    return {
        each["subject_id"]: Stood(
            EvaluabilityState(each["state"]), each["has_dlt"], each["open_items"]
        )
        for each in evidence.get("subjects", ())
    }


async def dosing_allowed(
    session: AsyncSession, actor: Actor, dose_level: str, phase: CohortPhase, now: datetime
) -> tuple[Reason, ...]:
    """Say why nobody may be dosed on a level in a phase now; empty means that dosing is allowed."""
    ladder = await read_ladder(session, actor, now)
    return dosing_refusals(ladder, dose_level, phase)


def dosing_refusals(ladder: Ladder, dose_level: str, phase: CohortPhase) -> tuple[Reason, ...]:
    """List what forbids dosing on a level in a phase."""
    state = ladder.state
    place = state.index(dose_level)
    expansion_shut = phase is CohortPhase.EXPANSION and state.expansion_level != dose_level
    if not ladder.recommendation.levels[place].dosing_blocked and not expansion_shut:
        return ()
    found = [*halts(ladder.recommendation), *_shut_levels(ladder, place)]
    if expansion_shut:
        text = f"The expansion is not open on level {dose_level}."
        found.append(Reason("expansion_not_open", text))
    return tuple(found)


def halts(recommendation: Recommendation) -> Iterator[Reason]:
    """List what stops enrolment and dosing on every level."""
    if recommendation.state.stopped:
        yield Reason("trial_stopped", "The committee has stopped the trial.")
    if recommendation.state.on_hold:
        yield Reason("hold_in_force", "The committee holds the trial until it resumes it.")
    for trigger in recommendation.held_by:
        yield Reason(trigger.code, f"{trigger.message} The committee has to review it.")


def _shut_levels(ladder: Ladder, place: int) -> Iterator[Reason]:
    """Say which levels up to the given one may not be dosed, and with them all above."""
    rules = ladder.protocol.rules.escalation
    for standing in ladder.recommendation.levels[: place + 1]:
        name = standing.level
        if standing.status is LevelStatus.TOXIC:
            yield Reason("level_toxic", f"{standing.tally.dlts} DLTs make level {name} toxic.")
        elif standing.status is LevelStatus.CLOSED:
            yield Reason("level_closed", f"Level {name} is closed by decision.")
        elif standing.status is LevelStatus.NOT_OPEN:
            yield Reason("level_not_open", f"Level {name} has not been opened.")
        elif (
            rules.stop_on_possible_toxicity
            and standing.tally.possible_dlts >= rules.design.stop_at_dlts
        ):
            text = f"Level {name} may be toxic, depending on the open adjudications."
            yield Reason("possibly_toxic", text)
