"""Whether a lot of the product is fit for release, and fit to be infused on a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from app.domain.dosing import DosingRules, viability_suffices, within_administered_tolerance
from app.domain.errors import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot with its release tests; `released` is None where nobody knows whether it was."""

    manufactured_on: date
    expires_on: date
    viability_percent: Decimal
    cells_per_bag: Decimal
    bag_volume_ml: Decimal
    released: bool | None


def unfit(lot: Lot, day: date, rules: DosingRules) -> Iterator[Reason]:
    """Give every reason for which no bag of a lot may be infused on a day."""
    if lot.released is False:
        yield Reason("lot_not_released", "The lot was not released.")
    if day > lot.expires_on:
        yield Reason("lot_expired", "The lot has expired by the day of the infusion.")
    yield from not_yet_made(lot, day)
    yield from below_specification(lot, rules)


def not_yet_made(lot: Lot, day: date) -> Iterator[Reason]:
    """Say that nothing of a lot can have been infused on a day, because there was none yet."""
    if day < lot.manufactured_on:
        yield Reason("lot_not_made", "The lot was made after the day of the infusion.")


def below_specification(lot: Lot, rules: DosingRules) -> Iterator[Reason]:
    """Compare a lot with the protocol's minimum viability and nominal content (C6).

    Volumes are prescribed at the nominal content, so a lot whose cells per millilitre lie outside
    the tolerance of a dose would miss every dose.
    """
    if not viability_suffices(lot.viability_percent, rules):
        yield Reason("viability_too_low", "The lot's viability is below the protocol's minimum.")
    nominal = rules.bag.cells * lot.bag_volume_ml / rules.bag.volume_ml
    if not within_administered_tolerance(nominal, lot.cells_per_bag, rules):
        yield Reason(
            "content_out_of_tolerance",
            "The lot's cells per millilitre differ too much from the protocol's bag.",
        )


def of_bag(label: str, reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Say of which bag the reasons are."""
    return tuple(replace(each, message=f"Bag {label}: {each.message}") for each in reasons)
