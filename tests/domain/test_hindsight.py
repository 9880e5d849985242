"""A past moment as it is known now: corrections count from it on, the course after it does not."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.evidence_moved import MovedStatus, status
from app.domain.hindsight import At, FieldMove, in_hindsight, moved_fields
from app.domain.record_dating import DATING

MOMENT = datetime(2026, 6, 10, 4, tzinfo=UTC)
AT = At(MOMENT, date(2026, 6, 10))
SECOND = timedelta(seconds=1)
EVENT, INFUSION, DRUG = (
    DATING["adverse_event"],
    DATING["infusion"],
    DATING["concomitant_medication"],
)
SUBJECT, EXIT, TRANSFUSION = DATING["subject"], DATING["disposition"], DATING["transfusion"]
# Around the moment, and far from it.
shifts = st.sampled_from([-30, -1, 0, 1, 30]).map(lambda number: MOMENT + number * SECOND)
grades = st.integers(1, 5)


def event(onset, grade=2, ended=None):
    """Make an event."""
    return {"onset_at": onset, "ended_at": ended, "grade": grade}


def infusion(started=None, volume=None, stopped=None, cells=None):
    """Make an infusion, planned or given."""
    return {
        "number": 1,
        "planned_date": date(2026, 6, 9),
        "started_at": started,
        "stopped_at": stopped,
        "volume_ml": volume,
        "cells": cells,
    }


@given(shifts)
def test_a_late_event_counts_if_it_had_begun(onset):
    """Not on record then: it counts from the very second of its onset on."""
    late = event(onset)
    assert in_hindsight(None, late, EVENT, AT) == (late if onset <= MOMENT else None)


@given(shifts, shifts, grades, grades)
def test_a_corrected_grade_counts_while_the_event_had_begun(before, after, old, new):
    """The present version counts if it began by then; one that never had reads as it did."""
    then, now = event(before, old), event(after, new)
    found = in_hindsight(then, now, EVENT, AT)
    if after <= MOMENT:
        assert found == now
    elif before <= MOMENT:
        assert found is None
    else:
        assert found == then


@given(shifts, grades, st.one_of(st.none(), shifts), st.one_of(st.none(), shifts))
def test_an_end_after_the_moment_is_course(onset, grade, expected, ended):
    """An event that had begun reads as going on unless it is known now to have ended by then."""
    then, now = event(onset, grade, expected), event(onset, grade, ended)
    found = in_hindsight(then, now, EVENT, AT)
    assert found is not None
    if onset > MOMENT:
        assert found == then
    elif ended is None or ended <= MOMENT:
        assert found == now
    elif expected is not None and expected <= MOMENT:
        assert found["ended_at"] is None
    else:
        assert found["ended_at"] == expected


@given(shifts, shifts)
def test_nothing_changed_reads_as_it_was_known(onset, ended):
    """Whatever its dates, a record that nobody touched reads in hindsight as it did."""
    for one in (event(onset), event(onset, 3, ended), None):
        assert in_hindsight(one, one, EVENT, AT) == one
    planned = infusion()
    assert in_hindsight(planned, planned, INFUSION, AT) == planned


def test_a_retracted_record_is_gone():
    """It never happened, so it counts for no moment."""
    assert in_hindsight(event(MOMENT), None, EVENT, AT) is None
    assert in_hindsight(None, None, EVENT, AT) is None


@given(shifts)
def test_an_infusion_given_after_the_moment_was_planned_then(started):
    """Giving it is course; having been given before the moment already is a late record."""
    plan, given_ = infusion(), infusion(started, Decimal(120), started)
    found = in_hindsight(plan, given_, INFUSION, AT)
    assert found == (given_ if started <= MOMENT else plan)


@pytest.mark.parametrize("started", [None, MOMENT + SECOND])
def test_an_infusion_that_had_not_begun_after_all_was_only_planned(started):
    """A start that is taken back, or was later, leaves the plan and nothing that was given."""
    given_ = infusion(MOMENT, Decimal(120), MOMENT)
    now = infusion(started, Decimal(120), started)
    assert in_hindsight(given_, now, INFUSION, AT) == infusion()


def test_what_was_given_is_known_when_the_infusion_stops():
    """Of one that still ran at the moment, neither volume nor cells could be known."""
    running = infusion(MOMENT - SECOND)
    done = infusion(MOMENT - SECOND, Decimal(120), MOMENT + SECOND, Decimal(100))
    assert in_hindsight(running, done, INFUSION, AT) == running
    assert in_hindsight(None, done, INFUSION, AT) == running
    stopped = done | {"stopped_at": MOMENT}
    assert in_hindsight(running, stopped, INFUSION, AT) == stopped


def test_a_drug_that_ended_later_goes_on():
    """Recorded late, a medication that ended after the moment was ongoing then."""
    now = {"started_at": MOMENT, "ended_at": MOMENT + SECOND, "ongoing": False}
    found = in_hindsight(None, now, DRUG, AT)
    assert found == {"started_at": MOMENT, "ended_at": None, "ongoing": True}


@pytest.mark.parametrize(("days", "counts"), [(-1, True), (0, True), (1, False)])
def test_what_has_only_a_day_counts_from_that_day_on(days, counts):
    """An exit of the moment's own study day had happened, one of the next day had not."""
    left = {"event": "died", "event_date": AT.day + timedelta(days=days)}
    assert in_hindsight(None, left, EXIT, AT) == (left if counts else None)


def test_weight_and_plan_follow_the_course_and_the_rest_is_corrected():
    """Without a date a record reads as it is now, but for what later values do not correct."""
    then = {"has_copd": False, "weight_kg": 60, "planned_first_infusion_date": AT.day}
    now = {"has_copd": True, "weight_kg": 61, "planned_first_infusion_date": None}
    assert in_hindsight(then, now, SUBJECT, AT) == then | {"has_copd": True}
    assert in_hindsight(None, now, SUBJECT, AT) == now


@given(st.one_of(st.none(), grades), st.one_of(st.none(), grades))
def test_only_what_a_rule_reads_moves(before, after):
    """Fields are compared by value, and a field that no rule reads is none."""
    old, new = (
        None if grade is None else event(MOMENT, grade) | {"note": str(note)}
        for note, grade in enumerate((before, after))
    )
    moves = moved_fields(old, new, {"grade"})
    assert moves == (() if before == after else (FieldMove("grade", before, after),))


def test_every_dating_speaks_of_fields_that_are_read():
    """What dates a record, and what is known late, is among what its rules read or hides it."""
    for table, dating in DATING.items():
        assert dating.began is None or dating.began in dating.read, table
        assert not dating.progress & dating.read, table
        assert dating.tail.keys() <= dating.read | {"stopped_at"}, table
        assert dating.tail.keys() <= dating.course.keys() or not dating.course, table
    assert TRANSFUSION.read == {"product", "given_at"}


@pytest.mark.parametrize(
    ("reviewed", "renewed", "expected"),
    [
        ((), False, MovedStatus.OPEN),
        (("another",), False, MovedStatus.OPEN),
        (("another", "this"), False, MovedStatus.REVIEWED),
        (("this",), True, MovedStatus.RENEWED),
    ],
)
def test_a_review_counts_for_the_movement_it_names(reviewed, renewed, expected):
    """A later movement has another digest, and is open again."""
    assert status("this", reviewed, renewed) is expected
