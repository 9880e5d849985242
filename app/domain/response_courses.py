"""Courses of response: lineages and the whole subject, each criterion read over its tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from app.domain.facts import Transfusion
from app.domain.quantities import all_of, any_of
from app.domain.response_counts import LineageTest
from app.domain.response_episodes import Course, Criterion, Mark, Strand, find_course, merge_ids
from app.domain.response_flags import merge_flags
from app.domain.response_rules import (
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
    partial = tuple(entry.pr for entry in counted)
    if not rules.same_lineage:
        marks = tuple(_partial_marks(counted, timeline.test_days))
        partial = (_subject_course(Criterion.PR, marks, timeline, rules),)
    complete_marks = tuple(_complete_marks(lineages, timeline.test_days))
    return Courses(
        lineages=lineages,
        complete=_subject_course(Criterion.CR, complete_marks, timeline, rules),
        partial=partial,
        partial_elsewhere=tuple(entry.pr for entry in lineages if not entry.counts),
    )


def _open_on(timeline: Timeline) -> date | None:
    return timeline.as_of_day if timeline.observation_end is None else None


def _blocking(
    timeline: Timeline, criteria: LineageCriteria | None, rules: ResponseRules
) -> tuple[Transfusion, ...]:
    """List the transfusions that block a lineage (C15); the whole subject is blocked by all."""
    products = rules.transfusion_products
    if criteria is not None and rules.transfusion_scope is TransfusionScope.LINEAGE:
        products = criteria.transfusions
    return tuple(entry for entry in timeline.transfusions if entry.product in products)


def _subject_course(
    criterion: Criterion, marks: tuple[Mark, ...], timeline: Timeline, rules: ResponseRules
) -> Course:
    strand = Strand(
        criterion=criterion,
        lineage=None,
        marks=marks,
        transfusions=_blocking(timeline, None, rules),
        open_on=_open_on(timeline),
    )
    return find_course(strand, rules)


def _lineage_courses(
    lineage: LineageTimeline, timeline: Timeline, rules: ResponseRules
) -> LineageCourses:
    transfusions = _blocking(timeline, lineage.criteria, rules)

    def course(criterion: Criterion) -> Course:
        strand = Strand(
            criterion=criterion,
            lineage=lineage.criteria.lineage,
            marks=tuple(_mark(criterion, test, lineage) for test in lineage.tests),
            transfusions=transfusions,
            open_on=_open_on(timeline),
        )
        return find_course(strand, rules)

    below_cr = lineage.baseline is not None and lineage.baseline.evaluable is True
    return LineageCourses(
        timeline=lineage,
        counts=rules.lineage_rule is LineageRule.ALL or below_cr,
        cr=course(Criterion.CR),
        pr=course(Criterion.PR),
        response=course(Criterion.OR),
    )


def _mark(criterion: Criterion, test: LineageTest, lineage: LineageTimeline) -> Mark:
    """See a test by one criterion; an increase also rests on the baseline and its flags."""
    if criterion is Criterion.CR:
        return Mark(test.day, test.cr, test.evidence, test.flags)
    met = test.pr if criterion is Criterion.PR else any_of((test.cr, test.pr))
    if lineage.baseline is None:
        return Mark(test.day, met, test.evidence, test.flags)
    baseline = lineage.baseline
    return Mark(
        test.day,
        met,
        merge_ids((baseline.evidence, test.evidence)),
        merge_flags((baseline.flags, test.flags)),
    )


def _panels(
    lineages: tuple[LineageCourses, ...], days: Iterable[date]
) -> Iterator[tuple[date, list[tuple[LineageTest, LineageTimeline]]]]:
    """Give each day with its tests of these lineages."""
    by_day = [({test.day: test for test in x.timeline.tests}, x.timeline) for x in lineages]
    for day in days:
        yield day, [(tests[day], timeline) for tests, timeline in by_day if day in tests]


def _complete_marks(lineages: tuple[LineageCourses, ...], days: Iterable[date]) -> Iterator[Mark]:
    """See panels by CR of all lineages (C12).

    An incomplete panel breaks when a value in it is not met; otherwise it is skipped.
    """
    for day, panel in _panels(lineages, days):
        met = all_of(test.cr for test, _ in panel)
        if met is not True or len(panel) == len(lineages):
            yield Mark(
                day,
                met,
                merge_ids(test.evidence for test, _ in panel),
                merge_flags(test.flags for test, _ in panel),
            )


def _partial_marks(lineages: tuple[LineageCourses, ...], days: Iterable[date]) -> Iterator[Mark]:
    """See panels by PR of whichever counted lineage; an incomplete panel without PR is skipped."""
    for day, panel in _panels(lineages, days):
        seen = [_mark(Criterion.PR, test, timeline) for test, timeline in panel]
        met = any_of(mark.met for mark in seen)
        deciding = [mark for mark in seen if mark.met] or seen
        if met or len(panel) == len(lineages):
            yield Mark(
                day,
                met,
                merge_ids(mark.evidence for mark in deciding),
                merge_flags(mark.flags for mark in deciding),
            )
