"""Times as sent: every precision, the sender's zone, and no invented day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.sent_times import SentTime, offset_of, read_time, tells_minute, with_offset
from app.domain.vocabulary import TimePrecision

TIANJIN, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
DAY, HOUR = TimePrecision.DAY, TimePrecision.HOUR
MINUTE, SECOND = TimePrecision.MINUTE, TimePrecision.SECOND


def utc(*parts):
    """Return an instant in UTC."""
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant", "precision"),
    [
        ("20260520", utc(2026, 5, 19, 16), DAY),
        ("2026052008", utc(2026, 5, 20), HOUR),
        ("202605200815", utc(2026, 5, 20, 0, 15), MINUTE),
        ("20260520081530", utc(2026, 5, 20, 0, 15, 30), SECOND),
        ("202605200815305", utc(2026, 5, 20, 0, 15, 30, 500000), SECOND),
        ("20260520081530123", utc(2026, 5, 20, 0, 15, 30, 123000), SECOND),
        ("20260520081530.1234", utc(2026, 5, 20, 0, 15, 30, 123400), SECOND),
        ("20260520081530.123456789", utc(2026, 5, 20, 0, 15, 30, 123456), SECOND),
        ("202605200815+0000", utc(2026, 5, 20, 8, 15), MINUTE),
        ("20260520081530.5-0530", utc(2026, 5, 20, 13, 45, 30, 500000), SECOND),
        ("20260520+0900", utc(2026, 5, 19, 15), DAY),
        ("2026-05-20", utc(2026, 5, 19, 16), DAY),
        ("2026/5/20 8:15", utc(2026, 5, 20, 0, 15), MINUTE),
        ("2026-05-20T08:15:30Z", utc(2026, 5, 20, 8, 15, 30), SECOND),
        ("2026-05-20T08:15:30.25+08:00", utc(2026, 5, 20, 0, 15, 30, 250000), SECOND),
        ("2026-05-20 08:15:30 +02", utc(2026, 5, 20, 6, 15, 30), SECOND),
        (" 20260520 ", utc(2026, 5, 19, 16), DAY),
        ("２０２６０５２０", utc(2026, 5, 19, 16), DAY),
        ("20260520T0815", None, None),
    ],
)
def test_times_of_every_precision(text, instant, precision):
    """HL7 and ISO times count by their offset, or else on the clock of the sender's zone."""
    expected = None if instant is None else SentTime(instant, precision)
    assert read_time(text, TIANJIN) == expected


@pytest.mark.parametrize("text", ["202605202400", "20260520240000", "2026-05-20T24:00:00.000"])
def test_midnight_at_the_end_of_a_day(text):
    """24:00 is the first instant of the next day."""
    assert read_time(text, TIANJIN).instant == utc(2026, 5, 20, 16)


@pytest.mark.parametrize(
    "text",
    [
        "", "2026", "202605", "2026-05", '""', "0000", "00000000", "20260231", "20261301",
        "202605202401", "202605202500", "202605200860", "20260520081560", "2026052008153",
        "20260520081530.", "20260520081530+1500", "20260520081530+0860", "20260520081530+8",
        "18991231", "22000101", "9999-12-31", "20 May 2026", "20.05.2026", "05/20/2026",
        "2026-05/20", "2026-05-20T8", "١٤٠٠٠١٠١", "20260520" * 700,
    ],
)  # fmt: skip
def test_what_tells_no_day_is_no_time(text):
    """A year, a month, a leap second and words of dates are never filled up."""
    assert read_time(text, TIANJIN) is None


def test_clocks_that_change():
    """A skipped hour is read by the offset before it, one that came twice as the first."""
    assert read_time("202603080230", NEW_YORK).instant == utc(2026, 3, 8, 7, 30)
    assert read_time("202611010130", NEW_YORK).instant == utc(2026, 11, 1, 5, 30)
    assert read_time("202611010130-0500", NEW_YORK).instant == utc(2026, 11, 1, 6, 30)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("20260520", utc(2026, 5, 20, 16)), ("2026052008", utc(2026, 5, 20, 1)),
        ("202605200815", utc(2026, 5, 20, 0, 16)), ("20260520081530", utc(2026, 5, 20, 0, 15, 31)),
    ],
)  # fmt: skip
def test_a_time_covers_its_precision(text, end):
    """A day lasts a day, a minute a minute."""
    assert read_time(text, TIANJIN).end == end


@settings(max_examples=150)
@given(
    after=st.timedeltas(timedelta(0), timedelta(days=109_000)),
    zone=st.sampled_from([TIANJIN, NEW_YORK]),
    hours=st.integers(-12, 14),
)
def test_every_instant_is_read_as_it_is_written(after, zone, hours):
    """HL7 and ISO notation with an offset give back the instant, whatever the sender's zone."""
    at = utc(1900, 1, 2) + after
    local, offset = at + timedelta(hours=hours), f"{hours:+03d}"
    for text in (f"{local:%Y%m%d%H%M%S.%f}{offset}00", f"{local:%Y-%m-%dT%H:%M:%S.%f}{offset}:00"):
        assert read_time(text, zone) == SentTime(at, SECOND)


@settings(max_examples=200)
@given(text=st.text(st.sampled_from("0123456789-+:.TZ /"), max_size=30) | st.text(max_size=20))
def test_any_text_is_a_time_or_none(text):
    """No text makes the reader fail, and no time lies outside the years of the trial."""
    found = read_time(text, NEW_YORK)
    assert found is None or utc(1899, 12, 31) < found.instant < utc(2200, 1, 2)


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("20260520", "20260520+0900"),
        (" 202605200815 ", "202605200815+0900"),
        ("2026-05-20", "2026-05-20+0900"),
        ("2026-05-20 08:15", "2026-05-20 08:15+0900"),
        ("202605200815+0800", "202605200815+0800"),
        ("2026-05-20T08:15Z", "2026-05-20T08:15Z"),
        ("202605", "202605"),
        ("", ""),
    ],
)
def test_a_time_without_an_offset_can_be_given_one(text, completed):
    """One that tells its own keeps it, and what is no time stays as it is."""
    assert with_offset(text, "+0900") == completed
    assert (read_time(completed, TIANJIN) is None) == (read_time(text, TIANJIN) is None)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("20260520081500+0900", "+0900"),
        ("2026-05-20T08:15Z", "Z"),
        ("2026-05-20", ""),
        ("20260520+9900", ""),
        ("20261320+0900", ""),
        ("soon", ""),
    ],
)
def test_the_offset_of_a_time(text, offset):
    """Only one that a place on earth has, of a time that there is."""
    assert offset_of(text) == offset


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("202605200815", True),
        ("20260520081500", True),
        ("2026052008", False),
        ("20260520", False),
        ("soon", False),
    ],
)
def test_exact_to_the_minute(text, exact):
    """An hour or a day is not."""
    assert tells_minute(text) is exact
