"""Which records show that a subject was seen, and how overlapping windows are resolved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from app.domain.facts import Assessment, LabResult
from app.domain.quantities import Comparator, Measurement
from app.domain.schedule import ScheduleRules
from app.domain.visits import (
    LastInfusion,
    PerformedDay,
    ScheduleStatus,
    VisitOffset,
    performed_days,
    plan_visits,
)
from app.domain.vocabulary import AssessmentKind, LabStatus
from tests.protocol_data import section

RULES = section("schedule", ScheduleRules).visits
DAY = date(2026, 2, 2)
CBC = ("HGB", "ANC", "PLT")


def result(analyte: str, day: date = DAY) -> LabResult:
    """Report one count."""
    return LabResult(
        id=f"{analyte}-{day}",
        analyte=analyte,
        measurement=Measurement(Decimal(1)),
        at=datetime.combine(day, time(8), UTC),
        day=day,
    )


def assessed(kind: AssessmentKind, day: date = DAY) -> Assessment:
    """Assess the subject."""
    return Assessment(
        id=f"{kind}-{day}", kind=kind, at=datetime.combine(day, time(8), UTC), day=day
    )


def test_a_complete_count() -> None:
    """Three lineages on one day are a blood count; its results are the evidence."""
    assert performed_days([result(analyte) for analyte in CBC], [], RULES) == (
        PerformedDay(day=DAY, has_cbc=True, evidence=tuple(f"{analyte}-{DAY}" for analyte in CBC)),
    )


def test_an_incomplete_count_still_shows_a_visit() -> None:
    """Two lineages, or an assessment, show a visit without a blood count."""
    later = DAY + timedelta(days=1)
    days = performed_days(
        [result("HGB"), result("ANC"), result("ALT", later)],
        [assessed(AssessmentKind.ECG), assessed(AssessmentKind.RESPONSE_OPINION, later)],
        RULES,
    )
    assert [(found.day, found.has_cbc) for found in days] == [(DAY, False)]
    assert days[0].evidence == (f"HGB-{DAY}", f"ANC-{DAY}", f"ecg-{DAY}")


@pytest.mark.parametrize(
    "change",
    [
        {"status": LabStatus.PRELIMINARY},
        {"status": LabStatus.CANCELLED},
        {"status": LabStatus.ENTERED_IN_ERROR},
        {"measurement": None},
    ],
)
def test_an_unusable_result_makes_a_count_incomplete(change: dict[str, object]) -> None:
    """A result that is not final, or has no value, is not counted."""
    labs = [result("HGB"), result("ANC"), replace(result("PLT"), **change)]
    assert [found.has_cbc for found in performed_days(labs, [], RULES)] == [False]


def test_a_bound_is_a_value() -> None:
    """A neutrophil count below the limit of detection is a count."""
    low = replace(result("ANC"), measurement=Measurement(Decimal("0.1"), Comparator.LT))
    days = performed_days([result("HGB"), low, result("PLT")], [], RULES)
    assert [found.has_cbc for found in days] == [True]


def test_days_come_in_order() -> None:
    """Days are sorted, whatever order the records come in."""
    days = [DAY + timedelta(days=offset) for offset in (9, 0, 4)]
    found = performed_days([], [assessed(AssessmentKind.ECOG, day) for day in days], RULES)
    assert [entry.day for entry in found] == sorted(days)


def test_an_open_window_comes_before_a_nearer_visit() -> None:
    """Where windows differ in width, a day goes to the visit that it satisfies."""
    narrow = VisitOffset(name="narrow", target_day=10, window_days=1)
    wide = VisitOffset(name="wide", target_day=20, window_days=8)
    visits = plan_visits(
        LastInfusion(day=DAY, projected=False, evidence=()),
        [PerformedDay(day=DAY + timedelta(days=13), has_cbc=True, evidence=("count",))],
        None,
        replace(RULES, offsets=(narrow, wide)),
        DAY + timedelta(days=30),
    )
    assert [visit.status for visit in visits] == [ScheduleStatus.MISSED, ScheduleStatus.DONE]


def test_rules_that_contradict_themselves_are_refused() -> None:
    """Visits are listed in order under different names, and a count has analytes."""
    first, second = RULES.offsets[:2]
    for change in (
        {"offsets": ()},
        {"offsets": (second, first)},
        {"offsets": (replace(first, target_day=0),)},
        {"offsets": (first, replace(second, name=first.name))},
        {"cbc_analytes": ()},
    ):
        with pytest.raises(ValueError, match=r"must|needs"):
            replace(RULES, **change)
