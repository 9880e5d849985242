"""Response rates of the trial from its subjects' responses.

Everybody treated is counted, each in one category, and what is not shown is no response (C16).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from app.domain.outcomes import OutcomeRules
from app.domain.proportions import Proportion, proportion
from app.domain.response import Category, Response
from app.domain.response_endpoints import EndpointReading, Reading, list_readings
from app.domain.response_rules import Anchor, LineageRule, ResponseRules, TransfusionScope, WeekMode


class Denominator(StrEnum):
    """Who a rate is counted among: everybody treated, or only those whose answer is due.

    `treated` is the registered analysis, in which everybody who cannot show a response is a
    non-responder. Until the last week is due it understates; `due` leaves those out.
    """

    TREATED = "treated"
    DUE = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatedSubject:
    """One treated subject's conclusions."""

    level: str
    response: Response
    without_confounded: tuple[EndpointReading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The rates of one denominator; overall is complete or partial, each subject once (C16).

    A response that waits for its confirmation does not count yet.
    """

    denominator: Denominator
    complete_response: Proportion
    partial_response: Proportion
    overall_response: Proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates:
    """The rates of one dose level, or of all when `level` is None; `categories` add up."""

    level: str | None
    treated: int
    categories: dict[Category, int]
    rates: tuple[Rates, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRates:
    """One week read in one way (C7); `primary` marks the registered reading."""

    week: int
    mode: WeekMode
    anchor: Anchor
    primary: bool
    groups: tuple[GroupRates, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekRates:
    """One week under the registered reading, all levels together."""

    week: int
    rates: tuple[Rates, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeRates:
    """The registered reading under another value of a debatable rule, or with distrust.

    `differing` participants have another category in at least one week than the one counted.
    """

    lineage_rule: LineageRule
    transfusion_scope: TransfusionScope
    counts_confounded: bool
    differing: int
    weeks: tuple[WeekRates, ...]


# Category and what is confirmed meanwhile: all that a rate needs to know of a subject.
_Reached = tuple[Category, Category]


def reading_rates(
    subjects: Sequence[TreatedSubject],
    levels: tuple[str, ...],
    rules: ResponseRules,
    outcomes: OutcomeRules,
) -> tuple[ReadingRates, ...]:
    """Give the rates of every reading, for all levels together and for each."""
    return tuple(
        ReadingRates(
            week=reading.week,
            mode=reading.mode,
            anchor=reading.anchor,
            primary=reading.primary,
            groups=tuple(
                _group(level, list(_reached_at(reading, subjects, level)), outcomes)
                for level in (None, *levels)
            ),
        )
        for reading in list_readings(rules)
    )


def _reached_at(
    reading: Reading, subjects: Iterable[TreatedSubject], level: str | None
) -> Iterator[_Reached]:
    """Give what each subject of a level reached in one reading."""
    for subject in subjects:
        for entry in subject.response.endpoints:
            if entry.reading == reading and level in (None, subject.level):
                yield entry.standing.category, entry.standing.confirmed


def _group(level: str | None, reached: list[_Reached], rules: OutcomeRules) -> GroupRates:
    found = Counter(category for category, _ in reached)
    return GroupRates(
        level=level,
        treated=len(reached),
        categories={category: found[category] for category in Category},
        rates=_rates(reached, rules),
    )


def _rates(reached: Iterable[_Reached], rules: OutcomeRules) -> tuple[Rates, ...]:
    confirmed = Counter(certain for _, certain in reached)
    treated = confirmed.total()
    complete, partial = confirmed[Category.CR], confirmed[Category.PR]
    among = {
        Denominator.TREATED: treated,
        Denominator.DUE: treated - confirmed[Category.NOT_DUE],
    }
    return tuple(
        Rates(
            denominator=denominator,
            complete_response=proportion(complete, n, rules),
            partial_response=proportion(partial, n, rules),
            overall_response=proportion(complete + partial, n, rules),
        )
        for denominator, n in among.items()
    )


def alternative_rates(
    subjects: Sequence[TreatedSubject], rules: ResponseRules, outcomes: OutcomeRules
) -> tuple[AlternativeRates, ...]:
    """Give the registered reading under every other pair of the debatable rules, and distrusted."""
    configured = (rules.lineage_rule, rules.transfusion_scope)
    pairs = [pair for pair in product(LineageRule, TransfusionScope) if pair != configured]
    choices = [(pair, True, _under(pair, subjects)) for pair in pairs]
    distrusted = [_primary(subject.without_confounded) for subject in subjects]
    choices.append((configured, False, distrusted))
    counted = [_primary(subject.response.endpoints) for subject in subjects]
    return tuple(
        AlternativeRates(
            lineage_rule=pair[0],
            transfusion_scope=pair[1],
            counts_confounded=counts_confounded,
            differing=sum(one != other for one, other in zip(counted, reached, strict=True)),
            weeks=tuple(
                WeekRates(week=week, rates=_rates((x[place] for x in reached), outcomes))
                for place, week in enumerate(rules.weeks)
            ),
        )
        for pair, counts_confounded, reached in choices
    )


def _under(
    pair: tuple[LineageRule, TransfusionScope], subjects: Iterable[TreatedSubject]
) -> list[list[_Reached]]:
    """Give what each subject reached, week by week, under a pair of the debatable rules."""
    return [
        [(week.category, week.confirmed) for week in entry.weeks]
        for subject in subjects
        for entry in subject.response.sensitivity
        if (entry.lineage_rule, entry.transfusion_scope) == pair
    ]


def _primary(endpoints: Iterable[EndpointReading]) -> list[_Reached]:
    return [
        (entry.standing.category, entry.standing.confirmed)
        for entry in endpoints
        if entry.reading.primary
    ]
