"""When premedication belongs to an infusion: not a day and more ahead of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.dosing import DosingRules
from tests.protocol_data import section

RULES = section("dosing", DosingRules).premedication
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "early"),
    [
        (timedelta(minutes=30), False),
        (timedelta(hours=24), False),
        (timedelta(hours=24, seconds=1), True),
        (timedelta(minutes=-1), False),
    ],
)
def test_what_was_given_over_a_day_ahead_was_not_given_before_this_infusion(
    ahead: timedelta, early: bool
) -> None:
    """Twenty-four hours to the second still count; nothing is early before the start is known."""
    assert RULES.is_too_early(START - ahead, START) is early
    assert RULES.is_too_early(START - ahead, None) is False


def test_premedication_is_allowed_when_it_is_due() -> None:
    """A limit below the minutes that the drug is due ahead contradicts itself."""
    assert replace(RULES, minutes_before=60, earliest_hours=1).earliest_hours == 1
    with pytest.raises(ValueError, match="when it is due"):
        replace(RULES, minutes_before=61, earliest_hours=1)
