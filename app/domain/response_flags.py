"""Confounders of response: what makes a test or a baseline doubtful without changing its status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.facts import Infusion, LabResult, Medication, Transfusion
from app.domain.quantities import Measurement
from app.domain.response_rules import Confounders, ResponseRules
from app.domain.vocabulary import Lineage, MedicationClass, TransfusionProduct


class Confounder(StrEnum):
    """Confounders that are not themselves a class of medication."""

    GRANULOCYTE_TRANSFUSION = "granulocyte_transfusion"
    TRANSFUSED_BASELINE = "transfused_baseline"
    OLD_BASELINE = "old_baseline"
    COMPARATOR_BASELINE = "comparator_baseline"
    PR_ONLY_IN_NON_EVALUABLE_LINEAGE = "pr_only_in_non_evaluable_lineage"


@dataclass(frozen=True, slots=True)
class Flag:
    """One confounder and the facts that raise it."""

    code: Confounder | MedicationClass
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exposures:
    """What the subject was given that can disturb a count, in order."""

    medications: tuple[Medication, ...]
    transfusions: tuple[Transfusion, ...]
    infusions: tuple[Infusion, ...]


def merge_flags(groups: Iterable[tuple[Flag, ...]]) -> tuple[Flag, ...]:
    """Join groups of flags, each flag once, in the order of first appearance."""
    return tuple(dict.fromkeys(flag for group in groups for flag in group))


def transfused_within(
    transfusions: Iterable[Transfusion], first: date, last: date, free_days: int
) -> tuple[str, ...]:
    """Name the transfusions dated after `first - free_days` and up to `last`.

    A transfusion exactly `free_days` before `first` is allowed (record: "at least 7 days", C15).
    """
    limit = first - timedelta(days=free_days)
    return tuple(entry.id for entry in transfusions if limit < entry.day <= last)


def flag_result(
    lineage: Lineage, result: LabResult, exposures: Exposures, rules: Confounders
) -> tuple[Flag, ...]:
    """Name the medications and granulocytes that may have moved this count (C19, C20)."""
    return merge_flags(
        (
            tuple(_medication_flags(lineage, result, exposures, rules)),
            tuple(_dexamethasone_flags(lineage, result.at, result.day, exposures, rules)),
            _granulocyte_flags(lineage, result.day, exposures, rules),
        )
    )


def flag_baseline(
    measurement: Measurement, age_days: int, transfusion_ids: tuple[str, ...], rules: ResponseRules
) -> tuple[Flag, ...]:
    """Name what makes a baseline doubtful (C18); `age_days` is before the first infusion."""
    flags = []
    if transfusion_ids:
        flags.append(Flag(Confounder.TRANSFUSED_BASELINE, transfusion_ids))
    if age_days > rules.baseline_max_age_days:
        flags.append(Flag(Confounder.OLD_BASELINE, ()))
    if measurement.comparator is not None:
        flags.append(Flag(Confounder.COMPARATOR_BASELINE, ()))
    return tuple(flags)


def _medication_flags(
    lineage: Lineage, result: LabResult, exposures: Exposures, rules: Confounders
) -> Iterator[Flag]:
    for rule in rules.medications:
        if lineage not in rule.lineages:
            continue
        ids = tuple(
            entry.id
            for entry in exposures.medications
            if entry.medication_class is rule.medication_class
            and entry.start_at <= result.at
            and _days_since_last_dose(entry, result.day) <= rule.within_days
        )
        if ids:
            yield Flag(rule.medication_class, ids)


def _days_since_last_dose(medication: Medication, day: date) -> int:
    """Count days from the last known dose to `day`; 0 during the course."""
    return max(0, (day - (_last_day(medication) or day)).days)


def _last_day(medication: Medication) -> date | None:
    """Give the day of the last dose; None while the medication goes on."""
    if medication.end_day is not None:
        return medication.end_day
    return None if medication.ongoing else medication.start_day


def _dexamethasone_flags(
    lineage: Lineage, at: datetime, day: date, exposures: Exposures, rules: Confounders
) -> Iterator[Flag]:
    """Premedication counts too: dexamethasone moves neutrophils into the blood for days."""
    if lineage not in rules.dexamethasone_lineages:
        return
    window = timedelta(hours=rules.dexamethasone_hours)
    ids = [
        entry.id
        for entry in exposures.infusions
        if entry.premedication_given_at is not None
        and timedelta(0) <= at - entry.premedication_given_at <= window
    ]
    for entry in exposures.medications:
        if entry.medication_class is not MedicationClass.DEXAMETHASONE or entry.start_at > at:
            continue
        # A course has no instant of its last dose, so it is counted by whole days, rounded up.
        in_course = _last_day(entry) != entry.start_day and (
            _days_since_last_dose(entry, day) <= -(-rules.dexamethasone_hours // 24)
        )
        if in_course or at - entry.start_at <= window:
            ids.append(entry.id)
    if ids:
        yield Flag(MedicationClass.DEXAMETHASONE, tuple(ids))


def _granulocyte_flags(
    lineage: Lineage, day: date, exposures: Exposures, rules: Confounders
) -> tuple[Flag, ...]:
    if lineage not in rules.granulocyte_transfusion_lineages:
        return ()
    granulocytes = (
        entry
        for entry in exposures.transfusions
        if entry.product is TransfusionProduct.GRANULOCYTES
    )
    ids = transfused_within(granulocytes, day, day, rules.granulocyte_transfusion_days)
    return (Flag(Confounder.GRANULOCYTE_TRANSFUSION, ids),) if ids else ()
