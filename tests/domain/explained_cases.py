"""Participants and counts for the tests of what the numbers of the metrics rest on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from app.domain.facts import Disposition
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_durations import response_durations, response_times
from app.domain.metrics_efficacy import alternative_rates, reading_rates
from app.domain.metrics_enrolment import (
    ScreenedSubject,
    count_dispositions,
    count_statuses,
    monthly_enrolment,
    screen_failures,
)
from app.domain.metrics_levels import exposures, level_enrolments, level_toxicities
from app.domain.metrics_safety import (
    group_incidences,
    interest_incidences,
    safety_set,
    term_incidences,
    untreated,
)
from app.domain.metrics_support import MetricFamily
from app.domain.outcomes import OutcomeRules
from app.domain.vocabulary import DispositionEvent, SubjectStatus
from tests.domain.dlt_cases import LEVELS, RULES
from tests.domain.metrics_cases import enrolled
from tests.domain.response_cases import RULES as RESPONSE_RULES
from tests.domain.test_metrics_enrolment import CRITERIA
from tests.protocol_data import section

OUTCOMES = section("outcomes", OutcomeRules)
TODAY = date(2026, 4, 15)
NAMES = tuple(LEVELS)


@dataclass(frozen=True)
class Enrolment:
    """The numbers of enrolment."""

    planned: int
    screened: int
    enrolled: int
    treated: int
    statuses: dict[str, int]
    dispositions: dict[str, int]
    screen_failures: Any
    levels: Any
    months: Any


@dataclass(frozen=True)
class Safety:
    """The numbers of safety."""

    treated: int
    groups: Any
    terms: Any
    special_interest: Any
    dose_limiting_toxicities: Any
    exposure: Any
    untreated: Any
    confidence: Any


@dataclass(frozen=True)
class Efficacy:
    """The numbers of efficacy."""

    treated: int
    readings: Any
    alternatives: Any
    times_to_response: Any
    durations_of_response: Any


def count_enrolment(subjects):
    """Count how a trial fills."""
    screened = [subject.screened for subject in subjects]
    enrolled = [subject.enrolled for subject in subjects if subject.enrolled]
    return Enrolment(
        planned=15,
        screened=len(screened),
        enrolled=len(enrolled),
        treated=sum(subject.treated for subject in enrolled),
        statuses=count_statuses(screened),
        dispositions=count_dispositions(screened),
        screen_failures=screen_failures(screened, CRITERIA),
        levels=level_enrolments(enrolled, NAMES),
        months=monthly_enrolment(screened, TODAY),
    )


def count_safety(subjects):
    """Count adverse events, toxicities and exposure."""
    enrolled = [subject.enrolled for subject in subjects if subject.enrolled]
    outside = [x.events for x in subjects if x.enrolled is None or not x.enrolled.treated]
    treated = safety_set(enrolled, NAMES, RULES.relatedness, OUTCOMES)
    return Safety(
        treated=len(treated.participants),
        groups=group_incidences(treated),
        terms=term_incidences(treated),
        special_interest=interest_incidences(treated),
        dose_limiting_toxicities=level_toxicities(enrolled, NAMES, OUTCOMES),
        exposure=exposures(enrolled, NAMES),
        untreated=untreated(outside),
        confidence=OUTCOMES.confidence,
    )


def count_efficacy(subjects):
    """Count responses and sum up their times."""
    treated = [subject.treated for subject in subjects if subject.treated]
    return Efficacy(
        treated=len(treated),
        readings=reading_rates(treated, NAMES, RESPONSE_RULES, OUTCOMES),
        alternatives=alternative_rates(treated, RESPONSE_RULES, OUTCOMES),
        times_to_response=response_times(treated, OUTCOMES),
        durations_of_response=response_durations(treated, OUTCOMES),
    )


COUNTS = {
    MetricFamily.ENROLMENT: count_enrolment,
    MetricFamily.SAFETY: count_safety,
    MetricFamily.EFFICACY: count_efficacy,
}


def participant(number, facts=None, treated=None, **changes):
    """Make a participant, screened in January and, with facts, enrolled and infused since."""
    place = None if facts is None else enrolled(facts)
    whole = MetricSubject(
        subject_id=f"subject-{number}",
        number=number,
        site_id="site",
        enrolment_id=f"place-{number}" if place else None,
        replaces_id=None,
        screened=ScreenedSubject(
            status=SubjectStatus.IN_FOLLOW_UP if place else SubjectStatus.SCREENING,
            screened_on=date(2026, 1, 3),
            enrolled_on=date(2026, 1, 4) if place else None,
            first_infusion_on=place.first_infusion_day if place else None,
            left=frozenset(),
        ),
        enrolled=place,
        events=facts.events if facts else (),
        dispositions=(),
        treated=treated,
        laboratory=None,
        conduct=None,
        transfusions=(),
        digest="",
    )
    return replace(whole, **changes)


def leaving(subject, event, status, *failed):
    """Let a participant leave in some way, and fail screening on these criteria."""
    screened = replace(
        subject.screened, status=status, left=frozenset({event}), failed_criteria=failed
    )
    left = Disposition(id=f"left-{subject.number}", event=event, day=TODAY)
    return replace(subject, screened=screened, dispositions=(left,))


def failing(number, *criteria):
    """Make a participant whose screening failed."""
    return leaving(
        participant(number),
        DispositionEvent.SCREEN_FAILED,
        SubjectStatus.SCREEN_FAILED,
        *criteria,
    )
