"""Whether the way of the product into a subject is on record without a gap, and it was fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.domain.bag_ledger import Account
from app.domain.deviations import Deviation, DeviationCode, DeviationRules
from app.domain.dosing import DosingRules, viability_suffices
from app.domain.errors import Reason
from app.domain.facts import Infusion


@dataclass(frozen=True, slots=True, kw_only=True)
class InfusedBag:
    """A bag that is on record for an infusion; `label` is what its code reads.

    `unfit` gives the reasons against its lot on the day of the infusion; `before_ledger` says that
    it was in use before steps of bags were recorded.
    """

    id: str
    label: str
    account: Account
    unchecked: bool
    unfit: tuple[Reason, ...] = ()
    before_ledger: bool = False


def chain_gaps(
    infusion: Infusion, bags: Sequence[InfusedBag], rules: DosingRules
) -> tuple[Reason, ...]:
    """List what is missing between the product and the subject, and what made it unfit.

    Before the start nothing is missing.
    """
    if infusion.started_at is None:
        return ()
    return (*_gaps(infusion, bags), *_faults(infusion, bags, rules))


def _gaps(infusion: Infusion, bags: Sequence[InfusedBag]) -> Iterator[Reason]:
    if not bags:
        yield Reason("bag_missing", "The infusion started, but no bag is on record for it.")
    if infusion.volume_ml is None:
        yield Reason("volume_missing", "The volume that was given is not recorded.")
    for bag in bags:
        if bag.before_ledger:
            yield Reason(
                "before_ledger",
                f"Bag {bag.label} was in use before the ledger began; see its audit trail.",
            )
        if bag.unchecked:
            yield Reason(
                "bag_not_checked", f"Bag {bag.label} was not checked before the infusion started."
            )
        if bag.account.left_ml < 0:
            yield Reason("more_than_held", f"More was given than bag {bag.label} held.")


def _faults(infusion: Infusion, bags: Sequence[InfusedBag], rules: DosingRules) -> Iterator[Reason]:
    """Give what made the product unfit: its lots, or the viability measured for the infusion."""
    for bag in bags:
        yield from bag.unfit
    measured = infusion.viability_percent
    if measured is not None and not viability_suffices(measured, rules):
        yield Reason(
            "viability_too_low",
            "The viability measured for the infusion is below the protocol's minimum.",
        )


def unfit_product(
    infusions: Iterable[tuple[Infusion, Sequence[InfusedBag]]],
    rules: DeviationRules,
    dosing: DosingRules,
) -> tuple[Deviation, ...]:
    """Report each infusion that began with unfit product; it is recorded all the same.

    `infusions` are those that started, each with its bags.
    """
    code = DeviationCode.PRODUCT_UNFIT
    found = []
    for infusion, bags in infusions:
        faults = tuple(_faults(infusion, bags, dosing))
        if faults and infusion.day is not None:
            why = " ".join(fault.message for fault in faults)
            found.append(
                Deviation(
                    key=f"{code}:{infusion.number}",
                    code=code,
                    severity=rules.weigh(code),
                    day=infusion.day,
                    sentence=f"Infusion {infusion.number} began with unfit product. {why}",
                    evidence=(infusion.id, *(bag.id for bag in bags if bag.unfit)),
                    rule="product.fitness",
                )
            )
    return tuple(found)


def missing_bag_checks(
    infusions: Iterable[tuple[Infusion, Sequence[InfusedBag]]], rules: DeviationRules
) -> tuple[Deviation, ...]:
    """Report each infusion that began with a bag nobody had checked; it is recorded all the same.

    `infusions` are those that started, each with its bags.
    """
    code = DeviationCode.BAG_CHECK_MISSING
    found = []
    for infusion, bags in infusions:
        unchecked = [bag for bag in bags if bag.unchecked]
        if unchecked and infusion.day is not None:
            labels = ", ".join(bag.label for bag in unchecked)
            found.append(
                Deviation(
                    key=f"{code}:{infusion.number}",
                    code=code,
                    severity=rules.weigh(code),
                    day=infusion.day,
                    sentence=f"Infusion {infusion.number} began with unchecked product: {labels}.",
                    evidence=(infusion.id, *(bag.id for bag in unchecked)),
                    rule="product.bag_check",
                )
            )
    return tuple(found)
