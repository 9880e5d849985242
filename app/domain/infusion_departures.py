"""What an infusion departs from once begun: amount, premedication, its level, what bags hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from app.domain.chain_of_identity import InfusedBag
from app.domain.deviations import Deviation, DeviationCode, DeviationRules
from app.domain.dosing import (
    DoseLevel,
    DosingRules,
    nominal_cells,
    nominal_volume_ml,
    within_administered_tolerance,
)
from app.domain.facts import Infusion

_Fault = tuple[DeviationCode, str, str]


def infusion_departures(
    infusions: Iterable[Infusion],
    level: DoseLevel | None,
    rules: DeviationRules,
    dosing: DosingRules,
) -> tuple[Deviation, ...]:
    """Report what the infusions of one subject depart from; one that did not begin from nothing.

    `level` is that of the subject's enrolment.
    """
    infusions = tuple(infusions)
    beyond = _beyond_level(infusions, level)
    return tuple(
        Deviation(
            key=f"{code}:{infusion.number}",
            code=code,
            severity=rules.weigh(code),
            day=infusion.day,
            sentence=sentence,
            evidence=(infusion.id,),
            rule=rule,
        )
        for infusion in infusions
        if infusion.started_at is not None and infusion.day is not None
        for code, sentence, rule in (
            *_amount(infusion, dosing),
            *_premedication(infusion, infusion.started_at, dosing),
            *beyond.get(infusion.id, ()),
        )
    )


def volumes_beyond_bags(
    infusions: Iterable[tuple[Infusion, Sequence[InfusedBag]]], rules: DeviationRules
) -> tuple[Deviation, ...]:
    """Report each infusion that is said to have given more than its bags held.

    `infusions` are those that started, each with its bags.
    """
    code = DeviationCode.VOLUME_BEYOND_BAGS
    found = []
    for infusion, bags in infusions:
        overdrawn = [bag for bag in bags if bag.account.left_ml < 0]
        if overdrawn and infusion.day is not None:
            held = _plain(sum((bag.account.filled_ml for bag in bags), Decimal(0)))
            found.append(
                Deviation(
                    key=f"{code}:{infusion.number}",
                    code=code,
                    severity=rules.weigh(code),
                    day=infusion.day,
                    sentence=f"Infusion {infusion.number} gave more than its bags' {held} mL.",
                    evidence=(infusion.id, *(bag.id for bag in overdrawn)),
                    rule="product.bag_content",
                )
            )
    return tuple(found)


def _amount(infusion: Infusion, dosing: DosingRules) -> Iterator[_Fault]:
    """Hold what was given against the plan: the cells counted and the volume, each by itself.

    A start that gave nothing and was called off is made up for by another infusion.
    """
    if infusion.cancelled:
        return
    planned, cells, volume = infusion.planned_cells, infusion.cells, infusion.volume_ml
    wrong = []
    if cells is not None and not within_administered_tolerance(planned, cells, dosing):
        wrong.append(f"{cells:,.0f} cells instead of {planned:,.0f}")
    if volume is not None and not within_administered_tolerance(
        planned, nominal_cells(volume, dosing), dosing
    ):
        planned_ml = nominal_volume_ml(planned, dosing)
        wrong.append(f"{_plain(volume)} mL instead of {_plain(planned_ml)} mL")
    if wrong:
        sentence = f"Infusion {infusion.number} gave {' and '.join(wrong)}."
        rule = "dosing.administered_tolerance_percent"
        yield DeviationCode.DOSE_OUT_OF_TOLERANCE, sentence, rule


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _premedication(
    infusion: Infusion, started_at: datetime, dosing: DosingRules
) -> Iterator[_Fault]:
    """Look for the drug ahead of every start, also of one whose volume is not known or nothing."""
    for code, sentence in _premedication_faults(infusion, started_at, dosing):
        yield code, f"Before infusion {infusion.number} {sentence}", "dosing.premedication"


def _premedication_faults(
    infusion: Infusion, started_at: datetime, dosing: DosingRules
) -> Iterator[tuple[DeviationCode, str]]:
    wanted = dosing.premedication
    given_at, dose = infusion.premedication_given_at, infusion.premedication_dose_mg
    if infusion.premedication_drug is not wanted.drug:
        given_at = dose = None
    if given_at is None or dose is None:
        missing = f"the record of {wanted.drug} is missing or incomplete."
        yield DeviationCode.PREMEDICATION_MISSING, missing
    elif wanted.is_too_early(given_at, started_at):
        early = f"{wanted.drug} was given over {wanted.earliest_hours} hours ahead only."
        yield DeviationCode.PREMEDICATION_MISSING, early
    if dose is not None and dose != wanted.dose_mg:
        differs = f"{dose} mg of {wanted.drug} were given, not {wanted.dose_mg} mg."
        yield DeviationCode.PREMEDICATION_DOSE, differs
    allowed = timedelta(minutes=wanted.minutes_before - wanted.late_tolerance_minutes)
    if given_at is not None and started_at - given_at < allowed:
        late = f"{wanted.drug} was given under {wanted.minutes_before} minutes ahead."
        yield DeviationCode.PREMEDICATION_LATE, late


def _beyond_level(
    infusions: Iterable[Infusion], level: DoseLevel | None
) -> dict[str, list[_Fault]]:
    """Find, by id, the infusions that gave product after the level had given all of its own."""
    if level is None:
        return {}
    entered = sorted(
        (each.started_at, each.number, each.id)
        for each in infusions
        if each.may_have_entered and each.started_at is not None
    )
    allowed = level.planned_infusions
    return {
        infusion_id: [
            (
                DeviationCode.INFUSION_BEYOND_LEVEL,
                f"Infusion {number} was given beyond the {allowed} of level {level.name}.",
                f"dosing.levels.{level.name}",
            )
        ]
        for _, number, infusion_id in entered[allowed:]
    }
