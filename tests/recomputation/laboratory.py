"""Values of the laboratory by visit, level by level, and shifts of grade, recomputed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tests.recomputation.counts import USABLE
from tests.recomputation.dosing import Course, course
from tests.recomputation.grades import MISSING, TERMS, Case, Term, grade, worst
from tests.recomputation.records import Row, Study, Subject, moment, number
from tests.recomputation.survival import middle

NAMES = {"ANC": "Neutrophils, absolute", "PLT": "Platelets", "HGB": "Hemoglobin"}
UNITS = {"ANC": "10*9/L", "PLT": "10*9/L", "HGB": "g/L"}
# The immune and inflammatory markers that the registry record names (C39), with UCUM units.
MARKERS = (
    ("FERR", "Ferritin", "ug/L"), ("CRP", "C-reactive protein", "mg/L"),
    ("LDH", "Lactate dehydrogenase", "U/L"),
    ("CD3_ABS", "CD3+ T cells, absolute", "10*6/L"),
    ("CD4_ABS", "CD3+CD4+ T cells, absolute", "10*6/L"),
    ("CD8_ABS", "CD3+CD8+ T cells, absolute", "10*6/L"),
    ("CD19_ABS", "CD19+ B cells, absolute", "10*6/L"),
    ("NK_ABS", "CD16+CD56+ NK cells, absolute", "10*6/L"),
    ("CD3_PCT", "CD3+ / 100 lymphocytes", "%"), ("CD4_PCT", "CD3+CD4+ / 100 lymphocytes", "%"),
    ("CD8_PCT", "CD3+CD8+ / 100 lymphocytes", "%"), ("CD19_PCT", "CD19+ / 100 lymphocytes", "%"),
    ("NK_PCT", "CD16+CD56+ / 100 lymphocytes", "%"), ("CD4_CD8", "CD4/CD8 ratio", "1"),
    ("IGG", "Immunoglobulin G", "g/L"), ("IGA", "Immunoglobulin A", "g/L"),
    ("IGM", "Immunoglobulin M", "g/L"), ("IL2", "Interleukin 2", "pg/mL"),
    ("IL6", "Interleukin 6", "pg/mL"), ("IL8", "Interleukin 8", "pg/mL"),
    ("IL10", "Interleukin 10", "pg/mL"), ("TNFA", "Tumor necrosis factor alpha", "pg/mL"),
    ("IFNG", "Interferon gamma", "pg/mL"),
)  # fmt: skip
ANCHORS = ("first", "last")
Choice = Callable[[list[Case]], str]
OPPOSITE = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Value:
    """A measured value; with a comparator only a limit."""

    number: Decimal
    comparator: str | None = None

    def minus(self, other: Value) -> Value | None:
        """Subtract as far as the limits allow; None if they say nothing."""
        against = OPPOSITE[other.comparator] if other.comparator else None
        words = {self.comparator, against} - {None}
        if {str(word)[0] for word in words} == {"<", ">"}:
            return None
        return Value(self.number - other.number, min(map(str, words), key=len, default=None))


@dataclass(frozen=True)
class Patient:
    """One treated subject with the anchors that visits count from."""

    subject: Subject
    study: Study
    doses: Course

    @property
    def anchors(self) -> dict[str, date]:
        """Give the day of the first infusion, and of the last once none is to come.

        One is to come until it is given, cancelled, or missed: a week after the one before it,
        and the tolerated days, have passed.
        """
        clock, level = self.study.clock, self.study.level(str(self.subject.level))
        first, last = (clock.sure_day(self.doses.entered[i]["started_at"]) for i in (0, -1))
        weeks = timedelta(days=level["interval_days"] * self.doses.to_come)
        slack = timedelta(days=self.study.rules["schedule"]["infusion_window_days"])
        if self.doses.to_come and clock.today <= last + weeks + slack:
            return {"first": first}
        return {"first": first, "last": last}

    def results(self, analyte: str) -> list[Row]:
        """List the usable numbers of an analyte up to today, by time."""
        clock = self.study.clock
        found = [
            each
            for each in self.subject.labs
            if each["analyte"] == analyte
            and each["status"] in USABLE
            and each["value"] is not None
            and clock.sure_day(each["collected_at"]) <= clock.today
        ]
        return sorted(found, key=lambda each: moment(each["collected_at"]))

    def parted(self, analyte: str) -> tuple[list[Row], list[Row]]:
        """Part the results into those before the first infusion began and those since."""
        start = moment(self.doses.entered[0]["started_at"])
        found = self.results(analyte)
        before = [each for each in found if moment(each["collected_at"]) < start]
        return before, found[len(before) :]

    def baseline(self, analyte: str) -> Row | None:
        """Give the last result before the first infusion; at one instant the highest."""
        before, _ = self.parted(analyte)
        if not before:
            return None
        last = moment(before[-1]["collected_at"])
        same = [each for each in before if moment(each["collected_at"]) == last]
        return max(same, key=lambda each: number(each["value"]))

    def days(self, analyte: str) -> dict[date, Value]:
        """Give the lowest value of each day."""
        by_day: dict[date, list[Value]] = {}
        for each in self.results(analyte):
            day = self.study.clock.sure_day(each["collected_at"])
            by_day.setdefault(day, []).append(_value(each))
        return {day: _lowest(values) for day, values in by_day.items()}

    def at(self, analyte: str, anchor: str, visit: Row) -> Value | None:
        """Give the value nearest to a visit in its window, the earlier of two."""
        if anchor not in self.anchors:
            return None
        target = self.anchors[anchor] + timedelta(days=visit["target_day"])
        slack = visit["window_days"]
        values = self.days(analyte)
        near = [day for day in values if abs((day - target).days) <= slack]
        if not near:
            return None
        return values[min(near, key=lambda day: (abs((day - target).days), day))]


def _value(row: Row) -> Value:
    return Value(number(row["value"]), row["comparator"])


def _lowest(values: list[Value]) -> Value:
    """Give the lowest number of a day, a limit standing for itself; of two the lower reading."""
    words = ("<", "<=", None, ">=", ">")
    return min(values, key=lambda each: (each.number, words.index(each.comparator)))


def laboratory(study: Study, choose: Choice = worst) -> Row:
    """Compute all numbers of the laboratory metrics; `choose` another grade to plant a mistake."""
    patients = [
        Patient(subject, study, doses)
        for subject in study.subjects
        for doses in [course(subject, study)]
        if subject.place and doses.entered
    ]
    analytes = [each["analyte"] for each in study.rules["response"]["lineages"]]
    return {
        "treated": len(patients),
        "lineages": [
            _trajectory((key, NAMES[key], UNITS[key]), patients, study) for key in analytes
        ],
        "markers": [_trajectory(each, patients, study) for each in MARKERS],
        "shifts": list(_shifts(patients, study, choose)),
        "day_rule": f"response.same_day_rule={study.rules['response']['same_day_rule']}",
        "visit_rule": "schedule.visits.offsets",
        "baseline_rule": "last-usable-before-first-infusion",
        "median_rule": "simple-median",
        "ctcae_version": study.rules["study"]["ctcae_version"],
    }


def _grouped(patients: list[Patient], study: Study) -> Iterable[tuple[str | None, list[Patient]]]:
    for level in (None, *(each["name"] for each in study.levels)):
        yield level, [each for each in patients if level in (None, each.subject.level)]


def _trajectory(analyte: tuple[str, str, str], patients: list[Patient], study: Study) -> Row:
    key, name, unit = analyte
    return {
        "analyte": key,
        "name": name,
        "unit": unit,
        "groups": [
            {
                "level": level,
                "subjects": sum(bool(each.days(key)) for each in members),
                "baseline": _summary(
                    _value(row) for row in (each.baseline(key) for each in members) if row
                ),
                "visits": list(_visits(key, members, study)),
            }
            for level, members in _grouped(patients, study)
        ],
    }


def _visits(key: str, members: list[Patient], study: Study) -> Iterable[Row]:
    for anchor in ANCHORS:
        for visit in study.rules["schedule"]["visits"]["offsets"]:
            found = [(each, each.at(key, anchor, visit)) for each in members]
            values = [(each, value) for each, value in found if value is not None]
            if not values:
                continue
            changes = [
                value.minus(_value(row))
                for each, value in values
                for row in [each.baseline(key)]
                if row
            ]
            yield {
                "anchor": anchor,
                "visit": visit["name"],
                "target_day": visit["target_day"],
                "value": _summary(value for _, value in values),
                "change": _summary(change for change in changes if change is not None),
            }


def _summary(values: Iterable[Value]) -> Row:
    known = list(values)
    numbers = [each.number for each in known]
    return {
        "n": len(known),
        "median": middle(numbers),
        "minimum": min(numbers, default=None),
        "maximum": max(numbers, default=None),
        "bounds": sum(each.comparator is not None for each in known),
    }


def _shifts(patients: list[Patient], study: Study, choose: Choice) -> Iterable[Row]:
    """Count worst against baseline grade for each term of which anybody has a result."""
    for term in TERMS:
        if not any(each.results(term.analyte) for each in patients):
            continue
        yield {
            "soc": term.soc,
            "term": term.name,
            "analyte": term.analyte,
            "groups": [
                {
                    "level": level,
                    "subjects": len(members),
                    "cells": _cells([_shift(term, each, choose) for each in members]),
                }
                for level, members in _grouped(patients, study)
            ],
        }


def _shift(term: Term, patient: Patient, choose: Choice) -> tuple[str, str]:
    baseline = patient.baseline(term.analyte)
    _, since = patient.parted(term.analyte)
    return (
        grade(Case(term, baseline, baseline)) if baseline else MISSING,
        choose([Case(term, each, baseline) for each in since]),
    )


def _cells(shifts: list[tuple[str, str]]) -> list[Row]:
    order = ("0", "1", "2", "3", "4", "not_gradable", MISSING)
    counted = Counter(shifts)
    return [
        {"baseline": one, "worst": two, "subjects": counted[one, two]}
        for one in order
        for two in order
        if counted[one, two]
    ]
