"""How the trial is worked, recomputed: what is there, what is late, what waits, how fast it came.

All of it follows from records. Two facts are taken as the export gives them: which version of a
result counts, because nothing exported says how much a sender's statements weigh, and since when an
infusion is cancelled and a query open, which are the times of the operations that did it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from tests.recomputation.counts import USABLE
from tests.recomputation.plan import Item, make_plan
from tests.recomputation.questions import Case, missing_counts, waiting_queries
from tests.recomputation.records import Row, Study, Subject, moment
from tests.recomputation.shares import rounded
from tests.recomputation.survival import middle

STATUSES = ("upcoming", "due", "overdue", "missed", "done", "out_of_window", "cancelled")
KINDS = ("infusion", "visit")
EXPECTED = ("infusion", "infusion_volume", "visit", "blood_count", "causality")
INBOX = ("result", "message", "task")
SPANS = (("collected_to_recorded", "collected_at"), ("reported_to_recorded", "reported_at"))
ROUTES = (None, "message", "entry")
Held = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Mistakes:
    """What somebody could get wrong; for the controls."""

    wider: int = 0
    last_version: bool = False
    settled: bool = False


RIGHT = Mistakes()


def operations(study: Study, mistakes: Mistakes = RIGHT) -> Row:
    """Compute all numbers of the operations metrics."""
    cases = [
        Case(subject, study, make_plan(subject, study, mistakes.wider))
        for subject in study.subjects
    ]
    return {
        "completeness": _completeness(cases, study),
        "worklist": _work(cases, study),
        "overdue": [_overdue(kind, cases, study) for kind in KINDS],
        "queries": waiting_queries(study),
        "inbox": _inbox(study, mistakes.settled),
        "turnaround": _turnaround(study, mistakes.last_version),
        "median_rule": "simple-median",
    }


def _completeness(cases: list[Case], study: Study) -> list[Row]:
    found = [(case.subject.level, _held(case)) for case in cases]
    groups = []
    for level in (None, *(each["name"] for each in study.levels)):
        members = [held for own, held in found if level in (None, own)]
        items = []
        for item in EXPECTED:
            there = sum(held[item][0] for held in members)
            expected = there + sum(held[item][1] for held in members)
            rate = rounded(Fraction(there, expected)) if expected else None
            items.append({"item": item, "expected": expected, "on_record": there, "rate": rate})
        groups.append({"level": level, "subjects": len(members), "items": items})
    return groups


def _held(case: Case) -> Held:
    """Count what is on record of a subject, and what was due and is not."""
    begun = [x for x in case.subject.infusions if x["started_at"] and not x["cancelled"]]
    volumes = [x for x in begun if x["volume_ml"] is not None]
    # Nobody is asked for the volume on the day itself.
    clock = case.study.clock
    asked = [x for x in begun if clock.sure_day(x["started_at"]) < clock.today]
    events = case.under_treatment()
    related = sum(x["causality"] is not None for x in events)
    counted = [
        visit
        for visit in case.plan.visits
        if visit.name in case.study.rules["deviations"]["blood_count_visits"]
        and visit.status not in ("upcoming", "cancelled")
        and case.plan.counted(visit)
    ]
    return {
        "infusion": _performed(case.plan.infusions),
        "infusion_volume": (len(volumes), sum(x["volume_ml"] is None for x in asked)),
        "visit": _performed(case.plan.visits),
        "blood_count": (len(counted), len(missing_counts(case))),
        "causality": (related, len(events) - related),
    }


def _performed(items: list[Item]) -> tuple[int, int]:
    found = Counter(item.status for item in items)
    return found["done"] + found["out_of_window"], found["missed"]


def _work(cases: list[Case], study: Study) -> list[Row]:
    """Count every planned infusion by number, then every visit in the order of the schedule."""
    standings = Counter(
        (item.kind, item.name, item.stands(study.clock.today))
        for case in cases
        for item in case.plan.items
    )
    there = {(kind, name) for kind, name, _ in standings}
    infusions = sorted((name for kind, name in there if kind == "infusion"), key=int)
    visits = [each["name"] for each in study.rules["schedule"]["visits"]["offsets"]]
    names = [("infusion", each) for each in infusions] + [("visit", each) for each in visits]
    return [
        {
            "kind": kind,
            "name": name,
            "statuses": {status: standings[kind, name, status] for status in STATUSES},
        }
        for kind, name in names
        if (kind, name) in there
    ]


def _overdue(kind: str, cases: list[Case], study: Study) -> Row:
    today = study.clock.today
    late = [
        (case.subject.record["id"], (today - item.target).days)
        for case in cases
        for item in case.plan.items
        if item.kind == kind and item.target and item.stands(today) == "overdue"
    ]
    return {
        "kind": kind,
        "items": len(late),
        "subjects": len({owner for owner, _ in late}),
        "longest_days": max((days for _, days in late), default=None),
    }


def _inbox(study: Study, settled: bool) -> Row:
    """Add up what waits; an item is counted under each of its reasons."""
    waiting = [each for each in study.inbox if settled or each["status"] == "open"]
    kinds = Counter(each["kind"] for each in waiting)
    today, clock = study.clock.today, study.clock
    return {
        "items": len(waiting),
        "results": sum(each["results"] for each in waiting),
        "by_kind": {kind: kinds[kind] for kind in INBOX},
        "by_reason": dict(
            Counter(code for each in waiting for code in {x["code"] for x in each["reasons"]})
        ),
        "oldest_days": max(
            ((today - clock.sure_day(each["received_at"])).days for each in waiting), default=None
        ),
    }


def _turnaround(study: Study, last_version: bool) -> list[Row]:
    arrived = [row for each in study.subjects for row in _arrived(each, last_version)]
    rows = []
    for span, begin in SPANS:
        for route in ROUTES:
            chosen = [row for row in arrived if route in (None, _route(row))]
            minutes = [_minutes(row, begin) for row in chosen]
            timed = [each for each in minutes if each is not None]
            rows.append(
                {
                    "route": route,
                    "span": span,
                    "results": len(timed),
                    "untimed": len(chosen) - len(timed),
                    "median_minutes": middle([Decimal(each) for each in timed]),
                    "minimum_minutes": min(timed, default=None),
                    "maximum_minutes": max(timed, default=None),
                }
            )
    return rows


def _arrived(subject: Subject, last_version: bool) -> list[Row]:
    """Give the first final version of every result that still counts."""
    versions: dict[str, list[Row]] = {}
    for row in subject.results:
        versions.setdefault(row["result_id"], []).append(row)
    found = []
    for rows in versions.values():
        if any(row["is_current"] and row["status"] in USABLE for row in rows):
            usable = [row for row in rows if row["status"] in USABLE]
            found.append(usable[-1 if last_version else 0])
    return found


def _route(row: Row) -> str:
    return "entry" if row["message_id"] is None else "message"


def _minutes(row: Row, begin: str) -> int | None:
    """Give the whole minutes until the record; a collection told by the hour is not timed."""
    vague = begin == "collected_at" and row["collected_precision"] not in ("minute", "second")
    if vague or row[begin] is None:
        return None
    return (moment(row["recorded_at"]) - moment(row[begin])) // timedelta(minutes=1)
