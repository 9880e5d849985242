"""What is to be done on a day: each planned infusion and visit of a plan, by how it stands then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.schedule import PlannedInfusion, Schedule
from app.domain.visits import PerformedDay, ScheduleStatus, Visit, Window


class WorkKind(StrEnum):
    """What a subject is expected for."""

    INFUSION = "infusion"
    VISIT = "visit"


class WorkStatus(StrEnum):
    """How an item stands on a day."""

    UPCOMING = "upcoming"  # its window has not opened
    DUE = "due"  # from the opening of the window through the target day
    OVERDUE = "overdue"  # the target day has passed, the window is still open
    MISSED = "missed"  # the window has closed
    DONE = "done"
    OUT_OF_WINDOW = "out_of_window"  # it took place, too early or too late
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One planned infusion or visit; `day` is when it took place.

    `has_blood_count` says whether a complete count was taken in the window, where the protocol
    asks for one (C7, deviations.blood_count_visits); None where it does not.
    """

    kind: WorkKind
    name: str
    target_day: date | None
    window: Window | None
    status: WorkStatus
    day: date | None
    projected: bool
    has_blood_count: bool | None
    evidence: tuple[str, ...]
    rule: str


def worklist(
    schedule: Schedule, performed: Iterable[PerformedDay], blood_count_visits: Collection[str]
) -> tuple[WorkItem, ...]:
    """List the items of a plan as they stand on its day.

    For a day to come that is the plan drawn for it: what has not happened yet is taken not to
    happen before. Nothing is due while the last infusion is only projected.
    """
    counted = [seen.day for seen in performed if seen.has_cbc]
    return (
        *_infusions(schedule.infusions, schedule.as_of),
        *_visits(schedule, counted, blood_count_visits),
    )


def _infusions(planned: Iterable[PlannedInfusion], day: date) -> Iterator[WorkItem]:
    for infusion in planned:
        yield WorkItem(
            kind=WorkKind.INFUSION,
            name=str(infusion.number),
            target_day=infusion.target_day,
            window=infusion.window,
            status=_status(infusion, day),
            day=infusion.day,
            projected=False,
            has_blood_count=None,
            evidence=infusion.evidence,
            rule=infusion.rule,
        )


def _visits(
    schedule: Schedule, counted: Collection[date], blood_count_visits: Collection[str]
) -> Iterator[WorkItem]:
    last = schedule.last_infusion
    for visit in schedule.visits:
        has_count = None
        if visit.name in blood_count_visits:
            has_count = any(visit.window.contains(each) for each in counted)
        yield WorkItem(
            kind=WorkKind.VISIT,
            name=visit.name,
            target_day=visit.target_day,
            window=visit.window,
            status=_status(visit, schedule.as_of),
            day=visit.day,
            projected=last is not None and last.projected,
            has_blood_count=has_count,
            evidence=visit.evidence,
            rule=visit.rule,
        )


def _status(item: PlannedInfusion | Visit, day: date) -> WorkStatus:
    """Tell how an item stands; what is due is overdue once its target day has passed."""
    target = item.target_day
    if item.status is ScheduleStatus.DUE and target is not None and target < day:
        return WorkStatus.OVERDUE
    return WorkStatus(item.status.value)
