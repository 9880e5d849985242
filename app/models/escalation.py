"""The committee's decisions: proposed against named evidence, then confirmed by another person."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Fact, choice, scoped


class Verdict(StrEnum):
    """What became of a proposal."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class EscalationDecision(Fact):
    """A proposal with the evidence it names; one per round, so that no two can both win."""

    __tablename__ = "escalation_decision"
    __table_args__ = (
        *scoped(protocol_version_id="protocol_version", proposed_by="principal"),
        UniqueConstraint("study_id", "round"),
        UniqueConstraint("study_id", "id", "proposed_by"),
    )

    round: Mapped[int]
    action: Mapped[str]
    dose_level: Mapped[str | None]
    rationale: Mapped[str]
    proposed_by: Mapped[UUID]
    protocol_version_id: Mapped[UUID]
    digest: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    recommendation: Mapped[dict[str, Any]]


class DecisionVerdict(Fact):
    """The second person's word on a proposal; only a confirmed one takes effect."""

    __tablename__ = "decision_verdict"
    __table_args__ = (
        *scoped(given_by="principal"),
        ForeignKeyConstraint(
            ["study_id", "decision_id", "proposed_by"],
            [
                "escalation_decision.study_id",
                "escalation_decision.id",
                "escalation_decision.proposed_by",
            ],
        ),
        UniqueConstraint("study_id", "decision_id"),
        CheckConstraint("(verdict = 'withdrawn') = (given_by = proposed_by)", name="two_persons"),
    )

    decision_id: Mapped[UUID]
    proposed_by: Mapped[UUID]
    given_by: Mapped[UUID]
    verdict: Mapped[Verdict] = mapped_column(choice(Verdict, "verdict"))
    rationale: Mapped[str]
