"""Which records of one participant the laboratory's and the operations' numbers rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.domain.facts import Arrival, LabResult
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_conduct import ExpectedItem, SubjectConduct
from app.domain.metrics_laboratory import DayValue, SubjectLaboratory
from app.domain.metrics_numbers import Leaf
from app.domain.metrics_queries import AskedQuery
from app.domain.metrics_turnaround import Span, minutes_of, route_of
from app.domain.queries import PENDING
from app.domain.query_rules import QueryRule
from app.domain.visit_worklist import WorkItem, WorkKind, WorkStatus

Ids = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRecords:
    """What the laboratory's and the operations' numbers count of one participant, one by one."""

    labs: tuple[LabResult, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    queries: tuple[AskedQuery, ...] = ()


# What is asked where an expected item is missing.
_ASKED = {
    ExpectedItem.INFUSION_VOLUME: QueryRule.VOLUME_MISSING,
    ExpectedItem.BLOOD_COUNT: QueryRule.BLOOD_COUNT_MISSING,
    ExpectedItem.CAUSALITY: QueryRule.CAUSALITY_MISSING,
}


def laboratory_records(subject: MetricSubject, counted: CountedRecords, leaf: Leaf) -> Ids:
    """Name the results of the analyte: of the day that counts, or for a shift of grade all.

    Without an analyte the number counts the participant, as of the infusion that began.
    """
    analyte = leaf.keys.get("analyte")
    if analyte is None:
        started = subject.enrolled.facts.started if subject.enrolled else ()
        return tuple(infusion.id for infusion in started[:1])
    own = [lab for lab in counted.labs if lab.analyte == analyte]
    first = subject.laboratory.first_infusion_day
    if leaf.section == "shifts" or first is None:
        return tuple(lab.id for lab in own)
    values = _values(subject.laboratory, str(analyte), leaf)
    days = {first + timedelta(days=found.day) for found in values}
    return tuple(lab.id for lab in own if lab.day in days)


def _values(course: SubjectLaboratory, analyte: str, leaf: Leaf) -> Iterator[DayValue]:
    """List the values behind a number: of its visit, of the baseline, or of all days."""
    place = leaf.keys.get("anchor"), leaf.keys.get("visit")
    if "baseline" not in leaf.names and "visits" not in leaf.names:
        yield from course.series.get(analyte, ())
        return
    if "visits" in leaf.names:
        for each in course.visits.get(analyte, ()):
            if (each.anchor, each.visit) == place:
                yield each.found
    if "value" not in leaf.names and analyte in course.baselines:
        yield course.baselines[analyte]


def operations_records(subject: MetricSubject, counted: CountedRecords, leaf: Leaf) -> Ids:
    """Name the query or the result, what is on record of the item, or else the registration.

    What was not done has no record of its own.
    """
    if leaf.section == "queries":
        found = _of_queries(counted, leaf)
    elif leaf.section == "turnaround":
        found = _of_turnaround(counted, leaf)
    else:
        found = _OF_SECTION[leaf.section](subject, leaf)
    return tuple(dict.fromkeys(found)) or (subject.subject_id,)


def _of_queries(counted: CountedRecords, leaf: Leaf) -> Iterator[str]:
    """List the queries that wait, of the origin, age or rule, and of the standing of the number."""
    member = leaf.names[-1]
    for query in counted.queries:
        told = {"origin": query.origin, "ages": query.age, "by_rule": query.rule}
        stands = query.status in PENDING and member in (*told, "pending", query.status)
        if stands and all(told[name] == key for name, key in leaf.keys.items()):
            yield query.record_id


def _of_turnaround(counted: CountedRecords, leaf: Leaf) -> Iterator[str]:
    """List the results of the route that are timed, or those whose beginning nobody told."""
    for arrival in counted.arrivals:
        timed = minutes_of(arrival)[Span(str(leaf.keys["span"]))] is not None
        if leaf.keys["route"] in (None, route_of(arrival)) and timed != (
            leaf.names[-1] == "untimed"
        ):
            yield arrival.id


def _of_work(subject: MetricSubject, leaf: Leaf) -> Iterator[str]:
    keys = leaf.keys
    for item in subject.conduct.items:
        if (item.kind, item.name, item.status) == (keys["kind"], keys["name"], keys["statuses"]):
            yield from item.evidence


def _of_overdue(subject: MetricSubject, leaf: Leaf) -> Iterator[str]:
    for item in subject.conduct.items:
        if item.kind == leaf.keys["kind"] and item.status is WorkStatus.OVERDUE:
            yield from item.evidence


def _of_completeness(subject: MetricSubject, leaf: Leaf) -> Iterator[str]:
    wanted = leaf.keys.get("item")
    if wanted == ExpectedItem.INFUSION:
        yield from _items(subject.conduct, WorkKind.INFUSION)
    elif wanted == ExpectedItem.VISIT:
        yield from _items(subject.conduct, WorkKind.VISIT)
    elif wanted is not None:
        rule = _ASKED[ExpectedItem(str(wanted))]
        yield from (x.record_id for x in subject.conduct.findings if x.rule is rule)


def _items(conduct: SubjectConduct, kind: WorkKind) -> Iterator[str]:
    of_kind: Iterable[WorkItem] = (item for item in conduct.items if item.kind is kind)
    return (each for item in of_kind for each in item.evidence)


_OF_SECTION: Mapping[str, Callable[[MetricSubject, Leaf], Iterator[str]]] = {
    "worklist": _of_work,
    "overdue": _of_overdue,
    "completeness": _of_completeness,
}
