"""How long results take: from collection, and from the laboratory's report, to the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from app.domain.facts import Arrival

_MINUTE = timedelta(minutes=1)


class Route(StrEnum):
    """How results come: in messages and files that are kept as they came, or entered singly."""

    MESSAGE = "message"
    ENTRY = "entry"


class Span(StrEnum):
    """What is timed; both end when the first final version was recorded."""

    COLLECTED_TO_RECORDED = "collected_to_recorded"
    REPORTED_TO_RECORDED = "reported_to_recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnaroundSummary:
    """Whole minutes of one span by one route, or by any when `route` is None.

    `results` counts those timed, `untimed` those whose beginning nobody told, or not to the minute.
    """

    route: Route | None
    span: Span
    results: int
    untimed: int
    median_minutes: Decimal | None
    minimum_minutes: int | None
    maximum_minutes: int | None


Turnaround = Mapping[tuple[Route, Span], Counter[int | None]]
"""How many results took so many whole minutes, None where that is not known."""


def count_turnaround(arrivals: Iterable[Arrival]) -> Turnaround:
    """Count by route and span how long results took; counts of several subjects add up."""
    found: dict[tuple[Route, Span], Counter[int | None]] = {}
    for arrival in arrivals:
        for span, minutes in minutes_of(arrival).items():
            found.setdefault((route_of(arrival), span), Counter())[minutes] += 1
    return found


def route_of(arrival: Arrival) -> Route:
    """Tell how a result came."""
    return Route.MESSAGE if arrival.in_message else Route.ENTRY


def minutes_of(arrival: Arrival) -> Mapping[Span, int | None]:
    """Give how many whole minutes each span of a result took, None where nobody told."""
    begun = {
        Span.COLLECTED_TO_RECORDED: arrival.collected_at,
        Span.REPORTED_TO_RECORDED: arrival.reported_at,
    }
    return {
        span: None if at is None else (arrival.recorded_at - at) // _MINUTE
        for span, at in begun.items()
    }


def turnaround_summaries(counted: Iterable[Turnaround]) -> tuple[TurnaroundSummary, ...]:
    """Sum up both spans, over every route and by each."""
    whole: dict[tuple[Route | None, Span], Counter[int | None]] = {}
    for each in counted:
        for (route, span), minutes in each.items():
            for key in ((None, span), (route, span)):
                whole.setdefault(key, Counter()).update(minutes)
    return tuple(
        _summary(route, span, whole.get((route, span), Counter()))
        for span in Span
        for route in (None, *Route)
    )


def _summary(
    route: Route | None, span: Span, counted: Mapping[int | None, int]
) -> TurnaroundSummary:
    timed = {minutes: number for minutes, number in counted.items() if minutes is not None}
    return TurnaroundSummary(
        route=route,
        span=span,
        results=sum(timed.values()),
        untimed=counted.get(None, 0),
        median_minutes=median_of_counts(timed),
        minimum_minutes=min(timed, default=None),
        maximum_minutes=max(timed, default=None),
    )


def median_of_counts(counted: Mapping[int, int]) -> Decimal | None:
    """Give the middle of numbers that are counted, or the mean of the middle two; None of none."""
    total = sum(counted.values())
    if not total:
        return None
    lower, upper = (_at(counted, (total - 1) // 2), _at(counted, total // 2))
    return Decimal(lower + upper) / 2


def _at(counted: Mapping[int, int], place: int) -> int:
    """Give the number at a place, the lowest being at place 0."""
    numbers = iter(sorted(counted))
    number = next(numbers)
    passed = counted[number]
    while passed <= place:
        number = next(numbers)
        passed += counted[number]
    return number
