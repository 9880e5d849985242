"""Zones whose days differ in length or lie a day apart, and the instants where that matters."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
SHANGHAI, KOLKATA = ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Kolkata")
KIRITIMATI, PAGO_PAGO = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Pago_Pago")
# Clocks that change at midnight: a day of theirs may begin at one o'clock, or show midnight twice.
HAVANA, SANTIAGO = ZoneInfo("America/Havana"), ZoneInfo("America/Santiago")
ZONES = (BERLIN, NEW_YORK, SHANGHAI, KOLKATA, KIRITIMATI, PAGO_PAGO, HAVANA, SANTIAGO)
# The days on which clocks change somewhere, the leap day and the ends of two years.
EDGE_DAYS = (
    date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 5), date(2026, 9, 6), date(2026, 10, 25),
    date(2026, 11, 1), date(2026, 12, 31), date(2027, 12, 31), date(2028, 2, 29),
)  # fmt: skip
MICROSECOND = timedelta(microseconds=1)

zones = st.sampled_from(ZONES)
edge_days = st.builds(
    lambda day, distance: day + timedelta(days=distance),
    st.sampled_from(EDGE_DAYS),
    st.integers(-60, 3),
)
"""Days from which windows and clocks of up to eight weeks reach an edge."""
instants = st.builds(
    lambda day, distance: datetime.combine(day, time(), UTC) + distance,
    edge_days,
    st.timedeltas(timedelta(hours=-36), timedelta(hours=36)),
)
"""Instants around those days, in UTC as the database gives them."""


def on_clock(zone: ZoneInfo, text: str) -> datetime:
    """Return the instant at which clocks of a zone first show a time, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def day_in(zone: ZoneInfo, at: datetime) -> date:
    """Return the local day of an instant, counted by the zone's distance from UTC."""
    distance = at.astimezone(zone).utcoffset()
    assert distance is not None
    return (at.astimezone(UTC).replace(tzinfo=None) + distance).date()


def midnight_after(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant after a local day, in UTC."""
    return on_clock(zone, datetime.combine(day + timedelta(days=1), time()).isoformat())
