"""Weights that were measured, and infusions whose dose rests on an older one (C6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.deviations import Deviation, DeviationCode, DeviationRules
from app.domain.dosing import DosingRules, weight_change_needs_new_dose
from app.domain.eligibility_evidence import exact
from app.domain.facts import Assessment, Infusion
from app.domain.vocabulary import AssessmentKind

_WEIGHT = "weight_kg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """A body weight in kg as of an instant; `evidence` is the record that tells it."""

    weight_kg: Decimal
    at: datetime
    evidence: str


def weighings(assessments: Iterable[Assessment]) -> tuple[Weighing, ...]:
    """Collect the weights among vital signs, the earliest first."""
    found = [
        Weighing(
            weight_kg=exact(assessment.content[_WEIGHT]),
            at=assessment.at,
            evidence=assessment.id,
        )
        for assessment in assessments
        if assessment.kind is AssessmentKind.VITAL_SIGNS
        and assessment.content.get(_WEIGHT) is not None
    ]
    return tuple(sorted(found, key=lambda each: (each.at, each.evidence)))


@dataclass(frozen=True, slots=True)
class KnownWeights:
    """What was known of a subject's weight: by every weighing, and on record at each start.

    `on_record` has, by the infusion's id, the weight that the subject's own record told.
    """

    measured: Sequence[Weighing]
    on_record: Mapping[str, Weighing]

    def at_start_of(self, infusion: Infusion) -> tuple[Weighing, ...]:
        """Return the weights that the dose of an infusion had to suit."""
        found = (
            last_weighing(self.measured, infusion.started_at),
            self.on_record.get(infusion.id),
        )
        return tuple(each for each in found if each is not None)


def last_weighing(found: Sequence[Weighing], until: datetime | None = None) -> Weighing | None:
    """Return the last weighing at or before an instant, or of all."""
    counted = [each for each in found if until is None or each.at <= until]
    return counted[-1] if counted else None


def known_of_start(started_at: datetime, ordered_at: datetime, entered_at: datetime) -> datetime:
    """Return the moment whose records a dose is held against: that of the start.

    An infusion that was ordered on record only after its start is a late entry, and nothing was on
    record before; then it is the moment at which the start was entered.
    """
    return started_at if ordered_at <= started_at else entered_at


def outdated_doses(
    infusions: Iterable[Infusion],
    known: KnownWeights,
    rules: DeviationRules,
    dosing: DosingRules,
) -> tuple[Deviation, ...]:
    """Report each infusion begun on a dose for a weight that had moved by the trigger or more.

    A dose has to suit both the last weight measured up to the start and the one on record then.
    """
    code = DeviationCode.DOSE_NOT_RECALCULATED
    deviations = []
    for infusion in infusions:
        dosed = infusion.weight_kg
        if dosed is None or infusion.day is None or not infusion.may_have_entered:
            continue
        moved = [
            each
            for each in known.at_start_of(infusion)
            if weight_change_needs_new_dose(dosed, each.weight_kg, dosing)
        ]
        if moved:
            weights = " and ".join(dict.fromkeys(_kilograms(each.weight_kg) for each in moved))
            deviations.append(
                Deviation(
                    key=f"{code}:{infusion.number}",
                    code=code,
                    severity=rules.weigh(code),
                    day=infusion.day,
                    sentence=(
                        f"Infusion {infusion.number} was dosed for {_kilograms(dosed)},"
                        f" although {weights} were known before it."
                    ),
                    evidence=(infusion.id, *(each.evidence for each in moved)),
                    rule="dosing.weight.recalculation_percent",
                )
            )
    return tuple(deviations)


def _kilograms(weight: Decimal) -> str:
    return f"{weight.normalize():f} kg"
