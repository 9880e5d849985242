"""Counts, consent, answers and lists by local days: across changing clocks and the date line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.eligibility import evaluate
from app.domain.eligibility_evidence import FlagCode
from app.domain.expectedness import ReferenceVersion, version_in_force
from app.domain.response_flags import transfused_within
from app.domain.vocabulary import Lineage
from tests.domain import response_cases
from tests.domain.eligible_subject import (
    ELIGIBLE,
    answer,
    criterion,
    rules,
    with_answers,
    with_subject,
)
from tests.domain.zone_cases import (
    BERLIN,
    KIRITIMATI,
    MICROSECOND,
    NEW_YORK,
    PAGO_PAGO,
    day_in,
    edge_days,
    instants,
    midnight_after,
    on_clock,
    zones,
)

DAY = timedelta(days=1)


@settings(max_examples=150, deadline=None)
@given(at=instants, zone=zones, before=st.integers(0, 9), minute=st.integers(0, 22 * 60))
def test_seven_transfusion_free_days_are_local(
    at: datetime, zone: ZoneInfo, before: int, minute: int
) -> None:
    """The distance of the local days decides, not whether seven times 24 hours have passed."""
    tested = day_in(zone, at)
    given_at = midnight_after(tested - (before + 1) * DAY, zone) + timedelta(minutes=minute)
    day = day_in(zone, given_at)
    assert day == tested - before * DAY
    blood = replace(response_cases.transfusion(0), at=given_at, day=day)
    assert bool(transfused_within([blood], tested, tested, 7)) is (before < 7)


@pytest.mark.parametrize(
    ("zone", "first", "second", "found"),
    [
        # Two minutes apart over midnight are two days; 24 hours in a day of 25 are one.
        (BERLIN, "2026-10-24T23:59", "2026-10-25T00:01", 1),
        (BERLIN, "2026-10-25T00:01", "2026-10-25T23:59", 0),
        (NEW_YORK, "2026-11-01T00:01", "2026-11-01T23:59", 0),
        (NEW_YORK, "2026-03-08T00:01", "2026-03-08T23:59", 0),
        (NEW_YORK, "2026-03-08T23:59", "2026-03-09T00:01", 1),
        (KIRITIMATI, "2026-12-31T23:59", "2027-01-01T00:01", 1),
        (PAGO_PAGO, "2028-02-28T23:59", "2028-02-29T00:01", 1),
    ],
)
def test_two_consecutive_tests_are_of_two_local_days(
    zone: ZoneInfo, first: str, second: str, found: int
) -> None:
    """A response needs two local dates, whatever the hours between the counts."""
    taken = [on_clock(zone, text) for text in (first, second)]
    start = day_in(zone, taken[0]) - 20 * DAY
    infused = replace(
        response_cases.infusion(1, 0), day=start, started_at=taken[0] - 20 * DAY, planned_day=start
    )

    def panel(at: datetime, values: tuple[str, str, str], name: str) -> list:
        return [
            replace(lab, id=f"{lab.id}-{name}", at=at, day=day_in(zone, at))
            for lab in response_cases.panel(0, *values)
        ]

    facts = response_cases.facts(
        tuple(panel(taken[0] - 21 * DAY, response_cases.LOW, "baseline")),
        tuple(panel(taken[0], response_cases.GOOD, "first")),
        tuple(panel(taken[1], response_cases.GOOD, "second")),
        infusions=(infused,),
    )
    today = day_in(zone, taken[1])
    response = response_cases.derive_response(facts, response_cases.RULES, today)
    neutrophils = response_cases.lineage_of(response, Lineage.NEUTROPHIL)
    assert len(neutrophils.response.episodes) == found
    assert len(neutrophils.tests) == 1 + found


@pytest.mark.parametrize(
    ("zone", "consented", "age", "met"),
    [
        (KIRITIMATI, "2026-01-01T00:30", 2026 - 2008, None),
        (PAGO_PAGO, "2025-12-31T23:30", 2025 - 2008, False),
        (BERLIN, "2028-02-29T12:00", 2028 - 2008, True),
    ],
)
def test_the_age_at_consent_is_of_the_local_year(
    zone: ZoneInfo, consented: str, age: int, met: bool | None
) -> None:
    """The birth year bounds the age by the year in which consent was given, where it was given."""
    day = day_in(zone, on_clock(zone, consented))
    facts = with_subject(
        ELIGIBLE, birth_year=2008, age_at_consent=None, consent_day=day, screening_day=day
    )
    (reading,) = criterion(facts, "I2").readings
    assert reading.value in {f"{age - 1} or {age}", age}
    assert reading.holds is met


@pytest.mark.parametrize(("minute", "early"), [(-1, True), (0, False)])
def test_an_answer_is_of_the_day_on_the_studys_clock(minute: int, early: bool) -> None:
    """A week that begins with the night of the clock change begins at its local midnight."""
    at = (on_clock(BERLIN, "2026-03-29T00:00") + timedelta(minutes=minute)).astimezone(BERLIN)
    planned = with_subject(
        with_answers(answer("E3b", False, at=at)), planned_first_infusion_day=date(2026, 4, 5)
    )
    flags = evaluate(planned, rules(), date(2026, 4, 1)).flags
    found = {(flag.code, flag.criterion) for flag in flags}
    assert ((FlagCode.ANSWER_BEFORE_WINDOW, "E3b") in found) is early


@settings(max_examples=100, deadline=None)
@given(aware=instants, zone=zones, day=edge_days)
def test_a_reference_list_counts_from_its_local_day(
    aware: datetime, zone: ZoneInfo, day: date
) -> None:
    """An event of which the site learns at the first instant of the day falls under it."""
    version = ReferenceVersion(number=1, effective_on=day, signed_on=day, entries=())
    begins = midnight_after(day - DAY, zone)
    assert version_in_force([version], day_in(zone, begins)) is version
    assert version_in_force([version], day_in(zone, begins - MICROSECOND)) is None
    counts = version_in_force([version], day_in(zone, aware)) is version
    assert counts is (aware >= begins)
