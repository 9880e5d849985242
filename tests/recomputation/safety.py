"""Participants with adverse events, dose-limiting toxicities and exposure, recomputed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

from tests.recomputation.dosing import course, standing
from tests.recomputation.records import Row, Study, Subject, number
from tests.recomputation.shares import share

# The phrases of the registry record, and the terms of CTCAE 5.0 that they mean.
OF_INTEREST: dict[str, tuple[str, ...]] = {
    "infusion_reaction": (
        "Infusion related reaction", "Allergic reaction", "Anaphylaxis", "Fever", "Chills",
        "Cytokine release syndrome",
    ),
    "embolism": (
        "Thromboembolic event", "Arterial thromboembolism", "Stroke", "Myocardial infarction",
        "Vascular access complication",
    ),
    "viral_infection": (
        "Viremia", "Cytomegalovirus infection reactivation", "Shingles", "Hepatitis viral",
        "Epstein-Barr virus infection reactivation", "Hepatitis B reactivation",
        "Herpes simplex reactivation",
    ),
    "hepatic": (
        "Alanine aminotransferase increased", "Aspartate aminotransferase increased",
        "Blood bilirubin increased", "Hepatic failure",
    ),
    "renal": ("Creatinine increased", "Acute kidney injury"),
    "coagulation": (
        "INR increased", "Fibrinogen decreased", "Disseminated intravascular coagulation",
        "Activated partial thromboplastin time prolonged",
    ),
}  # fmt: skip
BASES = ("all", "treatment_emergent", "related")
GRADES = range(1, 6)


class Safety:
    """The safety set with its events by basis."""

    def __init__(self, study: Study, worst: str = "worst_grade", one_sided: bool = False) -> None:
        self.study, self.worst, self.one_sided = study, worst, one_sided
        self.confidence = number(study.rules["outcomes"]["confidence"])
        self.names = [level["name"] for level in study.levels]
        enrolled = [x for x in study.subjects if x.place]
        self.treated = [x for x in enrolled if course(x, study).entered]
        self.events = {
            basis: {
                x.record["id"]: [e for e in x.events if self._counts(x, e, basis)]
                for x in self.treated
            }
            for basis in BASES
        }

    def metrics(self) -> Row:
        """Compute all numbers of the safety metrics."""
        rules = self.study.rules
        return {
            "treated": len(self.treated),
            "ctcae_version": rules["study"]["ctcae_version"],
            "groups": [self._group(name) for name in (None, *self.names)],
            "terms": list(self._terms()),
            "special_interest": [
                {"special_interest": name} | self._table(_where(term=terms))
                for name, terms in OF_INTEREST.items()
            ],
            "dose_limiting_toxicities": list(self._toxicities()),
            "exposure": [self._exposure(name) for name in self.names],
            "untreated": self._untreated(),
            "interval_method": rules["outcomes"]["proportion_interval"],
            "confidence": self.confidence,
        }

    def _counts(self, subject: Subject, event: Row, basis: str) -> bool:
        if basis == "all":
            return True
        emerged = self._emerged(subject, event)
        if basis == "treatment_emergent":
            return emerged
        related = self.study.rules["safety_reporting"]["relatedness"]
        if event["causality"] is None:
            return related["missing_counts"] and emerged
        return event["causality"] in related["causalities"]

    def _emerged(self, subject: Subject, event: Row) -> bool:
        """Tell whether an event began, or got worse, since the first infusion."""
        clock = self.study.clock
        first = clock.sure_day(course(subject, self.study).entered[0]["started_at"])
        before = event["baseline_grade"]
        if clock.sure_day(event["onset_at"]) >= first:
            return before is None or event[self.worst] > before
        ended = clock.day(event["ended_at"])
        went_on = ended is None or ended >= first
        return went_on and before is not None and event[self.worst] > before

    def _group(self, level: str | None) -> Row:
        members = self._members(level)
        return {
            "level": level,
            "treated": len(members),
            "incidences": self._incidences(members, lambda event: True),
        }

    def _members(self, level: str | None) -> list[Subject]:
        return [x for x in self.treated if level in (None, x.level)]

    def _incidences(self, members: list[Subject], wanted: Callable[[Row], bool]) -> list[Row]:
        return [self._incidence(basis, members, wanted) for basis in BASES]

    def _incidence(self, basis: str, members: list[Subject], wanted: Callable[[Row], bool]) -> Row:
        own = [[e for e in self.events[basis][x.record["id"]] if wanted(e)] for x in members]
        top = [max(event[self.worst] for event in events) for events in own if events]
        n = len(members)
        return {
            "basis": basis,
            "events": sum(map(len, own)),
            "any_grade": self._share(len(top), n),
            "serious": self._share(sum(any(e["seriousness"] for e in x) for x in own), n),
            "grade_3_or_higher": self._share(sum(grade >= 3 for grade in top), n),
            "fatal": self._share(sum(grade == 5 for grade in top), n),
            "worst_grades": {str(grade): top.count(grade) for grade in GRADES},
        }

    def _share(self, events: int, n: int) -> Row:
        return share(events, n, self.confidence, self.one_sided)

    def _table(self, wanted: Callable[[Row], bool]) -> Row:
        emerged = self.events["treatment_emergent"]
        return {
            "incidences": self._incidences(self.treated, wanted),
            "by_level": {
                name: sum(any(map(wanted, emerged[x.record["id"]])) for x in self._members(name))
                for name in self.names
            },
        }

    def _terms(self) -> Iterable[Row]:
        found = [event for events in self.events["all"].values() for event in events]
        for soc in sorted({event["soc"] for event in found}):
            yield {"soc": soc, "term": None} | self._table(_where(soc=[soc]))
            for term in sorted({event["term"] for event in found if event["soc"] == soc}):
                table = self._table(_where(soc=[soc], term=[term]))
                yield {"soc": soc, "term": term} | table

    def _toxicities(self) -> Iterable[Row]:
        enrolled = [x for x in self.study.subjects if x.place]
        for phase in ("escalation", "expansion"):
            for name in self.names:
                members = [
                    x for x in enrolled if x.place and (x.level, x.place["phase"]) == (name, phase)
                ]
                if not members and phase == "expansion":
                    continue
                standings = [standing(x, self.study) for x in members]
                known = [x for x in standings if x.state == "evaluable"]
                yield {
                    "level": name,
                    "phase": phase,
                    "treated": sum(bool(course(x, self.study).entered) for x in members),
                    "open_items": sum(x.open_items for x in standings),
                    "dlts": self._share(sum(x.has_dlt for x in known), len(known)),
                }

    def _exposure(self, level: str) -> Row:
        members = self._members(level)
        given = [each for x in members for each in course(x, self.study).entered]
        cells = [number(each["cells"]) for each in given if each["cells"] is not None]
        planned = self.study.level(level)["planned_infusions"]
        return {
            "level": level,
            "treated": len(members),
            "infusions_planned": planned * len(members),
            "infusions_started": len(given),
            "cells": sum(cells, Decimal()),
            "infusions_without_cells": len(given) - len(cells),
        }

    def _untreated(self) -> Row:
        treated = {x.record["id"] for x in self.treated}
        outside = [x.events for x in self.study.subjects if x.record["id"] not in treated]
        return {
            "with_events": sum(bool(events) for events in outside),
            "with_serious_events": sum(any(e["seriousness"] for e in x) for x in outside),
        }


def safety(study: Study, **mistakes: Any) -> Row:
    """Compute all numbers of the safety metrics."""
    return Safety(study, **mistakes).metrics()


def _where(**wanted: Collection[str]) -> Callable[[Row], bool]:
    """Choose the events that have one of these words in each of these fields."""
    return lambda event: all(event[name] in words for name, words in wanted.items())
