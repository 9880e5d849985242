"""Open questions and waiting laboratory items of the trial, counted by what they are and how old.

An age is in whole study days, so that an answer moves with the day and not with the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.inbound import InboxKind, InboxReason
from app.domain.queries import PENDING, QueryOrigin, QueryStatus
from app.domain.query_rules import QueryRule


class AgeClass(StrEnum):
    """How many days something has waited; `undated` is what concerns no day."""

    UP_TO_7_DAYS = "up_to_7_days"
    UP_TO_14_DAYS = "up_to_14_days"
    UP_TO_28_DAYS = "up_to_28_days"
    MORE_DAYS = "more_days"
    UNDATED = "undated"


_LAST_DAYS = {7: AgeClass.UP_TO_7_DAYS, 14: AgeClass.UP_TO_14_DAYS, 28: AgeClass.UP_TO_28_DAYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuery:
    """A query about a subject, as it stands.

    `age` counts from when a person opened it, or from the day that a rule asks about. `record_id`
    is its own record, or what a rule asks about as long as nobody said a word.
    """

    subject_id: str
    record_id: str
    origin: QueryOrigin
    status: QueryStatus
    rule: QueryRule | None
    age: AgeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginQueries:
    """The queries of one origin that wait for an answer, or for somebody to weigh it."""

    origin: QueryOrigin
    open: int
    answered: int
    ages: dict[AgeClass, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueriesSummary:
    """All queries that wait; `by_rule` has those that a rule asks, zeros too."""

    pending: int
    origins: tuple[OriginQueries, ...]
    by_rule: dict[QueryRule, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingItems:
    """Open inbox items of one kind with the same reasons; `since` is the day of the oldest."""

    kind: InboxKind
    reasons: tuple[InboxReason, ...]
    items: int
    results: int
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxSummary:
    """What waits in the inbox: items, and results that they stand for.

    An item with several reasons is counted under each; only reasons that are there are listed.
    """

    items: int
    results: int
    by_kind: dict[InboxKind, int]
    by_reason: dict[InboxReason, int]
    oldest_days: int | None


def age_class(since: date | None, today: date) -> AgeClass:
    """Tell how long something has waited by the end of a study day."""
    if since is None:
        return AgeClass.UNDATED
    days = (today - since).days
    classes = (found for last, found in _LAST_DAYS.items() if days <= last)
    return next(classes, AgeClass.MORE_DAYS)


def queries_summary(found: Iterable[AskedQuery]) -> QueriesSummary:
    """Count the queries that wait, and leave out those that do not."""
    pending = [query for query in found if query.status in PENDING]
    rules = Counter(query.rule for query in pending)
    return QueriesSummary(
        pending=len(pending),
        origins=tuple(
            _of_origin(origin, [query for query in pending if query.origin is origin])
            for origin in QueryOrigin
        ),
        by_rule={rule: rules[rule] for rule in QueryRule},
    )


def _of_origin(origin: QueryOrigin, pending: Sequence[AskedQuery]) -> OriginQueries:
    statuses = Counter(query.status for query in pending)
    ages = Counter(query.age for query in pending)
    return OriginQueries(
        origin=origin,
        open=statuses[QueryStatus.OPEN],
        answered=statuses[QueryStatus.ANSWERED],
        ages={each: ages[each] for each in AgeClass},
    )


def inbox_summary(waiting: Sequence[WaitingItems], today: date) -> InboxSummary:
    """Add up what waits."""
    kinds: Counter[InboxKind] = Counter()
    reasons: Counter[InboxReason] = Counter()
    for each in waiting:
        kinds[each.kind] += each.items
        reasons.update(dict.fromkeys(each.reasons, each.items))
    return InboxSummary(
        items=kinds.total(),
        results=sum(each.results for each in waiting),
        by_kind={kind: kinds[kind] for kind in InboxKind},
        by_reason={reason: reasons[reason] for reason in InboxReason if reasons[reason]},
        oldest_days=max(((today - each.since).days for each in waiting), default=None),
    )
