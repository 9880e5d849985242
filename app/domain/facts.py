"""The facts the rules read: plain records with local study days, each with the id it came from.

`day` is the calendar day in the study's zone; `at` is the instant, always with an offset.
`known_at` is when the fact was recorded, which may be long after it happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.domain.quantities import Measurement
from app.domain.vocabulary import (
    AssessmentKind,
    Causality,
    Disease,
    DispositionEvent,
    Finding,
    LabStatus,
    MedicationClass,
    SeriousnessCriterion,
    Sex,
    TransfusionProduct,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who was screened; `age_at_consent` may be missing, then the birth year bounds it."""

    id: str
    number: str
    sex: Sex
    birth_year: int
    age_at_consent: int | None = None
    childbearing_potential: bool | None = None
    consent_day: date | None = None
    screening_day: date
    disease: Disease
    car_t_product: str | None = None
    car_t_day: date | None = None
    car_t_was_investigational: bool | None = None
    allogeneic_transplant_day: date | None = None
    had_allogeneic_transplant: bool | None = None
    has_copd: bool | None = None
    weight_kg: Decimal | None = None
    planned_first_infusion_day: date | None = None


@dataclass(frozen=True, slots=True)
class LimitsOfRegister:
    """The version of a laboratory's reference range that filled the named limits of a result."""

    range_id: str
    number: int
    laboratory: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"reference range {self.number} of {self.laboratory} ({self.range_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabResult:
    """The current version of one result, in the analyte's canonical unit.

    `measurement` is None for a purely qualitative result; `lln` and `uln` share its unit, and
    `of_register` tells which of them the result came without. `source` names the laboratory.
    """

    id: str
    analyte: str
    measurement: Measurement | None
    finding: Finding | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    at: datetime
    day: date
    status: LabStatus = LabStatus.FINAL
    accession: str | None = None
    known_at: datetime | None = None
    source: str | None = None
    of_register: LimitsOfRegister | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a result that counts came on record: the times of its first final version, `id`.

    `collected_at` is None where it was told no finer than to the hour, `reported_at` where nobody
    told it. `in_message` tells whether it came in a message or file, or was entered by itself.
    """

    id: str
    collected_at: datetime | None
    reported_at: datetime | None
    recorded_at: datetime
    in_message: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfusion:
    """One transfusion of a blood product."""

    id: str
    product: TransfusionProduct
    at: datetime
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Medication:
    """One concomitant medication; `end` is None while it goes on or was a single dose."""

    id: str
    medication_class: MedicationClass
    name: str
    start_at: datetime
    start_day: date
    end_day: date | None = None
    ongoing: bool = False
    half_life_days: Decimal | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Infusion:
    """One planned infusion; it counts as given once it has started with a volume above zero.

    `weight_kg` is the weight that its dose was calculated for; `cancelled_day` is the day on which
    the cancellation came on record, None where that is unknown.
    """

    id: str
    number: int
    planned_day: date
    planned_cells: Decimal
    weight_kg: Decimal | None = None
    started_at: datetime | None = None
    day: date | None = None
    volume_ml: Decimal | None = None
    cells: Decimal | None = None
    viability_percent: Decimal | None = None
    premedication_drug: MedicationClass | None = None
    premedication_given_at: datetime | None = None
    premedication_dose_mg: Decimal | None = None
    cancelled: bool = False
    cancelled_day: date | None = None
    version: int = 1

    @property
    def took_place(self) -> bool:
        """Tell whether it was begun and was not called off because it gave nothing."""
        return self.day is not None and not self.cancelled

    @property
    def may_have_entered(self) -> bool:
        """Tell whether it was begun and is not on record as having given nothing."""
        return self.day is not None and (self.volume_ml is None or self.volume_ml > 0)

    @property
    def given(self) -> bool:
        """Tell whether any product entered the subject."""
        return self.day is not None and self.volume_ml is not None and self.volume_ml > 0

    @property
    def voided(self) -> bool:
        """Tell whether it was cancelled after a start that gave nothing.

        Unlike one that was cancelled outright it uses up none of the planned infusions.
        """
        return self.cancelled and self.day is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseEvent:
    """The current version of one adverse event; `grade` is the worst so far."""

    id: str
    term: str
    soc: str
    grade: int
    onset_at: datetime
    onset_day: date
    end_at: datetime | None = None
    end_day: date | None = None
    causality: Causality | None = None
    causality_disease: Causality | None = None
    seriousness: frozenset[SeriousnessCriterion] = frozenset()
    investigator_declared_dlt: bool = False
    baseline_grade: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DltAdjudication:
    """A signed decision on one version of one event; a later version makes it stale."""

    id: str
    adverse_event_id: str
    adverse_event_version: int
    is_dlt: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One assessment with its validated content by kind."""

    id: str
    kind: AssessmentKind
    at: datetime
    day: date
    content: dict[str, Any] = field(default_factory=dict)
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A person's answer to an eligibility criterion, or a contradiction of a computed one.

    `met` says that the criterion's statement is true, which for an exclusion shuts the subject out.
    """

    id: str
    criterion: str
    met: bool
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """How and when a subject left the treatment or the trial."""

    id: str
    event: DispositionEvent
    day: date
    version: int = 1
