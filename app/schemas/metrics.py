"""Aggregates of the trial on the wire: counts and rates, never a subject or a day.

Dates are no finer than a month. The answers hold no clock, so that one who asks again gets
`304 Not Modified` until a fact, the protocol or the study day has moved them. All proportions of
an answer have the interval of its `interval_method` and `confidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from app.domain.metrics_durations import DurationSummary, TimeSummary
from app.domain.metrics_efficacy import AlternativeRates, ReadingRates
from app.domain.metrics_enrolment import MonthlyEnrolment, PlannedEnrolment, ScreenFailures
from app.domain.metrics_levels import Exposure, LevelEnrolment, LevelToxicity
from app.domain.metrics_safety import (
    GroupIncidence,
    InterestIncidence,
    TermIncidence,
    Untreated,
)
from app.domain.outcomes import ProportionInterval
from app.domain.vocabulary import DispositionEvent, SubjectStatus
from app.schemas.metrics_explanation import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentMetricsView:
    """How the trial fills: `statuses` are where subjects stand, `dispositions` how they left.

    `treated` counts whoever may have received product, before the volume is recorded too.
    """

    planned: PlannedEnrolment
    screened: int
    enrolled: int
    treated: int
    statuses: dict[SubjectStatus, int]
    dispositions: dict[DispositionEvent, int]
    screen_failures: ScreenFailures
    levels: tuple[LevelEnrolment, ...]
    months: tuple[MonthlyEnrolment, ...]
    study_day: date
    as_of: datetime | None
    evidence_digest: str
    protocol_version: int
    protocol_digest: str
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyMetricsView:
    """Adverse events of the `treated` participants, dose-limiting toxicities and exposure.

    `untreated` counts those outside the safety set who have events since their consent.
    """

    treated: int
    ctcae_version: str
    groups: tuple[GroupIncidence, ...]
    terms: tuple[TermIncidence, ...]
    special_interest: tuple[InterestIncidence, ...]
    dose_limiting_toxicities: tuple[LevelToxicity, ...]
    exposure: tuple[Exposure, ...]
    untreated: Untreated
    interval_method: ProportionInterval
    confidence: Decimal
    study_day: date
    as_of: datetime | None
    evidence_digest: str
    protocol_version: int
    protocol_digest: str
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficacyMetricsView:
    """Response rates in every reading, under the debatable rules, and times of response.

    `treated` are those with an infusion of a recorded volume (C10), the denominator of every rate.
    """

    treated: int
    readings: tuple[ReadingRates, ...]
    alternatives: tuple[AlternativeRates, ...]
    times_to_response: tuple[TimeSummary, ...]
    durations_of_response: tuple[DurationSummary, ...]
    interval_method: ProportionInterval
    confidence: Decimal
    study_day: date
    as_of: datetime | None
    evidence_digest: str
    protocol_version: int
    protocol_digest: str
    explanation: Explanation | None = None
