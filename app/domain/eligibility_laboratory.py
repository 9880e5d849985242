"""Eligibility rules on measured laboratory values: blood counts, limits, multiples of the ULN."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from app.domain.eligibility_evidence import (
    Case,
    Flag,
    FlagCode,
    Judgement,
    Reading,
    Span,
    WindowName,
    last_exposure,
    read_lab,
)
from app.domain.facts import LabResult
from app.domain.quantities import Comparator, Relation, any_of
from app.domain.rules import rule_set
from app.domain.vocabulary import MedicationClass, TransfusionProduct


@rule_set
class LabThreshold:
    """A relation to a fixed threshold; a result in any other unit cannot be judged (C1)."""

    analyte: str
    relation: Relation
    threshold: Decimal
    unit: str

    def holds(self, lab: LabResult) -> bool | None:
        """Tell whether a result stands in the relation to the threshold."""
        if lab.measurement is None or lab.unit != self.unit:
            return None
        return lab.measurement.compare(self.relation, self.threshold)

    def read(self, lab: LabResult) -> Reading:
        """Present a result beside the threshold."""
        return replace(read_lab(lab, self.holds(lab)), relation=self.relation, limit=self.threshold)


@rule_set
class MedicationInfluence:
    """For how many days a class of medication may colour a blood count."""

    medication_class: MedicationClass
    days: int


@rule_set
class Influences:
    """What, shortly before a blood count, a reader of that count should know of."""

    transfusion_products: tuple[TransfusionProduct, ...]
    transfusion_days: int
    medications: tuple[MedicationInfluence, ...]

    def flags(self, case: Case, labs: list[LabResult]) -> tuple[Flag, ...]:
        """Name the transfusions and medications that preceded any of the counts."""
        transfusions = tuple(
            transfusion.id
            for transfusion in case.facts.transfusions
            if transfusion.product in self.transfusion_products
            and any(
                transfusion.at <= lab.at
                and (lab.day - transfusion.day).days <= self.transfusion_days
                for lab in labs
            )
        )
        days = {influence.medication_class: influence.days for influence in self.medications}
        medications = tuple(
            medication.id
            for medication in case.facts.medications
            if medication.medication_class in days
            and any(
                medication.start_at <= lab.at
                and (lab.day - last_exposure(medication, lab.day)).days
                <= days[medication.medication_class]
                for lab in labs
            )
        )
        found = (
            Flag(FlagCode.TRANSFUSED_BEFORE_COUNT, transfusions),
            Flag(FlagCode.MEDICATION_BEFORE_COUNT, medications),
        )
        return tuple(flag for flag in found if flag.evidence)


@rule_set
class Cytopenia:
    """Any lineage beyond its threshold, long enough after CAR-T (I4, C1, C33).

    Each lineage is judged on its latest day in the window, and there on its lowest value.
    """

    name: Literal["cytopenia"]
    window: WindowName
    days_after_car_t: int
    thresholds: tuple[LabThreshold, ...]
    influences: Influences

    def judge(self, case: Case) -> Judgement:
        """Tell whether severe cytopenia is still present."""
        if case.subject.car_t_day is None:
            return Judgement(None, note="The day of the CAR-T infusion is not recorded.")
        window = case.span(self.window)
        earliest = case.subject.car_t_day + timedelta(days=self.days_after_car_t)
        span = Span(max(window.first, earliest), window.last)
        counts = {threshold: _count(case, threshold, span) for threshold in self.thresholds}
        labs = [lab for lab in counts.values() if lab is not None]
        readings = tuple(
            threshold.read(lab) for threshold, lab in counts.items() if lab is not None
        )
        absent = ", ".join(threshold.analyte for threshold, lab in counts.items() if lab is None)
        return Judgement(
            any_of([reading.holds for reading in readings] + ([None] if absent else [])),
            readings,
            f"No usable {absent} {span}." if absent else "",
            self.influences.flags(case, labs),
        )


def _count(case: Case, threshold: LabThreshold, span: Span) -> LabResult | None:
    """Choose the result that decides: of the latest day the lowest, with `<` below the number."""
    labs = [lab for lab in case.labs(threshold.analyte, span) if lab.measurement is not None]
    latest = [lab for lab in labs if lab.day == labs[-1].day]
    decided = any_of(threshold.holds(lab) for lab in latest)
    return min(
        (lab for lab in latest if threshold.holds(lab) is decided), key=_magnitude, default=None
    )


_BELOW_TO_ABOVE = (Comparator.LT, Comparator.LE, None, Comparator.GE, Comparator.GT)


def _magnitude(lab: LabResult) -> tuple[Decimal, int]:
    assert lab.measurement is not None
    return lab.measurement.value, _BELOW_TO_ABOVE.index(lab.measurement.comparator)


@rule_set
class LabLimit:
    """The latest value in the window against a fixed threshold (E9e).

    Of several results of one instant any decides.
    """

    name: Literal["lab_limit"]
    window: WindowName
    threshold: LabThreshold

    def judge(self, case: Case) -> Judgement:
        """Tell whether the value stands in the relation to the threshold."""
        span = case.span(self.window)
        readings = tuple(
            self.threshold.read(lab) for lab in _latest(case, self.threshold.analyte, span)
        )
        if not readings:
            return Judgement(None, note=f"No usable {self.threshold.analyte} {span}.")
        return Judgement(any_of(reading.holds for reading in readings), readings)


@rule_set
class MultipleOfUln:
    """The latest value in the window against a multiple of its own upper limit (E4-E8, C25, C26).

    Several analytes are several reports of one quantity (BUN and urea): any of them decides, and
    so does any of several results of one instant.
    """

    name: Literal["multiple_of_uln"]
    window: WindowName
    analytes: tuple[str, ...]
    relation: Relation
    factor: Decimal

    def judge(self, case: Case) -> Judgement:
        """Tell whether a value stands in the relation to the multiple of its limit."""
        span = case.span(self.window)
        labs = [lab for name in self.analytes for lab in _latest(case, name, span)]
        if not labs:
            return Judgement(None, note=f"No usable {' or '.join(self.analytes)} {span}.")
        readings = tuple(self._read(lab) for lab in labs)
        without = any(reading.limit is None for reading in readings)
        note = "A result came without its upper limit of normal." if without else ""
        return Judgement(any_of(reading.holds for reading in readings), readings, note)

    def _read(self, lab: LabResult) -> Reading:
        if lab.measurement is None or lab.uln is None:
            return replace(read_lab(lab, None), relation=self.relation)
        limit = self.factor * lab.uln
        holds = lab.measurement.compare(self.relation, limit)
        return replace(read_lab(lab, holds), relation=self.relation, limit=limit)


def _latest(case: Case, analyte: str, span: Span) -> list[LabResult]:
    """Return all measured results of the latest instant, so that no id decides which counts."""
    labs = [lab for lab in case.labs(analyte, span) if lab.measurement is not None]
    return [lab for lab in labs if lab.at == labs[-1].at]
