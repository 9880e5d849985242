"""Response read with distrust: no count that something else may have moved shows a response.

A sensitivity reading beside the configured one, which flags confounders and lets them count (C19).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from app.domain.response_counts import Baseline, LineageTest
from app.domain.response_courses import find_courses
from app.domain.response_endpoints import (
    CategoryReason,
    EndpointReading,
    list_readings,
    read_endpoint,
    unread_endpoint,
)
from app.domain.response_rules import ResponseRules
from app.domain.response_timeline import LineageTimeline, Timeline, build_timeline
from app.domain.response_treatment import ResponseFacts


def read_without_confounded(
    facts: ResponseFacts, rules: ResponseRules, as_of_day: date
) -> tuple[EndpointReading, ...]:
    """Read every week in every way as if a flagged count met no criterion.

    A flagged baseline takes the increases (PR) away, but not CR, which rests on its own value.
    """
    timeline = build_timeline(facts, rules, as_of_day)
    readings = list_readings(rules)
    if timeline is None:
        return tuple(unread_endpoint(each, CategoryReason.NOT_TREATED) for each in readings)
    distrusted = _distrust(timeline)
    courses = find_courses(distrusted, rules)
    return tuple(read_endpoint(distrusted, courses, rules, each) for each in readings)


def _distrust(timeline: Timeline) -> Timeline:
    return replace(timeline, lineages=tuple(_distrust_lineage(x) for x in timeline.lineages))


def _distrust_lineage(lineage: LineageTimeline) -> LineageTimeline:
    tests = tuple(_distrust_test(test, lineage.baseline) for test in lineage.tests)
    return replace(lineage, tests=tests)


def _distrust_test(test: LineageTest, baseline: Baseline | None) -> LineageTest:
    if test.flags:
        return replace(test, cr=False, pr=False)
    return replace(test, pr=False) if baseline is not None and baseline.flags else test
