"""The way of the product on the wire: from a subject to its lots, from a lot to its subjects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from app.domain.dlt_standing import DltStanding
from app.domain.errors import Reason
from app.domain.response_endpoints import Standing
from app.domain.vocabulary import (
    BagCheckMethod,
    BagStatus,
    BagStep,
    Causality,
    DispositionEvent,
    SeriousnessCriterion,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStep:
    """A step of a bag, by whose hands, and what was in the bag after it, in mL.

    Of a step for another site's infusion whose hands it was, and the check, are not shown.
    """

    step: BagStep
    status_after: BagStatus
    infusion_id: UUID | None
    left_ml: Decimal
    method: BagCheckMethod | None
    checked_at: datetime | None
    actor_name: str | None
    role: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedBag:
    """A bag of an infusion: what its code reads, where its content went, in mL, and its steps.

    `left_ml` is 0 once everything is accounted for; below zero more was given than it held.
    """

    bag_id: UUID
    lot_id: UUID
    lot_number: str
    bag_number: str
    label: str
    status: BagStatus
    filled_ml: Decimal
    infused_ml: Decimal
    discarded_ml: Decimal
    left_ml: Decimal
    steps: tuple[TracedStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedInfusion:
    """An infusion with the bags on record for it, and what is missing between the two or unfit.

    `taken_back` are bags that were recorded as infused by mistake.
    """

    infusion_id: UUID
    number: int
    dose_level: str
    planned_date: date
    started_at: datetime | None
    day: date | None
    volume_ml: Decimal | None
    cancelled: bool
    bags: tuple[TracedBag, ...]
    taken_back: tuple[TracedBag, ...]
    gaps: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainOfIdentityView:
    """The way of the product into one subject; `unbroken` says that no infusion has a gap."""

    subject_id: UUID
    subject_number: str
    unbroken: bool
    infusions: tuple[TracedInfusion, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LotOfLookBack:
    """The lot that is followed."""

    id: UUID
    lot_number: str
    manufactured_on: date
    expires_on: date
    viability_percent: Decimal
    cells_per_bag: Decimal
    bag_volume_ml: Decimal
    released: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BagOfLookBack:
    """What became of one bag of the lot."""

    id: UUID
    bag_number: str
    status: BagStatus
    infusion_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSince:
    """An event that began on or after the day of the first infusion from the lot, or lasted then.

    `days_since` counts from that day to the onset, and is negative where it `began_before`.
    """

    id: UUID
    term: str
    soc: str
    grade: int
    onset_at: datetime
    onset_day: date
    end_day: date | None
    days_since: int
    began_before: bool
    serious: bool
    seriousness: tuple[SeriousnessCriterion, ...]
    causality: Causality | None
    dlt: DltStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a subject left the treatment or the trial."""

    event: DispositionEvent
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedSubject:
    """A subject with bags of the lot, and what happened since the first of them was infused.

    Without `exposed_on` none of them has been infused yet; `response` is the best one so far.
    """

    subject_id: UUID
    subject_number: str
    dose_level: str | None
    exposed_on: date | None
    infusions: tuple[TracedInfusion, ...]
    events: tuple[EventSince, ...]
    response: Standing
    exits: tuple[Exit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBackView:
    """A lot, what became of its bags, and of the subjects that they were for."""

    lot: LotOfLookBack
    bags: tuple[BagOfLookBack, ...]
    subjects: tuple[ExposedSubject, ...]
    protocol_version: int
    protocol_digest: str
    as_of: datetime
