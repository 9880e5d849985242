"""What the rules ask about the records, and which questions wait, recomputed.

A rule's question is known by its subject and its key: the rule, and the cause that it is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.recomputation.plan import Plan, make_plan
from tests.recomputation.records import Row, Study, Subject, as_date, number

RULES = (
    "implausible_value", "blood_count_missing", "car_t_investigational", "car_t_kind_unknown",
    "half_life_unknown", "qtcf_disagrees", "causality_missing", "volume_missing",
    "death_without_event",
)  # fmt: skip
AGES = (("up_to_7_days", 7), ("up_to_14_days", 14), ("up_to_28_days", 28))
CLASSES = (*(name for name, _ in AGES), "more_days", "undated")
CENT = Decimal("0.01")
Question = tuple[str, date | None]


@dataclass(frozen=True)
class Case:
    """What a subject's questions are about."""

    subject: Subject
    study: Study
    plan: Plan

    @property
    def reference(self) -> date:
        """The day that criteria count back from: the first infusion, planned or given, or today."""
        began = [
            self.study.clock.sure_day(each["started_at"])
            for each in self.subject.infusions
            if each["started_at"] is not None
            and (each["volume_ml"] is None or number(each["volume_ml"]) > 0)
        ]
        planned = self.subject.record["planned_first_infusion_date"]
        if began:
            return min(began)
        return as_date(planned) if planned else self.study.clock.today

    def under_treatment(self) -> list[Row]:
        """List the events since the first infusion of a recorded volume."""
        given = [
            self.study.clock.sure_day(each["started_at"])
            for each in self.subject.infusions
            if each["started_at"] is not None
            and each["volume_ml"] is not None
            and number(each["volume_ml"]) > 0
        ]
        first = min(given, default=date.max)
        clock = self.study.clock
        return [each for each in self.subject.events if clock.sure_day(each["onset_at"]) >= first]


def questions(case: Case) -> dict[str, Question]:
    """Give what the rules ask about one subject: the rule and the day, by the key."""
    asked = (_held, _counts, _criteria, _causality, _volumes, _death)
    return {f"{rule}:{about}": (rule, day) for ask in asked for rule, about, day in ask(case)}


Asked = Iterator[tuple[str, str, date | None]]


def _held(case: Case) -> Asked:
    """Ask about values that no living person has, while they wait."""
    for item in case.study.inbox:
        codes = {reason["code"] for reason in item["reasons"]}
        waits = item["status"] == "open" and "implausible_value" in codes
        if waits and item["subject_id"] == case.subject.record["id"]:
            yield "implausible_value", item["id"], None


def missing_counts(case: Case) -> list[tuple[str, date]]:
    """Find visits whose window has closed without the blood count that response needs (C7)."""
    wanted = case.study.rules["deviations"]["blood_count_visits"]
    found = []
    for visit in case.plan.visits:
        end = visit.window[1] if visit.window else date.max
        gone = case.plan.left is not None and case.plan.left <= end
        if visit.name not in wanted or visit.status in ("upcoming", "cancelled") or gone:
            continue
        if case.study.clock.today > end and not case.plan.counted(visit):
            found.append((visit.name, end))
    return found


def _counts(case: Case) -> Asked:
    for name, end in missing_counts(case):
        yield "blood_count_missing", f"{name}:{end}", end


def _criteria(case: Case) -> Asked:
    """Ask what the criteria on earlier treatment and on the ECG leave open (E17, C27, E9c)."""
    for criterion in case.study.rules["eligibility"]["criteria"]:
        rule = criterion["rule"]
        if rule["name"] == "recent_medication":
            yield from _half_lives(case, rule)
            if rule["query_investigational_car_t"]:
                yield from _car_t(case, criterion["id"], rule["days"])
        elif rule["name"] == "qtcf":
            yield from _qtcf(case, rule)


def _half_lives(case: Case, rule: Row) -> Asked:
    """Ask for the half-life of a drug that ended long enough ago in days alone."""
    clock, reference = case.study.clock, case.reference
    for each in case.subject.medications:
        start = clock.sure_day(each["started_at"])
        if each["medication_class"] not in rule["classes"] or start > reference:
            continue
        end = clock.day(each["ended_at"]) or start
        last = reference if each["ongoing"] else min(reference, end)
        long_ago = (reference - last).days >= rule["days"]
        if long_ago and rule["half_lives"] is not None and each["half_life_days"] is None:
            yield "half_life_unknown", each["id"], None


