"""Courses of response: lineages and the whole subject, each criterion read over its tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from app.domain.facts import Transfusion
from app.domain.quantities import all_of, any_of
from app.domain.response_counts import LineageTest
from app.domain.response_episodes import Course, Mark, Strand, find_course, merge_ids
from app.domain.response_flags import merge_flags
from app.domain.response_rules import (
    Criterion,
    LineageCriteria,
    LineageRule,
    ResponseRules,
    TransfusionScope,
)
from app.domain.response_timeline import LineageTimeline, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageCourses:
    """The three courses of one lineage; `counts` tells whether it can respond at all."""

    timeline: LineageTimeline
    counts: bool
    cr: Course
    pr: Course
    response: Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses:
    """All courses of one subject.

    `complete` is CR of all lineages together (C12); `partial` holds the PR courses that make a
    PR of the subject; `partial_elsewhere` those of lineages that do not count.
    """

    lineages: tuple[LineageCourses, ...]
    complete: Course
    partial: tuple[Course, ...]
    partial_elsewhere: tuple[Course, ...]

    @property
    def any_counts(self) -> bool:
        """Tell whether the subject has a lineage that can respond."""
        return any(entry.counts for entry in self.lineages)


def find_courses(timeline: Timeline, rules: ResponseRules) -> Courses:
    """Read every criterion over a subject's tests under one set of rules."""
    lineages = tuple(_lineage_courses(entry, timeline, rules) for entry in timeline.lineages)
    counted = tuple(entry for entry in lineages if entry.counts)
    if rules.same_lineage:
        partial = tuple(entry.pr for entry in counted)
    else:
        entries = tuple(entry.timeline for entry in counted)
        marks = tuple(_any_partial(entries, timeline.test_days))
        partial = (_course(Criterion.PR, entries, marks, timeline, rules),)
    marks = tuple(_all_complete(timeline.lineages, timeline.test_days))
    return Courses(
        lineages=lineages,
        complete=_course(Criterion.CR, timeline.lineages, marks, timeline, rules),
        partial=partial,
        partial_elsewhere=tuple(entry.pr for entry in lineages if not entry.counts),
    )


def _lineage_courses(
    lineage: LineageTimeline, timeline: Timeline, rules: ResponseRules
) -> LineageCourses:
    def course(criterion: Criterion) -> Course:
        marks = tuple(
            Mark(test.day, test.meets(criterion), test.evidence, test.flags)
            for test in lineage.tests
        )
        return _course(criterion, (lineage,), marks, timeline, rules)

    below_cr = lineage.baseline is not None and lineage.baseline.evaluable is True
    return LineageCourses(
        timeline=lineage,
        counts=rules.lineage_rule is LineageRule.ALL or below_cr,
        cr=course(Criterion.CR),
        pr=course(Criterion.PR),
        response=course(Criterion.OR),
    )


def _course(
    criterion: Criterion,
    lineages: tuple[LineageTimeline, ...],
    marks: tuple[Mark, ...],
    timeline: Timeline,
    rules: ResponseRules,
) -> Course:
    """Find the course of one lineage, or of the whole subject if there are several.

    CR stands on its own value; an increase also rests on the baselines and their flags.
    """
    single = lineages[0].criteria if len(lineages) == 1 else None
    baselines = [
        entry.baseline
        for entry in lineages
        if entry.baseline is not None and criterion is not Criterion.CR
    ]
    strand = Strand(
        criterion=criterion,
        lineage=None if single is None else single.lineage,
        marks=marks,
        evidence=merge_ids(entry.evidence for entry in baselines),
        flags=merge_flags(entry.flags for entry in baselines),
        transfusions=_blocking(timeline, single, rules),
        open_on=timeline.as_of_day if timeline.observation_end is None else None,
    )
    return find_course(strand, rules)


def _blocking(
    timeline: Timeline, criteria: LineageCriteria | None, rules: ResponseRules
) -> tuple[Transfusion, ...]:
    """List the transfusions that block a lineage (C15); the whole subject is blocked by all."""
    products = rules.transfusion_products
    if criteria is not None and rules.transfusion_scope is TransfusionScope.LINEAGE:
        products = criteria.transfusions
    return tuple(entry for entry in timeline.transfusions if entry.product in products)


def _panels(
    lineages: tuple[LineageTimeline, ...], days: Iterable[date]
) -> Iterator[tuple[date, list[LineageTest]]]:
    """Give each day with its tests of these lineages."""
    by_day = [{test.day: test for test in entry.tests} for entry in lineages]
    for day in days:
        yield day, [tests[day] for tests in by_day if day in tests]


def _all_complete(lineages: tuple[LineageTimeline, ...], days: Iterable[date]) -> Iterator[Mark]:
    """See panels by CR of all lineages (C12).

    An incomplete panel breaks when a value in it is not met; otherwise it is skipped.
    """
    for day, panel in _panels(lineages, days):
        met = all_of(test.cr for test in panel)
        if met is not True or len(panel) == len(lineages):
            yield _panel_mark(day, met, panel)


def _any_partial(lineages: tuple[LineageTimeline, ...], days: Iterable[date]) -> Iterator[Mark]:
    """See panels by PR of whichever lineage; an incomplete panel without PR is skipped."""
    for day, panel in _panels(lineages, days):
        met = any_of(test.pr for test in panel)
        if met or len(panel) == len(lineages):
            yield _panel_mark(day, met, [test for test in panel if test.pr] or panel)


def _panel_mark(day: date, met: bool | None, tests: list[LineageTest]) -> Mark:
    return Mark(
        day,
        met,
        merge_ids(test.evidence for test in tests),
        merge_flags(test.flags for test in tests),
    )
