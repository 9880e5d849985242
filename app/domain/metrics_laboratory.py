"""One subject's laboratory course: the value of each day and visit, the shifts of grade, the times.

Series are of the lineages' analytes and of the immune and inflammatory markers; grades are of all
that has numeric grades.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from app.domain.analytes import ANALYTES, AnalyteCategory
from app.domain.facts import Arrival, Infusion, LabResult, Medication
from app.domain.lab_grades import background
from app.domain.metrics_shifts import GradeShift, draw_shifts
from app.domain.metrics_turnaround import Turnaround, count_turnaround
from app.domain.quantities import Comparator, Measurement
from app.domain.response_counts import counts_by_day, lowest_of, usable_counts
from app.domain.response_rules import Anchor, ResponseRules, SameDayRule
from app.domain.visits import LastInfusion, PerformedDay, ScheduleStatus, VisitRules, plan_visits

# The record's other endpoint: "changes in ferritin, C-reactive protein, LDH, lymphocyte subsets,
# quantitative immunoglobulin, and cytokines" (C39), in its order.
_NAMED_MARKERS = ("FERR", "CRP", "LDH")
_MARKER_CATEGORIES = (
    AnalyteCategory.LYMPHOCYTE_SUBSET,
    AnalyteCategory.IMMUNOGLOBULIN,
    AnalyteCategory.CYTOKINE,
)
MARKERS: tuple[str, ...] = (
    *_NAMED_MARKERS,
    *(
        analyte.key
        for category in _MARKER_CATEGORIES
        for analyte in ANALYTES
        if analyte.category is category
    ),
)


BASELINE_RULE = "last-usable-before-first-infusion"
"""The rule of a baseline (C18); grades rest on the same one."""


class DayValue(NamedTuple):
    """The value of one study day, counted from the first infusion; with a comparator a bound."""

    day: int
    value: Decimal
    comparator: Comparator | None

    @property
    def measurement(self) -> Measurement:
        """Give value and comparator as one measurement."""
        return Measurement(self.value, self.comparator)


class VisitValue(NamedTuple):
    """The value of a visit of the schedule, counted from the first or from the last infusion."""

    anchor: Anchor
    visit: str
    found: DayValue


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryFacts:
    """The facts of one subject, in any order; `level` is None before enrolment.

    `last_infusion` is that of the schedule; while it is only projected no visit counts from it.
    """

    level: str | None
    last_infusion: LastInfusion | None
    infusions: tuple[Infusion, ...] = ()
    labs: tuple[LabResult, ...] = ()
    medications: tuple[Medication, ...] = ()
    arrivals: tuple[Arrival, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectLaboratory:
    """What one subject adds; before the first infusion only `turnaround`.

    By analyte: `baselines` are the last usable values before the first infusion began (C18),
    `series` has one value for each day, and `visits` those that stand for a visit.
    """

    level: str | None
    turnaround: Turnaround
    first_infusion_day: date | None = None
    baselines: Mapping[str, DayValue] = field(default_factory=dict)
    series: Mapping[str, tuple[DayValue, ...]] = field(default_factory=dict)
    visits: Mapping[str, tuple[VisitValue, ...]] = field(default_factory=dict)
    shifts: tuple[GradeShift, ...] = ()


def draw_laboratory(
    facts: LaboratoryFacts, rules: ResponseRules, visits: VisitRules, today: date
) -> SubjectLaboratory:
    """Draw what a subject adds from all laboratory results, infusions and medications to `today`.

    Whatever else was given meanwhile, transfusions and new therapies too, the values count as they
    were measured.
    """
    untreated = SubjectLaboratory(level=facts.level, turnaround=count_turnaround(facts.arrivals))
    labs = [lab for lab in facts.labs if lab.day <= today]
    against = background(facts.infusions, labs, facts.medications)
    since = against.since
    first = next((x.day for x in facts.infusions if since and x.started_at == since), None)
    if first is None:
        return untreated
    by_analyte = _by_analyte(labs)
    series = {
        key: values
        for key in followed_analytes(rules)
        if (values := _series(by_analyte.get(key, ()), first, rules.same_day_rule))
    }
    anchors = _anchor_days(first, facts.last_infusion)
    return replace(
        untreated,
        first_infusion_day=first,
        baselines={
            key: _day_value(lab.day, lab.measurement, first)
            for key, lab in against.baselines.items()
            if key in series and lab.measurement is not None
        },
        series=series,
        visits={
            key: tuple(_visits(values, first, anchors, visits)) for key, values in series.items()
        },
        shifts=draw_shifts(by_analyte, against),
    )


def lineage_analytes(rules: ResponseRules) -> tuple[str, ...]:
    """Name the analytes of the lineages, as the protocol lists them."""
    return tuple(criteria.analyte for criteria in rules.lineages)


def followed_analytes(rules: ResponseRules) -> tuple[str, ...]:
    """Name the analytes with a series: those of the lineages, and the markers of the record."""
    return tuple(dict.fromkeys((*lineage_analytes(rules), *MARKERS)))


def _by_analyte(labs: Sequence[LabResult]) -> dict[str, list[LabResult]]:
    found: defaultdict[str, list[LabResult]] = defaultdict(list)
    for lab in labs:
        found[lab.analyte].append(lab)
    return found


def _day_value(day: date, measurement: Measurement, first: date) -> DayValue:
    return DayValue((day - first).days, measurement.value, measurement.comparator)


def _series(labs: Sequence[LabResult], first: date, rule: SameDayRule) -> tuple[DayValue, ...]:
    """Give one value of each local date by the rule of response (response.same_day_rule)."""
    days = counts_by_day(usable_counts(labs), rule)
    return tuple(_day_value(day, lowest_of(used), first) for day, used in days)


def _anchor_days(first: date, last: LastInfusion | None) -> dict[Anchor, date]:
    """Give the days that visits count from, once they are known."""
    if last is None or last.projected:
        return {Anchor.FIRST: first}
    return {Anchor.FIRST: first, Anchor.LAST: last.day}


def _visits(
    values: Sequence[DayValue], first: date, anchors: Mapping[Anchor, date], rules: VisitRules
) -> Iterator[VisitValue]:
    """Give each visit the value in its window that the schedule would match with it.

    Visits are planned as if the subject had been seen on the days with a value and on no other.
    """
    by_day = {first + timedelta(days=found.day): found for found in values}
    seen = [PerformedDay(day=day, has_cbc=False, evidence=()) for day in by_day]
    for anchor, day in anchors.items():
        last = LastInfusion(day=day, projected=False, evidence=())
        for visit in plan_visits(last, seen, None, rules, day):
            if visit.status is ScheduleStatus.DONE and visit.day is not None:
                yield VisitValue(anchor, visit.name, by_day[visit.day])
