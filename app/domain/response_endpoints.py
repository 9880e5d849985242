"""Response categories: the best so far, and each week under every reading of the record (C7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import chain

from app.domain.response_courses import Courses
from app.domain.response_episodes import Course, Episode, PendingConfirmation, merge_ids
from app.domain.response_flags import Confounder, Flag, merge_flags
from app.domain.response_rules import Anchor, ResponseRules, WeekMode
from app.domain.response_timeline import Timeline


class Category(StrEnum):
    """The one best category of a subject at a time point (C16); NE and NR are non-responders."""

    CR = "CR"
    PR = "PR"
    NR = "NR"
    NE = "NE"
    PENDING = "pending"
    NOT_DUE = "not_due"


class CategoryReason(StrEnum):
    """Why a category is NE, pending or not due."""

    NOT_TREATED = "not_treated"
    INFUSIONS_TO_COME = "infusions_to_come"
    BEFORE_WINDOW = "before_window"
    AWAITING_TEST = "awaiting_test"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    NO_TEST = "no_test"
    NO_EVALUABLE_LINEAGE = "no_evaluable_lineage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A category with what it rests on.

    `confirmed` is what is certain while a better one is pending; `since_day` is the first day of
    the response that supports it; `final` tells that nothing expected can still change it.
    """

    category: Category
    confirmed: Category
    reason: CategoryReason | None = None
    since_day: date | None = None
    final: bool = False
    evidence: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way of reading one week; `primary` marks the configured, registered one."""

    week: int
    mode: WeekMode
    anchor: Anchor
    primary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The days whose counts are looked at, both ends included, and when the question is due."""

    due_day: date
    first_day: date
    target_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReading:
    """One week read in one way; `test_day` is the count that an `at` reading looks at."""

    reading: Reading
    window: Window | None
    test_day: date | None
    standing: Standing
    rule: str


def list_readings(rules: ResponseRules) -> Iterator[Reading]:
    """List every week at and within, from the first and from the last infusion."""
    for week in rules.weeks:
        for mode in WeekMode:
            for anchor in Anchor:
                primary = mode is rules.week_mode and anchor is rules.anchor
                yield Reading(week=week, mode=mode, anchor=anchor, primary=primary)


def not_due(reason: CategoryReason) -> Standing:
    """Say that a category cannot be asked for yet."""
    return Standing(category=Category.NOT_DUE, confirmed=Category.NOT_DUE, reason=reason)


def best_standing(timeline: Timeline, courses: Courses) -> Standing:
    """Find the best category over all counts so far, late responses included."""
    is_over = timeline.observation_end is not None
    if not timeline.test_days:
        return _without_test(may_come=not is_over)
    standing = judge(courses, lambda episode: True, timeline.as_of_day)
    evidence = standing.evidence or _test_ids(timeline, timeline.test_days)
    return replace(standing, evidence=evidence, final=is_over)


def read_endpoint(
    timeline: Timeline, courses: Courses, rules: ResponseRules, reading: Reading
) -> EndpointReading:
    """Read one week in one way.

    While infusions are planned, the day that weeks are counted from the last one is not known.
    """
    if reading.anchor is Anchor.LAST and timeline.treatment.to_come:
        return unread_endpoint(reading, CategoryReason.INFUSIONS_TO_COME)
    window = _window(timeline, rules, reading)
    days = [day for day in timeline.test_days if window.first_day <= day <= window.last_day]
    may_come = timeline.observation_end is None and timeline.as_of_day <= window.last_day
    test_day = None
    if may_come and timeline.as_of_day < window.due_day:
        standing = not_due(CategoryReason.BEFORE_WINDOW)
    elif not days:
        standing = _without_test(may_come=may_come)
    elif reading.mode is WeekMode.AT:
        test_day = min(days, key=lambda day: (abs(day - window.target_day), day))
        standing = _standing_at(timeline, courses, test_day)
    else:
        standing = _standing_within(timeline, courses, days, window.last_day)
    settled = standing.category not in (Category.PENDING, Category.NOT_DUE)
    return EndpointReading(
        reading=reading,
        window=window,
        test_day=test_day,
        standing=replace(standing, final=settled and not may_come),
        rule=_rule(reading),
    )


