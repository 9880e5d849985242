"""CTCAE grades of a subject's stored results, seen against the subject's own baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.ctcae.grading import GradingInput, GradingResult, grade
from app.domain.facts import Infusion, LabResult, Medication
from app.domain.quantities import Measurement
from app.domain.vocabulary import USABLE_LAB_STATUSES, MedicationClass


@dataclass(frozen=True, slots=True)
class Background:
    """What the grades of one subject's results depend on beside the results.

    `baselines` are by analyte; `anticoagulants` are all that were recorded, at whatever time.
    `since` is when the first infusion began, None before it.
    """

    since: datetime | None
    baselines: Mapping[str, LabResult]
    anticoagulants: tuple[Medication, ...]


def background(
    infusions: Iterable[Infusion], labs: Iterable[LabResult], medications: Iterable[Medication]
) -> Background:
    """Find the baselines, the last usable values before the first infusion began (C18)."""
    starts = [
        each.started_at
        for each in infusions
        if each.may_have_entered and each.started_at is not None
    ]
    since = min(starts, default=None)
    before = [lab for lab in labs if since is not None and lab.at < since and _usable(lab)]
    return Background(
        since=since,
        # Of several at one instant the highest counts, as it does for response.
        baselines={lab.analyte: lab for lab in sorted(before, key=_by_time)},
        anticoagulants=tuple(
            each for each in medications if each.medication_class is MedicationClass.ANTICOAGULANT
        ),
    )


def grades_for(lab: LabResult, against: Background) -> tuple[GradingResult, ...]:
    """Grade a result for every term that its analyte touches.

    Empty for a result that is provisional, withdrawn or without a number.
    """
    if lab.measurement is None or not _usable(lab):
        return ()
    baseline = against.baselines.get(lab.analyte)
    given = GradingInput(
        measurement=Measurement(lab.measurement.value.normalize(), lab.measurement.comparator),
        lln=_plain(lab.lln),
        uln=_plain(lab.uln),
        baseline=_plain(baseline.measurement.value) if baseline and baseline.measurement else None,
        baseline_uln=_plain(baseline.uln) if baseline else None,
        on_anticoagulant=_on_anticoagulant(lab, against.anticoagulants),
        origins=_origins(lab, baseline),
    )
    return grade(lab.analyte, given)


def baseline_grades(analyte: str, against: Background) -> tuple[GradingResult, ...]:
    """Grade the baseline of an analyte by itself; empty without one."""
    baseline = against.baselines.get(analyte)
    return grades_for(baseline, against) if baseline else ()


def _usable(lab: LabResult) -> bool:
    return lab.measurement is not None and lab.status in USABLE_LAB_STATUSES


def _by_time(lab: LabResult) -> tuple[object, ...]:
    assert lab.measurement is not None, "only usable results are ordered"
    return lab.at, lab.measurement.value, lab.id


def _plain(number: Decimal | None) -> Decimal | None:
    """Drop the zeros a column pads numbers with, so that a grade quotes them as reported."""
    return None if number is None else number.normalize()


def _origins(lab: LabResult, baseline: LabResult | None) -> dict[str, str]:
    """Tell which limits are from a laboratory's register, by their names in a grade's basis."""
    found: dict[str, str] = {}
    if lab.of_register is not None:
        found |= dict.fromkeys(lab.of_register.names, str(lab.of_register))
    if baseline is not None and baseline.of_register and "uln" in baseline.of_register.names:
        found["baseline uln"] = str(baseline.of_register)
    return found


def _on_anticoagulant(lab: LabResult, anticoagulants: tuple[Medication, ...]) -> bool | None:
    """Tell whether an anticoagulant was taken when the specimen was; None if none is recorded."""
    if not anticoagulants:
        return None
    return any(
        each.start_at <= lab.at and (each.ongoing or lab.day <= (each.end_day or each.start_day))
        for each in anticoagulants
    )
