"""The weight a dose rests on: the last one measured before the infusion, and the 10 % trigger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.deviations import Deviation, DeviationCode, DeviationRules, DeviationSeverity
from app.domain.dosing import DosingRules
from app.domain.facts import Assessment, Infusion
from app.domain.vocabulary import AssessmentKind
from app.domain.weighing import (
    KnownWeights,
    Weighing,
    known_of_start,
    last_weighing,
    outdated_doses,
    weighings,
)
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

RULES = section("deviations", DeviationRules)
DOSING = section("dosing", DosingRules)
DAY = date(2026, 1, 5)
START = datetime.combine(DAY, time(9), UTC)
DOSED = Decimal(60)


def vital_signs(at: datetime, kind: AssessmentKind = AssessmentKind.VITAL_SIGNS, **content: Any):
    """Assess a subject at an instant."""
    return Assessment(id=f"signs-{at}", kind=kind, at=at, day=at.date(), content=content)


def derive(
    *signs: Assessment, infusion: Infusion | None = None, on_record: Decimal | None = None
) -> tuple[Deviation, ...]:
    """Derive what an infusion of 60 kg departs from."""
    infusion = infusion or replace(given(1, DAY), weight_kg=DOSED)
    recorded = {}
    if on_record is not None:
        recorded[infusion.id] = Weighing(weight_kg=on_record, at=START, evidence="subject-1")
    return outdated_doses([infusion], KnownWeights(weighings(signs), recorded), RULES, DOSING)


@pytest.mark.parametrize(
    ("weight", "found"),
    [("66", True), ("65.999", False), ("54", True), ("54.001", False), ("60", False)],
)
def test_a_tenth_more_or_less_asks_for_a_new_dose(weight: str, found: bool) -> None:
    """The trigger itself counts; the deviation names both weights and both records."""
    signs = vital_signs(START - timedelta(days=1), weight_kg=Decimal(weight))
    deviations = derive(signs)
    assert bool(deviations) is found
    if found:
        assert deviations == (
            Deviation(
                key="dose_not_recalculated:1",
                code=DeviationCode.DOSE_NOT_RECALCULATED,
                severity=DeviationSeverity.MAJOR,
                day=DAY,
                sentence=(
                    f"Infusion 1 was dosed for 60 kg, although {weight} kg were known before it."
                ),
                evidence=("infusion-1", signs.id),
                rule="dosing.weight.recalculation_percent",
            ),
        )


def test_the_last_weight_up_to_the_start_counts() -> None:
    """Measured at the start it counts, a second later it does not; an older one is superseded."""
    at_start = vital_signs(START, weight_kg=70)
    afterwards = vital_signs(START + timedelta(seconds=1), weight_kg=70)
    before = vital_signs(START - timedelta(hours=1), weight_kg=61)
    assert len(derive(before, at_start)) == len(derive(at_start, before)) == 1
    assert derive(before, afterwards) == derive(afterwards) == ()


@pytest.mark.parametrize(("on_record", "found"), [("66", True), ("65.999", False), ("54", True)])
@pytest.mark.parametrize("measured", [None, "61", "66"])
def test_the_weight_on_record_counts_beside_the_measured_one(
    on_record: str, found: bool, measured: str | None
) -> None:
    """A dose has to suit both, as the warning before the start says; one departure names both."""
    signs = [vital_signs(START, weight_kg=Decimal(measured))] if measured else []
    deviations = derive(*signs, on_record=Decimal(on_record))
    by_measure = ["66 kg"] if measured == "66" else []
    on_file = [f"{on_record} kg"] if found else []
    assert len(deviations) == bool(by_measure or on_file)
    for deviation in deviations:
        weights = " and ".join(dict.fromkeys(by_measure + on_file))
        assert deviation.sentence.endswith(f"although {weights} were known before it.")
        assert ("subject-1" in deviation.evidence) is found


def test_a_dose_is_held_against_what_was_on_record_at_the_start() -> None:
    """Of an infusion that was also ordered late nothing was; then the entry of its start counts."""
    hour = timedelta(hours=1)
    assert known_of_start(START, START - hour, START + hour) == START
    assert known_of_start(START, START, START + hour) == START
    assert known_of_start(START, START + hour, START + 2 * hour) == START + 2 * hour


@pytest.mark.parametrize(("volume", "found"), [(None, 1), (Decimal(1), 1), (Decimal(0), 0)])
def test_a_start_of_unknown_volume_counts(volume: Decimal | None, found: int) -> None:
    """Product may have entered the subject; only a recorded volume of 0 says that none did."""
    infusion = replace(given(1, DAY), weight_kg=DOSED, volume_ml=volume)
    assert len(derive(vital_signs(START, weight_kg=90), infusion=infusion)) == found


def test_what_is_no_weight_does_not_count() -> None:
    """Vital signs without a weight, and a weight in another kind of assessment."""
    other = AssessmentKind.PHYSICAL_EXAMINATION
    signs = (vital_signs(START, pulse_per_min=70), vital_signs(START, other, weight_kg=70))
    assert weighings(signs) == ()
    assert last_weighing(()) is None
    assert derive(*signs) == ()


@pytest.mark.parametrize(
    "infusion", [planned(1, DAY), cancelled(1, DAY), given(1, DAY)], ids=lambda each: str(each.day)
)
def test_an_infusion_that_was_not_given_departs_from_nothing(infusion: Infusion) -> None:
    """Nor does one whose dose rests on no known weight."""
    assert derive(vital_signs(START, weight_kg=90), infusion=infusion) == ()


@property_of(
    dosed=st.decimals(20, 300, places=2),
    weighed=st.lists(st.tuples(st.integers(-5, 5), st.decimals(20, 300, places=2)), max_size=4),
)
@settings(max_examples=150)
def test_a_dose_departs_exactly_when_the_last_weight_moved_by_a_tenth(
    dosed: Decimal, weighed: list[tuple[int, Decimal]]
) -> None:
    """Recomputed from the list: the latest at or before the start, by a tenth of the dosed one."""
    signs = [vital_signs(START + timedelta(hours=hours), weight_kg=kg) for hours, kg in weighed]
    counted = sorted((s for s in signs if s.at <= START), key=lambda each: (each.at, each.id))
    found = derive(*signs, infusion=replace(given(1, DAY), weight_kg=dosed))
    moved = bool(counted) and abs(counted[-1].content["weight_kg"] - dosed) * 10 >= dosed
    assert bool(found) is moved
