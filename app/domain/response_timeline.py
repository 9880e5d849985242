"""One treated subject's dated material for response, as known on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.domain.facts import LabResult, Transfusion
from app.domain.response_counts import (
    Baseline,
    LineageTest,
    find_baseline,
    list_tests,
    valid_counts,
)
from app.domain.response_flags import Exposures
from app.domain.response_rules import LineageCriteria, ResponseRules
from app.domain.response_treatment import (
    ObservationEnd,
    ResponseFacts,
    Treatment,
    find_observation_end,
    find_treatment,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageTimeline:
    """Baseline and tests of one lineage, by day."""

    criteria: LineageCriteria
    baseline: Baseline | None
    tests: tuple[LineageTest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One treated subject as known on a day; no debatable reading changes it."""

    as_of_day: date
    treatment: Treatment
    observation_end: ObservationEnd | None
    lineages: tuple[LineageTimeline, ...]
    transfusions: tuple[Transfusion, ...]

    @property
    def test_days(self) -> tuple[date, ...]:
        """Give the days with a count of any lineage after the first infusion, ascending."""
        return tuple(sorted({test.day for entry in self.lineages for test in entry.tests}))


def build_timeline(facts: ResponseFacts, rules: ResponseRules, as_of_day: date) -> Timeline | None:
    """Order what was known by `as_of_day`; None before the first infusion."""
    treatment = find_treatment(facts, as_of_day)
    if treatment is None:
        return None
    end = find_observation_end(facts, treatment, rules.censoring, as_of_day)

    def is_observed(entry: LabResult | Transfusion) -> bool:
        return entry.day <= as_of_day and not (end and end.excludes(entry.at, entry.day))

    transfusions = tuple(
        sorted(
            filter(is_observed, facts.transfusions),
            key=lambda entry: (entry.day, entry.at, entry.id),
        )
    )
    medications = tuple(
        sorted(
            (entry for entry in facts.medications if entry.start_day <= as_of_day),
            key=lambda entry: (entry.start_at, entry.id),
        )
    )
    # Premedication counts whether or not product followed it.
    infusions = tuple(sorted(facts.infusions, key=lambda entry: entry.number))
    exposures = Exposures(medications, transfusions, infusions)
    labs = tuple(filter(is_observed, facts.labs))
    return Timeline(
        as_of_day=as_of_day,
        treatment=treatment,
        observation_end=end,
        lineages=tuple(
            _lineage_timeline(criteria, labs, treatment, exposures, rules)
            for criteria in rules.lineages
        ),
        transfusions=transfusions,
    )


def _lineage_timeline(
    criteria: LineageCriteria,
    labs: tuple[LabResult, ...],
    treatment: Treatment,
    exposures: Exposures,
    rules: ResponseRules,
) -> LineageTimeline:
    counts = valid_counts(criteria, labs)
    # A count later on the day of the first infusion is neither baseline nor after it.
    later = tuple(entry for entry in counts if entry.result.day > treatment.first_day)
    baseline = find_baseline(criteria, counts, treatment, exposures, rules)
    tests = tuple(list_tests(criteria, later, baseline, exposures, rules))
    return LineageTimeline(criteria=criteria, baseline=baseline, tests=tests)
