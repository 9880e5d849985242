"""How long results take: whole minutes, exact medians, and what is not known."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.facts import Arrival
from app.domain.metrics_turnaround import (
    Route,
    Span,
    count_turnaround,
    median_of_counts,
    turnaround_summaries,
)
from app.domain.outcomes import median

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def arrival(collected=None, reported=None, *, in_message=True):
    """Record a result at noon, so many seconds after it was collected and reported."""

    def before(seconds):
        return None if seconds is None else NOON - timedelta(seconds=seconds)

    return Arrival(
        id="result",
        collected_at=before(collected),
        reported_at=before(reported),
        recorded_at=NOON,
        in_message=in_message,
    )


def summed(*arrivals):
    """Sum up the results of one subject, by route and span."""
    found = turnaround_summaries([count_turnaround(arrivals)])
    return {(each.route, each.span): each for each in found}


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 0), (59, 0), (60, 1), (119, 1), (120, 2), (86_400, 1440)]
)
def test_minutes_are_whole_ones(seconds, minutes):
    """A minute counts once it is over."""
    found = summed(arrival(seconds, seconds))
    for span in Span:
        assert found[None, span].median_minutes == minutes


def test_a_time_that_nobody_told_is_untimed():
    """A result without a report time is timed from its collection alone, and the other way."""
    found = summed(arrival(600), arrival(None, 60))
    collected = found[None, Span.COLLECTED_TO_RECORDED]
    assert (collected.results, collected.untimed, collected.median_minutes) == (1, 1, 10)
    reported = found[None, Span.REPORTED_TO_RECORDED]
    assert (reported.results, reported.untimed, reported.median_minutes) == (1, 1, 1)


def test_routes_are_apart_and_together():
    """Messages take 10 and 20 minutes, an entry takes 90."""
    found = summed(arrival(600), arrival(1200), arrival(5400, in_message=False))
    span = Span.COLLECTED_TO_RECORDED
    assert found[Route.MESSAGE, span].median_minutes == 15
    assert found[Route.ENTRY, span].median_minutes == 90
    whole = found[None, span]
    assert (whole.results, whole.median_minutes) == (3, 20)
    assert (whole.minimum_minutes, whole.maximum_minutes) == (10, 90)


def test_nothing_has_no_median():
    """Every span and route is there, without numbers."""
    found = summed()
    assert set(found) == {(route, span) for route in (None, *Route) for span in Span}
    for each in found.values():
        assert (each.results, each.untimed) == (0, 0)
        assert each.median_minutes is each.minimum_minutes is each.maximum_minutes is None


@pytest.mark.parametrize(
    ("counted", "middle"),
    [
        ({}, None),
        ({7: 1}, 7),
        ({7: 1, 8: 1}, Decimal("7.5")),
        ({7: 2, 8: 1}, 7),
        ({7: 1, 100: 3}, 100),
        ({7: 2, 9: 2}, 8),
        ({-1: 1, 0: 1}, Decimal("-0.5")),
    ],
)
def test_the_median_is_exact(counted, middle):
    """The middle, or the mean of the middle two."""
    assert median_of_counts(counted) == middle


@given(st.lists(st.lists(st.integers(0, 50), max_size=8), max_size=5))
@settings(max_examples=100, deadline=None)
def test_counts_of_subjects_add_up(subjects):
    """The median of added counts is the median of all the minutes themselves."""
    every = [minutes for own in subjects for minutes in own]
    assert median_of_counts(Counter(every)) == median(every)
    counted = [count_turnaround(arrival(60 * each) for each in own) for own in subjects]
    whole = turnaround_summaries(counted)[0]
    assert (whole.route, whole.span) == (None, Span.COLLECTED_TO_RECORDED)
    assert (whole.median_minutes, whole.results) == (median(every), len(every))
