"""Haematological response of one subject, derived from the facts known on a day.

Every answer names its evidence and its rule; both debatable readings stand beside the configured
one. This is the engine's record only: an investigator's or a committee's opinion is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from app.domain.response_counts import Baseline, LineageTest
from app.domain.response_courses import Courses, LineageCourses, find_courses
from app.domain.response_durations import (
    TimeToEvent,
    duration_of_response,
    first_episode,
    response_time_limit,
    time_to_response,
)
from app.domain.response_endpoints import (
    Category,
    CategoryReason,
    EndpointReading,
    Standing,
    best_standing,
    list_readings,
    not_due,
    read_endpoint,
    unread_endpoint,
)
from app.domain.response_episodes import Course, Episode
from app.domain.response_rules import LineageRule, ResponseRules, TransfusionScope
from app.domain.response_timeline import Timeline, build_timeline
from app.domain.response_treatment import ObservationEnd, ResponseFacts, Treatment
from app.domain.vocabulary import Lineage

__all__ = [
    "Category",
    "CategoryReason",
    "EndpointReading",
    "LineageResponse",
    "Response",
    "ResponseFacts",
    "ResponseRules",
    "SensitivityReading",
    "Standing",
    "TimeToEvent",
    "derive_response",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageResponse:
    """One lineage: its baseline, tests and episodes, and its times.

    `counts` tells whether it enters the endpoints under `response.lineage_rule`; if not, its
    times are None. `late_response` is a first response after the end of the response time (C9).
    """

    lineage: Lineage
    analyte: str
    baseline: Baseline | None
    counts: bool
    tests: tuple[LineageTest, ...]
    complete: Course
    partial: Course
    response: Course
    time_to_response: TimeToEvent | None
    late_response: Episode | None
    duration_of_response: TimeToEvent | None
    duration_of_complete_response: TimeToEvent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekCategory:
    """The category of one week under the registered primary reading, and what is certain of it."""

    week: int
    category: Category
    confirmed: Category


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityReading:
    """What the subject's categories would be under other values of the debatable readings."""

    lineage_rule: LineageRule
    transfusion_scope: TransfusionScope
    best: Category
    weeks: tuple[WeekCategory, ...]
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The response of one subject as known on `as_of_day`; `treatment` is None before it."""

    subject_id: str
    as_of_day: date
    treatment: Treatment | None
    observation_end: ObservationEnd | None
    lineage_rule: LineageRule
    transfusion_scope: TransfusionScope
    best: Standing
    endpoints: tuple[EndpointReading, ...]
    complete: Course | None
    lineages: tuple[LineageResponse, ...]
    time_to_response: TimeToEvent | None
    sensitivity: tuple[SensitivityReading, ...]
    rule: str = "response"


def derive_response(facts: ResponseFacts, rules: ResponseRules, as_of_day: date) -> Response:
    """Derive a subject's response from facts dated up to `as_of_day`, the study's local day.

    The order of the facts does not matter; results that are not valid are ignored.
    """
    timeline = build_timeline(facts, rules, as_of_day)
    if timeline is None:
        return _untreated(facts, rules, as_of_day)
    courses = find_courses(timeline, rules)
    best = best_standing(timeline, courses)
    endpoints = tuple(
        read_endpoint(timeline, courses, rules, reading) for reading in list_readings(rules)
    )
    return Response(
        subject_id=facts.subject_id,
        as_of_day=as_of_day,
        treatment=timeline.treatment,
        observation_end=timeline.observation_end,
        lineage_rule=rules.lineage_rule,
        transfusion_scope=rules.transfusion_scope,
        best=best,
        endpoints=endpoints,
        complete=courses.complete,
        lineages=tuple(_lineage(timeline, entry, rules) for entry in courses.lineages),
        time_to_response=_subject_time(timeline, courses, rules),
        sensitivity=tuple(_sensitivity(timeline, rules, best, endpoints)),
    )


def _untreated(facts: ResponseFacts, rules: ResponseRules, as_of_day: date) -> Response:
    reason = CategoryReason.NOT_TREATED
    return Response(
        subject_id=facts.subject_id,
        as_of_day=as_of_day,
        treatment=None,
        observation_end=None,
        lineage_rule=rules.lineage_rule,
        transfusion_scope=rules.transfusion_scope,
        best=not_due(reason),
        endpoints=tuple(unread_endpoint(reading, reason) for reading in list_readings(rules)),
        complete=None,
        lineages=(),
        time_to_response=None,
        sensitivity=(),
    )


def _lineage(timeline: Timeline, courses: LineageCourses, rules: ResponseRules) -> LineageResponse:
    criteria, baseline = courses.timeline.criteria, courses.timeline.baseline
    days = tuple(test.day for test in courses.timeline.tests)
    first = first_episode((courses.response,))
    is_late = first is not None and first.start_day > response_time_limit(timeline, rules)
    counts = courses.counts
    return LineageResponse(
        lineage=criteria.lineage,
        analyte=criteria.analyte,
        baseline=baseline,
        counts=counts,
        tests=courses.timeline.tests,
        complete=courses.cr,
        partial=courses.pr,
        response=courses.response,
        time_to_response=time_to_response(timeline, first, days, rules) if counts else None,
        late_response=first if counts and is_late else None,
        duration_of_response=(
            duration_of_response(timeline, courses.response, days, rules) if counts else None
        ),
        duration_of_complete_response=(
            duration_of_response(timeline, courses.cr, days, rules) if counts else None
        ),
    )


def _subject_time(timeline: Timeline, courses: Courses, rules: ResponseRules) -> TimeToEvent | None:
    """Count to the subject's first CR or PR; None if no lineage can respond."""
    if not courses.any_counts:
        return None
    first = first_episode((courses.complete, *courses.partial))
    return time_to_response(timeline, first, timeline.test_days, rules)


def _sensitivity(
    timeline: Timeline, rules: ResponseRules, best: Standing, endpoints: tuple[EndpointReading, ...]
) -> Iterator[SensitivityReading]:
    """Read the primary endpoint under every other pair of the two debatable switches."""
    configured = (best.category, _primary_weeks(endpoints))
    for lineage_rule in LineageRule:
        for scope in TransfusionScope:
            other = replace(rules, lineage_rule=lineage_rule, transfusion_scope=scope)
            if other == rules:
                continue
            courses = find_courses(timeline, other)
            category = best_standing(timeline, courses).category
            weeks = _primary_weeks(
                tuple(
                    read_endpoint(timeline, courses, other, reading)
                    for reading in list_readings(other)
                    if reading.primary
                )
            )
            yield SensitivityReading(
                lineage_rule=lineage_rule,
                transfusion_scope=scope,
                best=category,
                weeks=weeks,
                differs=(category, weeks) != configured,
            )


def _primary_weeks(endpoints: tuple[EndpointReading, ...]) -> tuple[WeekCategory, ...]:
    return tuple(
        WeekCategory(
            week=entry.reading.week,
            category=entry.standing.category,
            confirmed=entry.standing.confirmed,
        )
        for entry in endpoints
        if entry.reading.primary
    )
