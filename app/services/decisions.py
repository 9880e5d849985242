"""Decisions about the ladder: proposed on named evidence, confirmed by a second person.

A decision takes effect when the committee confirms it while its evidence stands, or at once where
the protocol asks for no confirmation, so that nobody has to wait for leave to hold or stop.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.serialization import from_json, to_json
from app.domain.committee import Decision, apply
from app.domain.errors import DomainError, Reason, conflict, forbidden, invalid, not_found
from app.domain.escalation import require_admissible
from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import CohortPhase, Role
from app.models import Cohort, DecisionVerdict, EscalationDecision
from app.models.escalation import Verdict
from app.schemas.decisions import (
    DecisionCreate,
    DecisionListing,
    DecisionStatus,
    DecisionView,
    ExpansionCreate,
    VerdictCreate,
)
from app.services.access import Actor
from app.services.evidence_decisions import RecordedDecision, load_decisions
from app.services.history import as_of
from app.services.ladder import Ladder, read_ladder
from app.services.locks import lock_study
from app.services.paging import PageRequest, page

_OPENS = {
    DecisionAction.ESCALATE: CohortPhase.ESCALATION,
    DecisionAction.OPEN_EXPANSION: CohortPhase.EXPANSION,
}
_WITHOUT_LEVEL = (DecisionAction.HOLD, DecisionAction.RESUME, DecisionAction.STOP_TRIAL)


async def list_decisions(
    session: AsyncSession, actor: Actor, wanted: PageRequest
) -> DecisionListing:
    """List a page of decisions in the order of their rounds."""
    entity = as_of(EscalationDecision, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    found = await page(session, query, entity.id, wanted)
    on_page = {row.id for row in found.items}
    known = await load_decisions(session, actor.study_id, wanted.moment)
    return DecisionListing(
        items=[each.view for each in known if each.row.id in on_page], next=found.next
    )


async def propose_decision(
    session: AsyncSession, actor: Actor, wish: DecisionCreate, now: datetime
) -> DecisionView:
    """Propose a decision on the evidence that the digest names.

    Raises conflict when the evidence moved, the recommendation does not admit the decision or
    another proposal is open, and forbidden when the committee proposes what it has to confirm.
    """
    await lock_study(session, actor.study_id)
    ladder = await read_ladder(session, actor, now)
    gated = ladder.protocol.rules.escalation.needs_approval(wish.action)
    if gated and actor.role is Role.SAFETY_COMMITTEE:
        raise forbidden(
            "proposed_by_the_investigator",
            "The committee holds and stops on its own; any other step the investigator proposes.",
        )
    if gated and ladder.open_proposal is not None:
        raise conflict(
            "proposal_open",
            "A proposal waits for its verdict; give or withdraw that first.",
            (_told(ladder.open_proposal),),
        )
    if wish.digest != ladder.digest:
        raise _evidence_moved(ladder)
    row = _row(actor, ladder, wish, _admissible(ladder, wish))
    session.add(row)
    await session.flush()
    if not gated:
        await _take_effect(session, row)
    return await _shown(session, row)


async def propose_expansion(
    session: AsyncSession, actor: Actor, wish: ExpansionCreate, now: datetime
) -> DecisionView:
    """Propose to open the expansion on a level not above the highest tolerated one (C22)."""
    decision = DecisionCreate(
        digest=wish.digest,
        action=DecisionAction.OPEN_EXPANSION,
        dose_level=wish.dose_level,
        rationale=wish.reason,
    )
    return await propose_decision(session, actor, decision, now)


async def give_verdict(
    session: AsyncSession, actor: Actor, decision_id: UUID, word: VerdictCreate, now: datetime
) -> DecisionView:
    """Confirm or reject an open proposal; a confirmed one takes effect in the same moment.

    Raises forbidden for the proposer, and conflict when the proposal is not open any more or its
    evidence moved, after which it can only be rejected.
    """
    await lock_study(session, actor.study_id)
    ladder = await read_ladder(session, actor, now)
    proposal = _open_one(ladder, decision_id)
    if proposal.row.proposed_by == actor.principal_id:
        raise forbidden("two_persons", "A proposal is confirmed or rejected by another person.")
    verdict = Verdict(word.verdict)
    confirmed = verdict is Verdict.CONFIRMED
    # The digest covers rules, decisions, counts and step: what was admissible then still is.
    if confirmed and not word.digest == proposal.row.digest == ladder.digest:
        raise _evidence_moved(ladder)
    await _settle(session, actor, proposal, (verdict, word.rationale))
    if confirmed:
        await _take_effect(session, proposal.row)
    return await _shown(session, proposal.row)


async def withdraw_decision(
    session: AsyncSession, actor: Actor, decision_id: UUID, reason: str, now: datetime
) -> DecisionView:
    """Take an open proposal back; only its proposer may."""
    await lock_study(session, actor.study_id)
    proposal = _open_one(await read_ladder(session, actor, now), decision_id)
    if proposal.row.proposed_by != actor.principal_id:
        raise forbidden("not_the_proposer", "Only the person who proposed it may withdraw it.")
    await _settle(session, actor, proposal, (Verdict.WITHDRAWN, reason))
    return await _shown(session, proposal.row)


def _row(
    actor: Actor, ladder: Ladder, wish: DecisionCreate, decision: Decision
) -> EscalationDecision:
    """Write down the proposal with its evidence; the round is unique, so two cannot both win."""
    return EscalationDecision(
        study_id=actor.study_id,
        id=UUID(decision.id),
        round=len(ladder.decisions) + 1,
        action=decision.action,
        dose_level=decision.level,
        rationale=wish.rationale,
        proposed_by=actor.principal_id,
        protocol_version_id=ladder.protocol.id,
        digest=ladder.digest,
        evidence=_document(ladder.evidence),
        recommendation=_document(ladder.recommendation),
    )


def _admissible(ladder: Ladder, wish: DecisionCreate) -> Decision:
    """Complete the decision with the recommended level; raise conflict if it cannot be taken."""
    if wish.dose_level is not None and wish.dose_level not in ladder.state.levels:
        raise invalid("unknown_level", "Name a level of the protocol.", "/body/dose_level")
    decision = Decision(
        id=str(new_id()),
        action=wish.action,
        level=wish.dose_level or _recommended_level(ladder, wish.action),
        reviewed=tuple(wish.reviewed),
    )
    require_admissible(ladder.recommendation, decision)
    _require_review(ladder, decision)
    # A decision that the ladder could not replay must never be stored.
    apply(ladder.state, decision)
    return decision


def _recommended_level(ladder: Ladder, action: DecisionAction) -> str | None:
    """Give the level of the recommended step, if the action is that step and takes a level."""
    found = ladder.recommendation
    if action in _WITHOUT_LEVEL or action.value != found.action.value:
        return None
    return found.target_level or found.level


def _require_review(ladder: Ladder, decision: Decision) -> None:
    """Let a resume name exactly what holds the trial, so that nothing is passed over."""
    held_by = ladder.recommendation.held_by if decision.action is DecisionAction.RESUME else ()
    wanted = {trigger.id for trigger in held_by}
    if wanted - set(decision.reviewed):
        raise conflict(
            "triggers_not_reviewed",
            "Every hold trigger has to be reviewed first; name the id of each in `reviewed`.",
            tuple(Reason(each.code, f"{each.id}: {each.message}") for each in held_by),
        )
    if set(decision.reviewed) - wanted:
        raise invalid(
            "unknown_trigger", "Name only triggers that hold the trial now.", "/body/reviewed"
        )


def _open_one(ladder: Ladder, decision_id: UUID) -> RecordedDecision:
    """Find a proposal that is still open; raise not_found or conflict."""
    found = next((each for each in ladder.decisions if each.row.id == decision_id), None)
    if found is None:
        raise not_found("decision")
    if found.status is not DecisionStatus.PROPOSED:
        raise conflict(
            "already_decided",
            "This proposal is not open any more; read the decisions again.",
            (_told(found),),
        )
    return found


def _evidence_moved(ladder: Ladder) -> DomainError:
    """Say that the evidence is not what was read, what follows now, and the latest decision."""
    latest = ladder.decisions[-1:]
    return conflict(
        "evidence_moved",
        "The evidence moved since it was read; read the ladder again and decide on what it shows. "
        "A proposal made on the earlier evidence can only be rejected or withdrawn.",
        (*ladder.recommendation.reasons, *(_told(each) for each in latest)),
    )


def _told(decision: RecordedDecision) -> Reason:
    """Tell a decision in one sentence."""
    row, status = decision.row, decision.status.replace("_", " ")
    level = f" for level {row.dose_level}" if row.dose_level else ""
    by = f", by {decision.verdict_giver}" if decision.verdict_giver else ""
    text = f"Round {row.round}: {row.action}{level}, proposed by {decision.proposer}, {status}{by}."
    return Reason(f"decision_{decision.status}", text)


async def _settle(
    session: AsyncSession, actor: Actor, proposal: RecordedDecision, word: tuple[Verdict, str]
) -> None:
    """Write the verdict; the database takes one for each decision."""
    verdict, rationale = word
    session.add(
        DecisionVerdict(
            study_id=actor.study_id,
            decision_id=proposal.row.id,
            proposed_by=proposal.row.proposed_by,
            given_by=actor.principal_id,
            verdict=verdict,
            rationale=rationale,
        )
    )
    await session.flush()


async def _take_effect(session: AsyncSession, row: EscalationDecision) -> None:
    """Open the cohort that a decision in force opens, unless that was opened before."""
    phase = _OPENS.get(DecisionAction(row.action))
    if phase is None:
        return
    key = {"study_id": row.study_id, "dose_level": row.dose_level, "phase": phase}
    if await session.scalar(select(Cohort.id).filter_by(**key)) is None:
        session.add(Cohort(decision_id=row.id, **key))
        await session.flush()


async def _shown(session: AsyncSession, row: EscalationDecision) -> DecisionView:
    known = await load_decisions(session, row.study_id)
    return next(each.view for each in known if each.row.id == row.id)


def _document(value: object) -> dict[str, object]:
    """Write dataclasses as the JSON document that the database will hold."""
    document: dict[str, object] = from_json(to_json(value))
    return document
