"""Laboratory trajectories of the trial: what the values of each visit come to, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.analytes import find_analyte
from app.domain.metrics_laboratory import (
    MARKERS,
    DayValue,
    SubjectLaboratory,
    lineage_analytes,
)
from app.domain.outcomes import median
from app.domain.quantities import Measurement
from app.domain.response_counts import increase
from app.domain.response_rules import Anchor, ResponseRules
from app.domain.visits import VisitRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSummary:
    """Values of `n` subjects in the unit of the analyte, None of none.

    `bounds` of them are only a limit, such as below 0.1, and are counted as the limit itself.
    """

    n: int
    median: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    bounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPoint:
    """The values of one visit, `target_day` days after the infusion that it counts from.

    `change` is from each subject's own baseline, of those who have one; two bounds that say nothing
    about a difference are left out.
    """

    anchor: Anchor
    visit: str
    target_day: int
    value: ValueSummary
    change: ValueSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTrajectory:
    """The treated subjects of one level, or all when `level` is None.

    `subjects` have any value; a visit without values is left out.
    """

    level: str | None
    subjects: int
    baseline: ValueSummary
    visits: tuple[VisitPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One analyte over the course of the trial, in its canonical unit (UCUM)."""

    analyte: str
    name: str
    unit: str | None
    groups: tuple[GroupTrajectory, ...]


def trajectories(
    subjects: Sequence[SubjectLaboratory],
    levels: Sequence[str],
    rules: ResponseRules,
    visits: VisitRules,
) -> tuple[Trajectory, ...]:
    """Sum up the analytes of the lineages."""
    return tuple(_trajectory(key, subjects, levels, visits) for key in lineage_analytes(rules))


def markers(
    subjects: Sequence[SubjectLaboratory], levels: Sequence[str], visits: VisitRules
) -> tuple[Trajectory, ...]:
    """Sum up the immune and inflammatory markers that the record names (C39)."""
    return tuple(_trajectory(key, subjects, levels, visits) for key in MARKERS)


def _trajectory(
    key: str, subjects: Sequence[SubjectLaboratory], levels: Sequence[str], visits: VisitRules
) -> Trajectory:
    analyte = find_analyte(key)
    return Trajectory(
        analyte=key,
        name=analyte.name if analyte else key,
        unit=analyte.canonical_unit if analyte else None,
        groups=tuple(
            _group(key, level, [x for x in subjects if level in (None, x.level)], visits)
            for level in (None, *levels)
        ),
    )


def _group(
    key: str, level: str | None, subjects: Sequence[SubjectLaboratory], visits: VisitRules
) -> GroupTrajectory:
    points = (
        _point(key, (anchor, offset.name), offset.target_day, subjects)
        for anchor in Anchor
        for offset in visits.offsets
    )
    return GroupTrajectory(
        level=level,
        subjects=sum(key in subject.series for subject in subjects),
        baseline=summarise(
            subject.baselines[key].measurement for subject in subjects if key in subject.baselines
        ),
        visits=tuple(point for point in points if point.value.n),
    )


def _point(
    key: str,
    place: tuple[Anchor, str],
    target_day: int,
    subjects: Iterable[SubjectLaboratory],
) -> VisitPoint:
    found: list[tuple[DayValue, DayValue | None]] = [
        (each.found, subject.baselines.get(key))
        for subject in subjects
        for each in subject.visits.get(key, ())
        if (each.anchor, each.visit) == place
    ]
    changes = [
        increase(value.measurement, baseline.measurement) for value, baseline in found if baseline
    ]
    return VisitPoint(
        anchor=place[0],
        visit=place[1],
        target_day=target_day,
        value=summarise(value.measurement for value, _ in found),
        change=summarise(change for change in changes if change is not None),
    )


def summarise(measurements: Iterable[Measurement]) -> ValueSummary:
    """Sum up measured values of different subjects, exactly."""
    found = list(measurements)
    values = [each.value for each in found]
    return ValueSummary(
        n=len(values),
        median=median(values),
        minimum=min(values, default=None),
        maximum=max(values, default=None),
        bounds=sum(each.comparator is not None for each in found),
    )
