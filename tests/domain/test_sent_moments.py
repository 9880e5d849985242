"""Moments as sent: a collection that can have been, and a statement that orders versions."""

from datetime import UTC, datetime

import pytest

from tests.domain.sent_cases import COLLECTED, RECEIVED, read, reasons


@pytest.mark.parametrize("collected", ["", '""', "2026", "202605", "yesterday", "20260231"])
def test_a_collection_without_day_waits_for_a_person(collected):
    """A result cannot be placed by a month; not even a tombstone can."""
    for status in ("F", "D", "X"):
        assert reasons(collected=collected, status=status) == ["collection_time"]
    found = read(collected=collected)
    assert (found.precision, found.stated_at) == (None, RECEIVED)


@pytest.mark.parametrize("collected", ["20260520040001+0000", "20260521", "2026-05-20T13:00"])
def test_nothing_is_collected_after_it_arrived(collected):
    """A collection of the future is a slip, most often of the zone."""
    assert reasons(collected=collected, reported="", stated="") == ["collection_time"]


@pytest.mark.parametrize("collected", ["20260520040000+0000", "20260520", "2026052012"])
def test_a_collection_of_the_same_day_or_hour_is_taken(collected):
    """What is told only to the day began before the message arrived."""
    assert reasons(collected=collected, reported="") == []


@pytest.mark.parametrize("reported", ["20260519", "2026052007", "202605200814", "2026-05-19T23:59"])
def test_a_report_before_the_collection_waits_for_a_person(reported):
    """One of both times is wrong, and nobody can tell which."""
    assert reasons(reported=reported) == ["collection_time"]


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        ("20260520093000", datetime(2026, 5, 20, 1, 30, tzinfo=UTC)),
        ("202605200815", COLLECTED),
        ("20260520", None),
        ("2026052008", None),
        ("20260521", None),
        ("2027", None),
        ("", None),
    ],
)
def test_a_report_time_is_kept_where_it_can_be_right(reported, kept):
    """Told to the day of the collection, or later than the message, it says nothing exact."""
    found = read(reported=reported)
    assert found.reasons == ()
    assert found.result.reported_at == kept


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        ("20260520100000", datetime(2026, 5, 20, 2, tzinfo=UTC)),
        ("20260520", datetime(2026, 5, 19, 16, tzinfo=UTC)),
        ("20260521110000", datetime(2026, 5, 21, 3, tzinfo=UTC)),
        ("20260521120000", datetime(2026, 5, 21, 4, tzinfo=UTC)),
        ("20260521120001", RECEIVED),
        ("2062", RECEIVED),
        ("20620520", RECEIVED),
        ("20260519", RECEIVED),
        ("19700101", RECEIVED),
        ("", RECEIVED),
    ],
)
def test_when_a_result_was_stated(stated, at):
    """A clock may be a day ahead; a statement of another year would outrank all that follow."""
    found = read(stated=stated)
    assert found.reasons == ()
    assert found.stated_at == at


@pytest.mark.parametrize(
    ("offset", "day", "hour"), [("", 18, 16), ("+0900", 18, 15), ("Z", 19, 0), ("-0100", 19, 1)]
)
def test_the_offset_of_the_message_counts_for_times_that_tell_none(offset, day, hour):
    """HL7: what MSH-7 says is the default of the message, before the zone of the profile."""
    found = read(collected="202605190015", reported="20260520110000+0800", offset=offset)
    assert found.result.collected_at == datetime(2026, 5, day, hour, 15, tzinfo=UTC)
    assert found.result.reported_at == datetime(2026, 5, 20, 3, tzinfo=UTC)