def _car_t(case: Case, criterion: str, days: int) -> Asked:
    """Ask about a CAR-T product of the last weeks that was a study drug, or may have been."""
    record = case.subject.record
    day = as_date(record["car_t_date"]) if record["car_t_date"] else None
    if day is None or case.reference - day >= timedelta(days=days):
        return
    if record["car_t_was_investigational"] is None:
        yield "car_t_kind_unknown", f"{criterion}:{day}", day
    elif record["car_t_was_investigational"]:
        yield "car_t_investigational", f"E17:{day}", day


def _qtcf(case: Case, rule: Row) -> Asked:
    """Ask about the latest ECG if its QTcF is not the one of its QT and RR (Fridericia)."""
    window = case.study.rules["eligibility"]["windows"][rule["window"]]
    screening = as_date(case.subject.record["screening_date"])
    anchor = screening if window["anchor"] == "screening" else case.reference
    clock, first = case.study.clock, anchor - timedelta(days=window["days_before"])
    ecgs = [
        each
        for each in case.subject.assessments
        if each["kind"] == "ecg"
        and first <= clock.sure_day(each["performed_at"]) <= case.reference
        and _intervals(each)
    ]
    if not ecgs:
        return
    latest = max(ecgs, key=lambda each: (each["performed_at"], each["id"]))
    found = _intervals(latest)
    if max(found) - min(found) > number(rule["tolerance_ms"]):
        yield "qtcf_disagrees", latest["id"], None


def _intervals(ecg: Row) -> list[Decimal]:
    """Give QTcF as reported and as computed, in milliseconds, as far as they are there."""
    content = ecg["content"]
    found = [] if content.get("qtcf_ms") is None else [number(content["qtcf_ms"])]
    if content.get("qt_ms") is not None and content.get("rr_ms") is not None:
        seconds = number(content["rr_ms"]) / 1000
        found.append((number(content["qt_ms"]) / (seconds.ln() / 3).exp()).quantize(CENT))
    return found


def _causality(case: Case) -> Asked:
    for event in case.under_treatment():
        if event["causality"] is None:
            day = case.study.clock.sure_day(event["onset_at"])
            yield "causality_missing", event["id"], day


def _volumes(case: Case) -> Asked:
    """Ask from the next day on what an infusion gave."""
    for each in case.subject.infusions:
        day = case.study.clock.day(each["started_at"])
        open_ = day is not None and not each["cancelled"] and each["volume_ml"] is None
        if day is not None and open_ and day < case.study.clock.today:
            yield "volume_missing", each["id"], day


def _death(case: Case) -> Asked:
    """Ask for the event that somebody died of, from consent to the end of safety follow-up."""
    record, last = case.subject.record, case.plan.last
    if any(each["grade"] == 5 for each in case.subject.events) or record["consent_date"] is None:
        return
    follow_up = timedelta(days=case.study.rules["schedule"]["follow_up_days"])
    until = date.max if last is None else last + follow_up
    for each in case.subject.exits:
        day = as_date(each["event_date"])
        if each["event"] == "died" and as_date(record["consent_date"]) <= day <= until:
            yield "death_without_event", each["id"], day


def waiting_queries(study: Study) -> Row:
    """Count what is open or answered, by who asks, how long, and which rule."""
    people, rules = list(_of_people(study)), list(_of_rules(study))
    asked = Counter(rule for _, rule, _ in rules)
    return {
        "pending": len(people) + len(rules),
        "origins": [_origin("person", people, study), _origin("rule", rules, study)],
        "by_rule": {rule: asked[rule] for rule in RULES},
    }


Pending = tuple[str, str | None, date | None]


def _of_people(study: Study) -> Iterator[Pending]:
    for row in study.queries:
        if row["origin"] == "person" and row["status"] in ("open", "answered"):
            yield row["status"], None, study.clock.day(row["opened"]["at"])


def _of_rules(study: Study) -> Iterator[Pending]:
    """Hold what the rules ask against what people did about it: they may have ended it."""
    recorded = {
        (row["subject_id"], row["rule_key"]): row for row in study.queries if row["version"]
    }
    for subject in study.subjects:
        case = Case(subject, study, make_plan(subject, study))
        for key, (rule, day) in questions(case).items():
            row: Any = recorded.get((subject.record["id"], key))
            if row is None:
                yield "open", rule, day
            elif row["closed_by"] is None:
                yield "answered" if row["answered_by"] else "open", rule, day


def _origin(origin: str, pending: list[Pending], study: Study) -> Row:
    statuses = Counter(status for status, _, _ in pending)
    ages = Counter(_age(since, study.clock.today) for _, _, since in pending)
    return {
        "origin": origin,
        "open": statuses["open"],
        "answered": statuses["answered"],
        "ages": {each: ages[each] for each in CLASSES},
    }


def _age(since: date | None, today: date) -> str:
    if since is None:
        return "undated"
    days = (today - since).days
    return next((name for name, last in AGES if days <= last), "more_days")
