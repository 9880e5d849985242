"""Response rates in every reading, and times to and of response, recomputed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.recomputation.dosing import course
from tests.recomputation.records import Row, Study, number
from tests.recomputation.response import Reading, Response, Time, Week
from tests.recomputation.shares import share
from tests.recomputation.survival import kaplan_meier, simple_median

CATEGORIES = ("CR", "PR", "NR", "NE", "pending", "not_due")
MODES, ANCHORS = ("at", "within"), ("first", "last")
LINEAGE_RULES, SCOPES = ("below_cr", "all"), ("any", "lineage")
KINDS = {"response": "or", "complete_response": "cr"}


class Efficacy:
    """The treated subjects, each read under every reading of the rules."""

    def __init__(self, study: Study, one_sided: bool = False, **mistakes: Any) -> None:
        self.study, self.mistakes, self.one_sided = study, mistakes, one_sided
        self.rules, self.outcomes = study.rules["response"], study.rules["outcomes"]
        self.confidence = number(self.outcomes["confidence"])
        self.treated = [x for x in study.subjects if x.level and course(x, study).given]
        self.configured = Reading(self.rules["lineage_rule"], self.rules["transfusion_scope"])
        self.responses = self._read(self.configured)

    def metrics(self) -> Row:
        """Compute all numbers of the efficacy metrics."""
        return {
            "treated": len(self.treated),
            "readings": [
                self._reading(week, mode, anchor)
                for week in self.rules["weeks"]
                for mode in MODES
                for anchor in ANCHORS
            ],
            "alternatives": self._alternatives(),
            "times_to_response": [
                self._times(index) for index in (None, *range(len(self.rules["lineages"])))
            ],
            "durations_of_response": [
                self._durations(index, kind)
                for index in range(len(self.rules["lineages"]))
                for kind in KINDS
            ],
            "interval_method": self.outcomes["proportion_interval"],
            "confidence": self.confidence,
        }

    def _read(self, reading: Reading) -> list[Response]:
        return [Response(x, self.study, reading, **self.mistakes) for x in self.treated]

    def _reading(self, week: int, mode: str, anchor: str) -> Row:
        primary = (mode, anchor) == (self.rules["week_mode"], self.rules["anchor"])
        found = [(x.subject.level, x.week(week, mode, anchor)) for x in self.responses]
        levels = [None, *(level["name"] for level in self.study.levels)]
        return {
            "week": week,
            "mode": mode,
            "anchor": anchor,
            "primary": primary,
            "groups": [
                self._group(level, [each for own, each in found if level in (None, own)])
                for level in levels
            ],
        }

    def _group(self, level: str | None, weeks: list[Week]) -> Row:
        return {
            "level": level,
            "treated": len(weeks),
            "categories": {
                name: sum(each.category == name for each in weeks) for name in CATEGORIES
            },
            "rates": self._rates(weeks),
        }

    def _rates(self, weeks: list[Week]) -> list[Row]:
        due = [each for each in weeks if each.category != "not_due"]
        return [self._rate("treated", weeks), self._rate("due", due)]

    def _rate(self, denominator: str, weeks: list[Week]) -> Row:
        reached = Counter(each.confirmed for each in weeks)
        counted = {
            "complete_response": reached["CR"],
            "partial_response": reached["PR"],
            "overall_response": reached["CR"] + reached["PR"],
        }
        return {"denominator": denominator} | {
            name: share(events, len(weeks), self.confidence, self.one_sided)
            for name, events in counted.items()
        }

    def _alternatives(self) -> list[Row]:
        pairs = [Reading(rule, scope) for rule in LINEAGE_RULES for scope in SCOPES]
        others = [each for each in pairs if each != self.configured]
        distrust = Reading(self.configured.lineage_rule, self.configured.transfusion_scope, False)
        return [self._alternative(each) for each in (*others, distrust)]

    def _alternative(self, reading: Reading) -> Row:
        other = [self._primary(each) for each in self._read(reading)]
        counted = [self._primary(each) for each in self.responses]
        return {
            "lineage_rule": reading.lineage_rule,
            "transfusion_scope": reading.transfusion_scope,
            "counts_confounded": reading.counts_confounded,
            "differing": sum(one != two for one, two in zip(other, counted, strict=True)),
            "weeks": [
                {"week": week, "rates": self._rates([each[place] for each in other])}
                for place, week in enumerate(self.rules["weeks"])
            ],
        }

    def _primary(self, response: Response) -> list[Week]:
        mode, anchor = self.rules["week_mode"], self.rules["anchor"]
        return [response.week(week, mode, anchor) for week in self.rules["weeks"]]

    def _times(self, index: int | None) -> Row:
        found = [
            each.response_time(None if index is None else each.lineages[index])
            for each in self.responses
        ]
        times = [each for each in found if each is not None]
        days = [each.days for each in times if each.event]
        return {
            "lineage": None if index is None else self.rules["lineages"][index]["lineage"],
            "participants": len(times),
            "responders": len(days),
            "median_days": simple_median(days),
            "median_rule": "simple-median",
            "reasons": dict(Counter(each.reason for each in times)),
            "rule": "response.response_time_limit_days",
            "kaplan_meier": self._curve(times),
        }

    def _durations(self, index: int, kind: str) -> Row:
        found = [each.duration(each.lineages[index], KINDS[kind]) for each in self.responses]
        times = [each for each in found if each is not None]
        ended = sum(each.event for each in times)
        return {
            "lineage": self.rules["lineages"][index]["lineage"],
            "kind": kind,
            "responders": len(times),
            "ended": ended,
            "censored": len(times) - ended,
            "reasons": dict(Counter(each.reason for each in times)),
            "rule": "response.dor_cap_days",
            "kaplan_meier": self._curve(times),
        }

    def _curve(self, times: list[Time]) -> Row:
        return kaplan_meier([(each.days, each.event) for each in times], self.outcomes)


def efficacy(study: Study, **mistakes: Any) -> Row:
    """Compute all numbers of the efficacy metrics."""
    return Efficacy(study, **mistakes).metrics()
