"""Eligibility rules on earlier treatment: other therapies, recent exposures, transplantation."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from app.domain.eligibility_evidence import (
    Case,
    Flag,
    FlagCode,
    Judgement,
    Reading,
    last_exposure,
    read_subject,
)
from app.domain.facts import Medication
from app.domain.quantities import any_of
from app.domain.rules import rule_set
from app.domain.schedule import add_months
from app.domain.vocabulary import MedicationClass


class PeriodUnit(StrEnum):
    """How a period is counted."""

    DAYS = "days"
    MONTHS = "months"


@rule_set
class Period:
    """A number of days, or of calendar months that end on the month's last day if need be."""

    amount: int
    unit: PeriodUnit

    def before(self, day: date) -> date:
        """Return the day this long before another."""
        return self._shift(day, -self.amount)

    def after(self, day: date) -> date:
        """Return the day this long after another."""
        return self._shift(day, self.amount)

    def _shift(self, day: date, amount: int) -> date:
        if self.unit is PeriodUnit.DAYS:
            return day + timedelta(days=amount)
        return add_months(day, amount)


@rule_set
class TherapyAfterCarT:
    """Anti-tumour therapy after CAR-T and later than a period before screening (E1, C28).

    CAR-T itself does not count. No recorded therapy proves nothing: a person answers.
    """

    name: Literal["therapy_after_car_t"]
    classes: tuple[MedicationClass, ...]
    period: Period

    def judge(self, case: Case) -> Judgement:
        """Tell whether such a therapy is recorded."""
        earliest = self.period.before(case.subject.screening_day)
        car_t_day = case.subject.car_t_day
        readings = []
        for medication in _taken(case, self.classes):
            last = last_exposure(medication, case.infusion_day)
            recent = last > earliest
            after_car_t = None if car_t_day is None else last > car_t_day
            holds = after_car_t if recent else False
            readings.append(_of_medication(medication, last, holds))
        return Judgement(any_of([reading.holds for reading in readings] + [None]), tuple(readings))


@rule_set
class RecentMedication:
    """A class of medication fewer days, or half-lives, before the first infusion (E14a, E17).

    No recorded exposure proves nothing: a person answers.
    """

    name: Literal["recent_medication"]
    classes: tuple[MedicationClass, ...]
    days: int
    half_lives: int | None
    query_investigational_car_t: bool

    def judge(self, case: Case) -> Judgement:
        """Tell whether such an exposure is recorded; an investigational CAR-T is only asked about.

        C27: CAR-T has no half-life, and the trial admits from three weeks after it.
        """
        readings, unsettled = [], []
        for medication in _taken(case, self.classes):
            last = last_exposure(medication, case.infusion_day)
            elapsed = (case.infusion_day - last).days
            holds = self._recent(medication, elapsed)
            readings.append(_of_medication(medication, last, holds))
            if holds is None:
                unsettled.append(medication.id)
        flags = [Flag(FlagCode.HALF_LIFE_UNKNOWN, tuple(unsettled))] if unsettled else []
        if self.query_investigational_car_t and self._car_t_is_recent(case):
            flags.append(Flag(FlagCode.INVESTIGATIONAL_CAR_T, (case.subject.id,)))
        holds = any_of([reading.holds for reading in readings] + [None])
        return Judgement(holds, tuple(readings), flags=tuple(flags))

    def _recent(self, medication: Medication, elapsed: int) -> bool | None:
        if elapsed < self.days:
            return True
        if self.half_lives is None:
            return False
        if medication.half_life_days is None:
            return None
        return elapsed < self.half_lives * medication.half_life_days

    def _car_t_is_recent(self, case: Case) -> bool:
        day = case.subject.car_t_day
        if day is None or not case.subject.car_t_was_investigational:
            return False
        return (case.infusion_day - day).days < self.days


@rule_set
class SoonAfterTransplant:
    """The first infusion comes before a period since allogeneic transplantation is over (E13a)."""

    name: Literal["soon_after_transplant"]
    period: Period

    def judge(self, case: Case) -> Judgement:
        """Tell whether the transplant is too recent."""
        day = case.subject.allogeneic_transplant_day
        if day is None:
            return Judgement(None, note="The day of the allogeneic transplant is not recorded.")
        holds = case.infusion_day < self.period.after(day)
        return Judgement(
            holds, (read_subject(case.subject, "allogeneic_transplant", holds, day=day),)
        )


def _taken(case: Case, classes: tuple[MedicationClass, ...]) -> list[Medication]:
    """Return the medications of these classes begun up to the first infusion day."""
    return [
        medication
        for medication in case.facts.medications
        if medication.medication_class in classes and medication.start_day <= case.infusion_day
    ]


def _of_medication(medication: Medication, last: date, holds: bool | None) -> Reading:
    return Reading(
        name=medication.medication_class,
        evidence=medication.id,
        holds=holds,
        value=medication.name,
        date=last,
        at=medication.start_at,
        known_at=medication.known_at,
    )
