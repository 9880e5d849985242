"""The ladder and what it recommends on the wire, and how the design behaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, WithJsonSchema

from app.domain.committee import LadderState
from app.domain.errors import Reason
from app.domain.escalation_rules import DecisionAction, Variant
from app.domain.escalation_steps import LadderAction
from app.domain.ladder import Blocker, HoldTrigger, LevelTally
from app.domain.level_standing import LevelStanding
from app.domain.operating_characteristics import MAX_LEVELS
from app.domain.vocabulary import CohortPhase
from app.schemas.decisions import DecisionView
from app.schemas.types import LAX, Body, NonNegativeNumber, Number, example

VariantWord = Annotated[Variant, LAX]
Rate = Annotated[
    NonNegativeNumber,
    Field(le=1),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersededView:
    """A decision in force that the counts it rests on do not admit any more, as after a late DLT.

    `subject_ids` are those who count otherwise since. Nothing takes it back but the next decision.
    """

    decision_id: UUID
    round: int
    action: DecisionAction
    dose_level: str | None
    subject_ids: tuple[UUID, ...]
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationView:
    """The ladder level by level, the recommendation with its reasons, and the evidence's digest.

    `superseded` are the decisions in force that a late result overtook. The digest moves with
    every fact, decision or passed window that the recommendation rests on, and with nothing else.
    """

    recommendation: LadderAction
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
    admissible_actions: tuple[DecisionAction, ...]
    ladder: tuple[LevelStanding, ...]
    expansions: tuple[LevelTally, ...]
    state: LadderState
    superseded: tuple[SupersededView, ...]
    open_proposal: DecisionView | None
    variant: Variant
    rule: str
    study_day: date
    digest: str
    protocol_version: int
    protocol_digest: str
    as_of: datetime


class OperatingCharacteristicsCreate(Body):
    """Assumed true DLT rates, one for each level of the active protocol, lowest first."""

    model_config = example(
        true_dlt_rates=[0.1, 0.2, 0.3],
        variant="korn",
    )

    true_dlt_rates: list[Rate] = Field(
        min_length=1, max_length=MAX_LEVELS, examples=[[0.1, 0.2, 0.3]]
    )
    variant: VariantWord | None = Field(
        default=None, description="The variant of the active protocol when left out."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCharacteristicsView:
    """How often a level is reached, refilled and selected, and its expected subjects and DLTs."""

    level: str
    true_dlt_rate: Number
    p_reached: Number
    p_refilled: Number
    p_selected: Number
    expected_n: Number
    expected_dlts: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingCharacteristicsView:
    """What the design does under the assumed rates; `select` has every level and `none`.

    Selecting the top level means that the MTD was not exceeded. The exact fractions are rounded
    to twelve decimal places.
    """

    select: dict[str, Number]
    expected_n: Number
    expected_dlts: Number
    by_level: tuple[LevelCharacteristicsView, ...]
    variant: Variant
    rule: str
    protocol_version: int
    protocol_digest: str
    as_of: datetime
