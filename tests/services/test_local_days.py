"""The local day of an instant, as every service counts it, where clocks change and days begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings

from app.services.evidence_mapping import local_day, moment_of
from tests.domain.zone_cases import (
    BERLIN,
    HAVANA,
    KIRITIMATI,
    KOLKATA,
    MICROSECOND,
    NEW_YORK,
    PAGO_PAGO,
    SHANGHAI,
    day_in,
    instants,
    midnight_after,
    zones,
)


@pytest.mark.parametrize(
    ("zone", "midnight", "day"),
    [
        (BERLIN, "2026-03-28T23:00", date(2026, 3, 29)),
        (BERLIN, "2026-03-29T22:00", date(2026, 3, 30)),
        (BERLIN, "2026-10-24T22:00", date(2026, 10, 25)),
        (BERLIN, "2026-10-25T23:00", date(2026, 10, 26)),
        (NEW_YORK, "2026-03-08T05:00", date(2026, 3, 8)),
        (NEW_YORK, "2026-03-09T04:00", date(2026, 3, 9)),
        (NEW_YORK, "2026-11-01T04:00", date(2026, 11, 1)),
        (NEW_YORK, "2026-11-02T05:00", date(2026, 11, 2)),
        (HAVANA, "2026-03-08T05:00", date(2026, 3, 8)),
        (KOLKATA, "2026-12-31T18:30", date(2027, 1, 1)),
        (SHANGHAI, "2028-02-28T16:00", date(2028, 2, 29)),
        (SHANGHAI, "2028-02-29T16:00", date(2028, 3, 1)),
        (KIRITIMATI, "2026-12-31T10:00", date(2027, 1, 1)),
        (PAGO_PAGO, "2027-01-01T11:00", date(2027, 1, 1)),
    ],
)
def test_a_day_begins_at_local_midnight(zone, midnight, day):
    """Worked by hand in UTC: the instant begins the day, the one before is of the day before."""
    begins = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    assert local_day(begins, zone) == day
    assert local_day(begins - MICROSECOND, zone) == day - timedelta(days=1)


@settings(max_examples=150, deadline=None)
@given(at=instants, zone=zones, writer=zones)
def test_the_day_is_the_same_however_the_instant_is_written(at, zone, writer):
    """Neither the offset of an instant nor the day in UTC plays a part."""
    assert local_day(at.astimezone(writer), zone) == local_day(at, zone) == day_in(zone, at)
    assert moment_of(at, zone).day == day_in(zone, at)


@settings(max_examples=150, deadline=None)
@given(at=instants, zone=zones)
def test_a_day_lasts_from_midnight_to_midnight(at, zone):
    """23, 24 or 25 hours, after which the next day begins."""
    day = local_day(at, zone)
    begins, over = midnight_after(day - timedelta(days=1), zone), midnight_after(day, zone)
    assert begins <= at < over
    assert over - begins in {timedelta(hours=hours) for hours in (23, 24, 25)}
