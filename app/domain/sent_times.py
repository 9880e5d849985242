"""Times as messages tell them, of every precision, as instants.

HL7 (`202605200815+0800`) and ISO 8601 (`2026-05-20T08:15:00+08:00`); without an offset the time is
of the sender's zone. A local time that clocks skipped is read by the offset from before the gap,
one that came twice as the first of both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from app.domain.sent_texts import plain
from app.domain.vocabulary import TimePrecision

_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2200
_OFFSET = r"(?P<offset>[Zz]|[+-][0-9]{2}:?(?:[0-9]{2})?)?"
_HL7 = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})"
    r"(?:(?P<second>[0-9]{2})(?:\.?(?P<fraction>[0-9]{1,9}))?)?)?)?" + _OFFSET
)
_ISO = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>[-/])(?P<month>[0-9]{1,2})(?P=dash)(?P<day>[0-9]{1,2})"
    r"(?:(?:[Tt]|[ ]+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?[ ]?" + _OFFSET
)
_FURTHEST_OFFSET = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class SentTime:
    """An instant in UTC, the first of what the sender's precision covers on clocks of `zone`."""

    instant: datetime
    precision: TimePrecision
    zone: tzinfo = field(default=UTC, compare=False, repr=False)

    @property
    def end(self) -> datetime:
        """Give the first instant after what the precision covers; not every day has 24 hours."""
        if self.precision is not TimePrecision.DAY:
            return self.instant + self.precision.span
        tomorrow = self.instant.astimezone(self.zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), self.zone).astimezone(UTC)


def read_time(text: str, zone: ZoneInfo) -> SentTime | None:
    """Read a time that tells at least the day, None for anything else."""
    stripped = plain(text)
    found = _HL7.fullmatch(stripped) or _ISO.fullmatch(stripped)
    if found is None:
        return None
    try:
        told_in = _zone(found["offset"], zone)
        local = _local(found, told_in)
    except ValueError:
        return None
    return SentTime(local.astimezone(UTC), _precision(found), told_in)


def with_offset(text: str, offset: str) -> str:
    """Give a time an offset from UTC if it tells none; anything else stays as it is."""
    stripped = plain(text)
    found = _HL7.fullmatch(stripped) or _ISO.fullmatch(stripped)
    return text if found is None or found["offset"] else stripped + offset


def offset_of(text: str) -> str:
    """Give the offset that a time tells, empty where it tells none or is no time."""
    stripped = plain(text)
    found = _HL7.fullmatch(stripped) or _ISO.fullmatch(stripped)
    is_time = read_time(text, ZoneInfo("UTC")) is not None
    return found["offset"] or "" if found and is_time else ""


def tells_minute(text: str) -> bool:
    """Tell whether a text is a time that is exact to the minute."""
    time = read_time(text, ZoneInfo("UTC"))
    return time is not None and time.precision in {TimePrecision.MINUTE, TimePrecision.SECOND}


def _local(found: re.Match[str], zone: tzinfo) -> datetime:
    """Return the time on the sender's clock; raise ValueError for one that no clock shows.

    24:00 is the end of a day, hence the first instant of the next.
    """
    year, month, day, hour, minute, second = (
        int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    if not _EARLIEST_YEAR <= year < _LATEST_YEAR:
        raise ValueError("No result of the trial is of this year.")
    fraction = int(f"{found['fraction'] or '0':0<6.6}")
    if (hour, minute, second, fraction) == (24, 0, 0, 0):
        return datetime(year, month, day, tzinfo=zone) + timedelta(days=1)
    return datetime(year, month, day, hour, minute, second, fraction, tzinfo=zone)


def _zone(offset: str | None, zone: ZoneInfo) -> tzinfo:
    """Return the zone that an offset names, else the sender's; raise ValueError for no offset."""
    if not offset:
        return zone
    if offset in {"Z", "z"}:
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[3:].removeprefix(":") or 0)
    distance = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or distance > _FURTHEST_OFFSET:
        raise ValueError("No place on earth has this offset.")
    return timezone(-distance if offset[0] == "-" else distance)


def _precision(found: re.Match[str]) -> TimePrecision:
    if found["second"]:
        return TimePrecision.SECOND
    if found["minute"]:
        return TimePrecision.MINUTE
    return TimePrecision.HOUR if found["hour"] else TimePrecision.DAY