def unread_endpoint(reading: Reading, reason: CategoryReason) -> EndpointReading:
    """Give the answer to a reading whose window is not known yet."""
    return EndpointReading(
        reading=reading, window=None, test_day=None, standing=not_due(reason), rule=_rule(reading)
    )


def judge(courses: Courses, holds: Callable[[Episode], bool], by_day: date) -> Standing:
    """Find the best category among the episodes for which `holds`, or begun by `by_day`.

    A test that waits for its confirmation makes the category pending where it would better it.
    """
    if not courses.any_counts:
        reason = CategoryReason.NO_EVALUABLE_LINEAGE
        return Standing(category=Category.NE, confirmed=Category.NE, reason=reason)
    complete = _holding((courses.complete,), holds)
    partial = _holding(courses.partial, holds)
    if complete:
        return _supported(Category.CR, complete, [])
    pending = _waiting((courses.complete,), by_day)
    if partial:
        return _supported(Category.PR, partial, pending)
    standing = _supported(Category.NR, [], pending or _waiting(courses.partial, by_day))
    elsewhere = merge_ids(x.evidence for x in _holding(courses.partial_elsewhere, holds))
    if not elsewhere:
        return standing
    flag = Flag(Confounder.PR_ONLY_IN_NON_EVALUABLE_LINEAGE, elsewhere)
    return replace(standing, flags=(flag,))


def _supported(
    confirmed: Category, support: list[Episode], pending: list[PendingConfirmation]
) -> Standing:
    return Standing(
        category=Category.PENDING if pending else confirmed,
        confirmed=confirmed,
        reason=CategoryReason.AWAITING_CONFIRMATION if pending else None,
        since_day=min((entry.start_day for entry in support), default=None),
        evidence=merge_ids(
            [*(entry.evidence for entry in support), *(entry.evidence for entry in pending)]
        ),
        flags=merge_flags(entry.flags for entry in support),
    )


def _holding(courses: Iterable[Course], holds: Callable[[Episode], bool]) -> list[Episode]:
    return list(filter(holds, chain.from_iterable(course.episodes for course in courses)))


def _waiting(courses: Iterable[Course], by_day: date) -> list[PendingConfirmation]:
    waiting = (course.pending for course in courses if course.pending is not None)
    return [entry for entry in waiting if entry.start_day and entry.start_day <= by_day]


def _window(timeline: Timeline, rules: ResponseRules, reading: Reading) -> Window:
    treatment = timeline.treatment
    target = treatment.anchor_day(reading.anchor) + timedelta(weeks=reading.week)
    if reading.mode is WeekMode.WITHIN:
        first = treatment.first_day + timedelta(days=1)
        return Window(due_day=target, first_day=first, target_day=target, last_day=target)
    slack = timedelta(days=rules.visit_window_days)
    first = target - slack
    return Window(due_day=first, first_day=first, target_day=target, last_day=target + slack)


def _without_test(*, may_come: bool) -> Standing:
    if may_come:
        return not_due(CategoryReason.AWAITING_TEST)
    reason = CategoryReason.NO_TEST
    return Standing(category=Category.NE, confirmed=Category.NE, reason=reason, final=True)


def _standing_at(timeline: Timeline, courses: Courses, test_day: date) -> Standing:
    standing = judge(courses, lambda episode: episode.covers(test_day), test_day)
    tests = _test_ids(timeline, [test_day])
    return replace(standing, evidence=merge_ids((tests, standing.evidence)))


def _standing_within(
    timeline: Timeline, courses: Courses, days: list[date], last_day: date
) -> Standing:
    standing = judge(courses, lambda episode: episode.start_day <= last_day, last_day)
    return replace(standing, evidence=standing.evidence or _test_ids(timeline, days))


def _test_ids(timeline: Timeline, days: Iterable[date]) -> tuple[str, ...]:
    """Name the baselines and the counts of these days, the evidence of no response."""
    wanted = set(days)
    baselines = (x.baseline.evidence for x in timeline.lineages if x.baseline is not None)
    tests = (test.evidence for x in timeline.lineages for test in x.tests if test.day in wanted)
    return merge_ids((*baselines, *tests))


def _rule(reading: Reading) -> str:
    return f"response.week_mode={reading.mode};response.anchor={reading.anchor}"
