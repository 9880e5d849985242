"""How soon and how long subjects respond: medians of responders, and survival curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.domain.metrics_efficacy import TreatedSubject
from app.domain.outcomes import OutcomeRules, median
from app.domain.response import LineageResponse, TimeToEvent
from app.domain.response_durations import DURATION_RULE, TIME_TO_RESPONSE_RULE
from app.domain.survival import SurvivalCurve, kaplan_meier
from app.domain.vocabulary import Lineage

SIMPLE_MEDIAN = "simple-median"
"""The rule of a median of responders alone (C38): the middle value, or the mean of two."""


class ResponseKind(StrEnum):
    """Which response a duration belongs to (C17)."""

    RESPONSE = "response"
    COMPLETE_RESPONSE = "complete_response"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSummary:
    """Days from the first infusion to the first response, of one lineage or, with None, of any.

    `rule` says which days each time counts, `kaplan_meier.median.rule` how the curve is read.
    `median_days` is that of the responders alone; the curve also counts those censored, and
    `reasons` says where each time stops.
    """

    lineage: Lineage | None
    rule: str
    participants: int
    responders: int
    median_days: Decimal | None
    median_rule: str
    reasons: dict[str, int]
    kaplan_meier: SurvivalCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationSummary:
    """Days that first responses of one lineage lasted; `reasons` says where each stops.

    `rule` says which days each duration counts, `kaplan_meier.median.rule` how the curve is read.
    """

    lineage: Lineage
    kind: ResponseKind
    rule: str
    responders: int
    ended: int
    censored: int
    reasons: dict[str, int]
    kaplan_meier: SurvivalCurve


def response_times(
    subjects: Sequence[TreatedSubject], rules: OutcomeRules
) -> tuple[TimeSummary, ...]:
    """Sum up the times to response: of the subjects as a whole, then of each lineage."""
    whole = [subject.response.time_to_response for subject in subjects]
    return (
        _time_summary(None, whole, rules),
        *(
            _time_summary(
                lineage, [x.time_to_response for x in _lineages(subjects, lineage)], rules
            )
            for lineage in Lineage
        ),
    )


def _time_summary(
    lineage: Lineage | None, times: Iterable[TimeToEvent | None], rules: OutcomeRules
) -> TimeSummary:
    """Sum up times; None says that the lineage could not respond."""
    known = [entry for entry in times if entry is not None]
    days = [entry.days for entry in known if entry.event]
    return TimeSummary(
        lineage=lineage,
        rule=TIME_TO_RESPONSE_RULE,
        participants=len(known),
        responders=len(days),
        median_days=median(days),
        median_rule=SIMPLE_MEDIAN,
        reasons=_reasons(known),
        kaplan_meier=kaplan_meier(((entry.days, entry.event) for entry in known), rules),
    )


def response_durations(
    subjects: Sequence[TreatedSubject], rules: OutcomeRules
) -> tuple[DurationSummary, ...]:
    """Sum up how long responses, and complete responses, of each lineage lasted (C17)."""
    return tuple(
        _duration_summary(lineage, kind, _durations(_lineages(subjects, lineage), kind), rules)
        for lineage in Lineage
        for kind in ResponseKind
    )


def _lineages(subjects: Iterable[TreatedSubject], lineage: Lineage) -> list[LineageResponse]:
    return [
        entry
        for subject in subjects
        for entry in subject.response.lineages
        if entry.lineage is lineage
    ]


def _durations(
    entries: Iterable[LineageResponse], kind: ResponseKind
) -> Iterator[TimeToEvent | None]:
    for entry in entries:
        if kind is ResponseKind.RESPONSE:
            yield entry.duration_of_response
        else:
            yield entry.duration_of_complete_response


def _duration_summary(
    lineage: Lineage,
    kind: ResponseKind,
    durations: Iterable[TimeToEvent | None],
    rules: OutcomeRules,
) -> DurationSummary:
    known = [entry for entry in durations if entry is not None]
    ended = sum(entry.event for entry in known)
    return DurationSummary(
        lineage=lineage,
        kind=kind,
        rule=DURATION_RULE,
        responders=len(known),
        ended=ended,
        censored=len(known) - ended,
        reasons=_reasons(known),
        kaplan_meier=kaplan_meier(((entry.days, entry.event) for entry in known), rules),
    )


def _reasons(times: Iterable[TimeToEvent]) -> dict[str, int]:
    return dict(sorted(Counter(entry.reason for entry in times).items()))
