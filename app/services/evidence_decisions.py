"""The decisions about the ladder as they stand at a moment: proposed, in force, or given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.committee import Decision
from app.domain.escalation_rules import DecisionAction
from app.models import DecisionVerdict, EscalationDecision, Principal, ProtocolVersion
from app.models.escalation import Verdict
from app.schemas.decisions import DecisionStatus, DecisionView, VerdictView
from app.services.history import rows

_STATUS_OF = {
    Verdict.CONFIRMED: DecisionStatus.IN_FORCE,
    Verdict.REJECTED: DecisionStatus.REJECTED,
    Verdict.WITHDRAWN: DecisionStatus.WITHDRAWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDecision:
    """A decision with its verdict, if any, and the people by name."""

    row: EscalationDecision
    verdict: DecisionVerdict | None
    status: DecisionStatus
    proposer: str
    verdict_giver: str | None
    protocol_version: int

    @property
    def fact(self) -> Decision:
        """The decision as the ladder replays it; a resume has reviewed all that held the trial."""
        action = DecisionAction(self.row.action)
        held_by = self.row.recommendation["held_by"] if action is DecisionAction.RESUME else ()
        return Decision(
            id=str(self.row.id),
            action=action,
            level=self.row.dose_level,
            reviewed=tuple(trigger["id"] for trigger in held_by),
        )

    @property
    def view(self) -> DecisionView:
        """The decision as it is shown."""
        row = self.row
        return DecisionView(
            id=row.id,
            round=row.round,
            action=DecisionAction(row.action),
            dose_level=row.dose_level,
            rationale=row.rationale,
            status=self.status,
            proposed_by=row.proposed_by,
            proposed_by_name=self.proposer,
            recorded_at=row.recorded_at,
            verdict=self._verdict_view,
            protocol_version=self.protocol_version,
            digest=row.digest,
            recommendation=row.recommendation,
            evidence=row.evidence,
        )

    @property
    def _verdict_view(self) -> VerdictView | None:
        if self.verdict is None:
            return None
        return VerdictView(
            verdict=self.verdict.verdict,
            rationale=self.verdict.rationale,
            given_by=self.verdict.given_by,
            given_by_name=self.verdict_giver or "",
            recorded_at=self.verdict.recorded_at,
        )


async def load_decisions(
    session: AsyncSession, study_id: UUID, past: datetime | None = None
) -> tuple[RecordedDecision, ...]:
    """Load all decisions of a study, now or as known at a past moment, in order of their rounds."""
    decisions = (await session.scalars(rows(EscalationDecision, study_id, past))).all()
    if not decisions:
        return ()
    found = await session.scalars(rows(DecisionVerdict, study_id, past))
    verdicts = {row.decision_id: row for row in found}
    names = await _names(session, study_id)
    versions = await _versions(session, study_id)
    return tuple(
        RecordedDecision(
            row=row,
            verdict=(verdict := verdicts.get(row.id)),
            status=_status(row, verdict, versions[row.protocol_version_id].gated),
            proposer=names[row.proposed_by],
            verdict_giver=names[verdict.given_by] if verdict else None,
            protocol_version=versions[row.protocol_version_id].number,
        )
        for row in sorted(decisions, key=lambda row: row.round)
    )


async def _names(session: AsyncSession, study_id: UUID) -> dict[UUID, str]:
    """Read what the people of a study are called."""
    people = select(Principal.id, Principal.display_name).where(Principal.study_id == study_id)
    return {person.id: person.display_name for person in await session.execute(people)}


async def _versions(session: AsyncSession, study_id: UUID) -> dict[UUID, Any]:
    """Read the number of each protocol version and the actions that it lets nobody take alone."""
    versions = select(
        ProtocolVersion.id,
        ProtocolVersion.number,
        ProtocolVersion.definition[("escalation", "approval_required")].label("gated"),
    ).where(ProtocolVersion.study_id == study_id)
    return {version.id: version for version in await session.execute(versions)}


def _status(
    row: EscalationDecision, verdict: DecisionVerdict | None, gated: list[str]
) -> DecisionStatus:
    """Tell what became of a decision; without a verdict the protocol of its time decides."""
    if verdict is not None:
        return _STATUS_OF[verdict.verdict]
    return DecisionStatus.PROPOSED if row.action in gated else DecisionStatus.IN_FORCE
