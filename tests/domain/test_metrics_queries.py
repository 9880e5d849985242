"""Open questions and waiting items: their ages at each boundary, and what is left out."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.inbound import InboxKind, InboxReason
from app.domain.metrics_queries import (
    AgeClass,
    AskedQuery,
    WaitingItems,
    age_class,
    inbox_summary,
    queries_summary,
)
from app.domain.queries import QueryOrigin, QueryStatus
from app.domain.query_rules import QueryRule

TODAY = date(2026, 6, 1)


def ago(days):
    """Give the day so many days ago."""
    return TODAY - timedelta(days=days)


def asked(status="open", origin="person", days=0, rule=None):
    """Make a query that stands in some way."""
    return AskedQuery(
        subject_id="subject-01",
        record_id="query",
        origin=QueryOrigin(origin),
        status=QueryStatus(status),
        rule=rule,
        age=age_class(None if days is None else ago(days), TODAY),
    )


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (-1, "up_to_7_days"), (0, "up_to_7_days"), (7, "up_to_7_days"), (8, "up_to_14_days"),
        (14, "up_to_14_days"), (15, "up_to_28_days"), (28, "up_to_28_days"), (29, "more_days"),
        (400, "more_days"), (None, "undated"),
    ],
)  # fmt: skip
def test_ages_at_their_boundaries(days, found):
    """One, two and four weeks, each with its last day."""
    assert age_class(None if days is None else ago(days), TODAY) is AgeClass(found)


def test_only_what_waits_is_counted():
    """Open and answered queries wait; closed, cancelled and resolved ones do not."""
    found = queries_summary([asked(status) for status in QueryStatus])
    person, rule = found.origins
    assert (found.pending, person.open, person.answered) == (2, 1, 1)
    assert (rule.origin, rule.open, rule.answered) == (QueryOrigin.RULE, 0, 0)
    assert sum(person.ages.values()) == 2


def test_origins_and_rules_are_apart():
    """A rule's question that somebody answered still waits, and is the rule's."""
    volume, count = QueryRule.VOLUME_MISSING, QueryRule.BLOOD_COUNT_MISSING
    found = queries_summary(
        [
            asked(days=9),
            asked(origin="rule", rule=volume, days=30),
            asked("answered", origin="rule", rule=volume, days=None),
            asked(origin="rule", rule=count, days=1),
            asked("closed", origin="rule", rule=count, days=1),
        ]
    )
    person, rule = found.origins
    assert {k: v for k, v in person.ages.items() if v} == {AgeClass.UP_TO_14_DAYS: 1}
    assert {k: v for k, v in rule.ages.items() if v} == {
        AgeClass.UP_TO_7_DAYS: 1,
        AgeClass.MORE_DAYS: 1,
        AgeClass.UNDATED: 1,
    }
    assert (rule.open, rule.answered) == (2, 1)
    assert {k: v for k, v in found.by_rule.items() if v} == {volume: 2, count: 1}
    assert set(found.by_rule) == set(QueryRule)


QUERIES = st.builds(
    asked,
    st.sampled_from([each.value for each in QueryStatus]),
    st.sampled_from([each.value for each in QueryOrigin]),
    st.none() | st.integers(0, 60),
)


@given(st.lists(QUERIES, max_size=12))
@settings(max_examples=100, deadline=None)
def test_every_pending_query_is_in_one_class(queries):
    """By origin, by standing and by age they add up to the same number."""
    found = queries_summary(queries)
    assert found.pending == sum(x.open + x.answered for x in found.origins)
    assert found.pending == sum(sum(x.ages.values()) for x in found.origins)
    waiting = {QueryStatus.OPEN, QueryStatus.ANSWERED}
    assert found.pending == sum(query.status in waiting for query in queries)


def waiting(*reasons, kind=InboxKind.RESULT, items=1, results=1, days=0):
    """Make open items with these reasons."""
    return WaitingItems(
        kind=kind,
        reasons=reasons,
        items=items,
        results=results,
        since=ago(days),
    )


def test_an_empty_inbox_has_no_age():
    """Nothing waits for no days."""
    found = inbox_summary([], TODAY)
    assert (found.items, found.results, found.oldest_days, found.by_reason) == (0, 0, None, {})
    assert found.by_kind == dict.fromkeys(InboxKind, 0)


def test_the_inbox_worked_by_hand():
    """An item with two reasons is counted under each, and once in all."""
    unit, code = InboxReason.UNKNOWN_UNIT, InboxReason.UNMAPPED_CODE
    found = inbox_summary(
        [
            waiting(unit, items=2, results=2, days=3),
            waiting(code, unit, days=1),
            waiting(InboxReason.UNREADABLE_MESSAGE, kind=InboxKind.MESSAGE, results=40, days=12),
        ],
        TODAY,
    )
    assert (found.items, found.results, found.oldest_days) == (4, 43, 12)
    assert found.by_reason == {InboxReason.UNREADABLE_MESSAGE: 1, code: 1, unit: 3}
    assert found.by_kind == {InboxKind.RESULT: 3, InboxKind.MESSAGE: 1, InboxKind.TASK: 0}
