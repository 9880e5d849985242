"""Decisions about the ladder on the wire: proposed, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.domain.escalation_rules import DecisionAction
from app.schemas.signatures import SignatureStamp
from app.schemas.types import LAX, Body, Change, Code, Name, Rationale, example

ActionWord = Annotated[DecisionAction, LAX]
EvidenceDigest = Annotated[
    Code, Field(description="The `digest` of the ladder that was read; refused if it moved since.")
]


class DecisionStatus(StrEnum):
    """What became of a decision; `in_force` once confirmed, or at once where none confirms it."""

    PROPOSED = "proposed"
    IN_FORCE = "in_force"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class DecisionCreate(Body):
    """A decision proposed on the evidence that the digest names."""

    model_config = example(
        digest="2f5c1a0e9b7d46318c5e0a4f7b2d9e63",
        action="escalate",
        dose_level="B",
        rationale="No dose-limiting toxicity among three evaluable subjects.",
    )

    digest: EvidenceDigest
    action: ActionWord
    dose_level: Name | None = Field(
        default=None,
        description="The level that opens, expands, closes or is declared; the recommended one "
        "when left out; none for hold, resume and stop_trial.",
    )
    rationale: Rationale
    reviewed: list[Code] = Field(
        default=[],
        max_length=100,
        description="For resume: the id of every hold trigger, each of which was reviewed.",
    )


class ExpansionCreate(Change):
    """The level that the investigators choose for the expansion."""

    model_config = example(
        digest="2f5c1a0e9b7d46318c5e0a4f7b2d9e63",
        dose_level="B",
        reason="Level B was tolerated and reached the expected responses.",
    )

    digest: EvidenceDigest
    dose_level: Name = Field(description="Not above the highest tolerated level.")


class VerdictCreate(Body):
    """The committee's word on a proposal, for the evidence that the proposal names."""

    model_config = example(
        verdict="confirmed",
        rationale="Reviewed all events of level A.",
        digest="2f5c1a0e9b7d46318c5e0a4f7b2d9e63",
    )

    verdict: Literal["confirmed", "rejected"]
    rationale: Rationale
    digest: EvidenceDigest


class WithdrawalCreate(Change):
    """Why the proposer takes a proposal back."""

    model_config = example(
        reason="A further event has to be adjudicated first.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """Who gave which verdict, when and why."""

    verdict: str
    rationale: str
    given_by: UUID
    given_by_name: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """A decision with the evidence it was proposed on and what became of it.

    `verdict` is None while the proposal is open, and for a decision that nobody has to confirm.
    """

    id: UUID
    round: int
    action: DecisionAction
    dose_level: str | None
    rationale: str
    status: DecisionStatus
    proposed_by: UUID
    proposed_by_name: str
    recorded_at: datetime
    verdict: VerdictView | None
    protocol_version: int
    digest: str
    recommendation: dict[str, Any]
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDecisionView(DecisionView):
    """A decision beside the signature that the request put on its proposal or its verdict."""

    signature: SignatureStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionListing:
    """One page of decisions, in the order of their rounds."""

    items: list[DecisionView]
    next: str | None
