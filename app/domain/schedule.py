"""When a subject is to be infused and seen, and what became of each planned infusion and visit."""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.domain.dosing import DoseLevel
from app.domain.facts import Infusion
from app.domain.rules import rule_set
from app.domain.visits import (
    LastInfusion,
    PerformedDay,
    ScheduleStatus,
    Visit,
    VisitRules,
    Window,
    around,
    plan_visits,
)
from app.domain.vocabulary import Sex


@rule_set
class ScheduleRules:
    """Windows and ends of follow-up; days count from the last infusion."""

    infusion_window_days: int
    visits: VisitRules
    follow_up_days: int
    completion_from_day: int
    contraception_months: dict[Sex, int]

    def __post_init__(self) -> None:
        """Refuse completion after the follow-up, a negative window and a forgotten sex."""
        if self.infusion_window_days < 0:
            raise ValueError("an infusion window cannot be negative")
        if self.completion_from_day > self.follow_up_days:
            raise ValueError("completion must be possible when the follow-up ends")
        if set(self.contraception_months) != set(Sex):
            raise ValueError("contraception needs a number of months for each sex")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The facts a plan rests on; `level` is None before enrolment.

    `treatment_ended_on` and `left_study_on` are the days of disposition, if any.
    """

    sex: Sex
    level: DoseLevel | None
    planned_first_day: date | None
    infusions: tuple[Infusion, ...]
    performed: tuple[PerformedDay, ...]
    treatment_ended_on: date | None
    left_study_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInfusion:
    """One infusion of the level; the first has no window, since nothing precedes it."""

    number: int
    target_day: date | None
    window: Window | None
    status: ScheduleStatus
    day: date | None
    evidence: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The plan as it stands on `as_of`; what follows a projected last infusion is projected."""

    as_of: date
    infusions: tuple[PlannedInfusion, ...]
    last_infusion: LastInfusion | None
    visits: tuple[Visit, ...]
    completion_from: date | None
    end_of_safety_follow_up: date | None
    contraception_end: date | None
    left_study_on: date | None


def plan(course: Course, rules: ScheduleRules, today: date) -> Schedule:
    """Plan all infusions and visits and say what became of each by `today` (C8, C10, C11, C29).

    Visits count from the last infusion actually given; an outstanding one is projected.
    """
    infusions = _plan_infusions(course, rules, today)
    last = _last_infusion(infusions, course.infusions)
    if last is None:
        return Schedule(
            as_of=today,
            infusions=infusions,
            last_infusion=None,
            visits=(),
            completion_from=None,
            end_of_safety_follow_up=None,
            contraception_end=None,
            left_study_on=course.left_study_on,
        )
    return Schedule(
        as_of=today,
        infusions=infusions,
        last_infusion=last,
        visits=plan_visits(last, course.performed, course.left_study_on, rules.visits, today),
        completion_from=last.day + timedelta(days=rules.completion_from_day),
        end_of_safety_follow_up=last.day + timedelta(days=rules.follow_up_days),
        contraception_end=add_months(last.day, rules.contraception_months[course.sex]),
        left_study_on=course.left_study_on,
    )


def visits_without_count(
    schedule: Schedule, performed: Collection[PerformedDay], wanted: Collection[str]
) -> Iterator[Visit]:
    """Find the visits of these names whose window closed without a complete blood count in it.

    Of a subject who had left the study by then none is expected.
    """
    left = schedule.left_study_on
    for visit in schedule.visits:
        end = visit.window.end
        expected = visit.status not in (ScheduleStatus.UPCOMING, ScheduleStatus.CANCELLED)
        if visit.name not in wanted or not expected:
            continue
        if schedule.as_of <= end or (left is not None and left <= end):
            continue
        if not any(seen.has_cbc and visit.window.contains(seen.day) for seen in performed):
            yield visit


def add_months(day: date, months: int) -> date:
    """Add calendar months; a day that the month lacks becomes the month's last day."""
    years, month_index = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month_index + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _plan_infusions(
    course: Course, rules: ScheduleRules, today: date
) -> tuple[PlannedInfusion, ...]:
    """Chain the infusions: each is counted from the one before it, given or still planned."""
    if course.level is None:
        return ()
    records = {record.number: record for record in course.infusions}
    interval = timedelta(days=course.level.interval_days)
    planned: list[PlannedInfusion] = []
    previous: date | None = None
    # A start that gave nothing is made up for by one infusion more.
    wanted = course.level.planned_infusions + sum(x.voided for x in course.infusions)
    for number in range(1, max(wanted, *records, 0) + 1):
        record = records.get(number)
        if previous is None:
            target, window = record.planned_day if record else course.planned_first_day, None
        else:
            target = previous + interval
            window = around(target, rules.infusion_window_days)
        status = _infusion_status(record, (target, window), course.treatment_ended_on, today)
        day = record.day if record and record.took_place else None
        planned.append(
            PlannedInfusion(
                number=number,
                target_day=target,
                window=window,
                status=status,
                day=day,
                evidence=(record.id,) if record else (),
                rule="schedule.infusion_window_days",
            )
        )
        # A cancelled infusion takes no week: the next one follows the last that was not cancelled.
        if status is not ScheduleStatus.CANCELLED:
            previous = day or target
    return tuple(planned)


def _infusion_status(
    record: Infusion | None,
    when: tuple[date | None, Window | None],
    treatment_ended_on: date | None,
    today: date,
) -> ScheduleStatus:
    target, window = when
    if record is not None and record.took_place and record.day is not None:
        in_time = window is None or window.contains(record.day)
        return ScheduleStatus.DONE if in_time else ScheduleStatus.OUT_OF_WINDOW
    if record is not None and _called_off(record, window):
        return ScheduleStatus.CANCELLED
    if treatment_ended_on is not None and (window is None or treatment_ended_on <= window.end):
        return ScheduleStatus.CANCELLED
    if window is not None and today > window.end:
        return ScheduleStatus.MISSED
    opening = window.start if window is not None else target
    return _open_status(opening, today)


def _called_off(record: Infusion, window: Window | None) -> bool:
    """Tell whether an infusion was cancelled before its window had passed, or after a start."""
    if not record.cancelled or record.voided or window is None or record.cancelled_day is None:
        return record.cancelled
    return record.cancelled_day <= window.end


def _open_status(opening: date | None, today: date) -> ScheduleStatus:
    reached = opening is not None and today >= opening
    return ScheduleStatus.DUE if reached else ScheduleStatus.UPCOMING


def _last_infusion(
    infusions: Sequence[PlannedInfusion], records: Sequence[Infusion]
) -> LastInfusion | None:
    """Find the one that visits count from: the last outstanding, else the last that gave product.

    Until its volume is recorded a start counts, because product may have entered the subject.
    """
    outstanding = [
        infusion
        for infusion in infusions
        if infusion.status in (ScheduleStatus.DUE, ScheduleStatus.UPCOMING)
    ]
    if outstanding:
        target = outstanding[-1].target_day
        evidence = outstanding[-1].evidence
        return LastInfusion(day=target, projected=True, evidence=evidence) if target else None
    given = [(each.day, (each.id,)) for each in records if each.day and each.may_have_entered]
    if not given:
        return None
    day, evidence = max(given)
    return LastInfusion(day=day, projected=False, evidence=evidence)
