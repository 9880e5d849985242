"""Fitness of a lot at each limit, and the gap and the deviation of product that was not fit."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.chain_of_identity import chain_gaps, unfit_product
from app.domain.deviations import DeviationCode, DeviationSeverity
from app.domain.errors import Reason
from app.domain.product_fitness import Lot, not_yet_made, of_bag, unfit
from tests.domain.infusion_facts import given, planned
from tests.domain.test_chain_of_identity import SOUND
from tests.domain.test_deviations import DOSING, RULES

DAY = date(2026, 6, 1)
LOT = Lot(
    manufactured_on=DAY,
    expires_on=DAY,
    viability_percent=Decimal(85),
    cells_per_bag=Decimal(100_000_000),
    bag_volume_ml=Decimal(100),
    released=True,
)
STARTED = given(1, DAY)
EXPIRED = Reason("lot_expired", "Bag L-1/B-1: The lot has expired by the day of the infusion.")


def codes(day=DAY, **changes):
    """Name the reasons against a lot on a day."""
    return [reason.code for reason in unfit(replace(LOT, **changes), day, DOSING)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"released": False}, ["lot_not_released"]),
        ({"released": None}, []),
        ({"expires_on": DAY - timedelta(days=1)}, ["lot_expired"]),
        ({"manufactured_on": DAY + timedelta(days=1)}, ["lot_not_made"]),
        ({"viability_percent": Decimal("84.999")}, ["viability_too_low"]),
        ({"cells_per_bag": Decimal(90_000_000)}, []),
        ({"cells_per_bag": Decimal(89_999_999)}, ["content_out_of_tolerance"]),
        ({"cells_per_bag": Decimal(110_000_000)}, []),
        ({"cells_per_bag": Decimal(110_000_001)}, ["content_out_of_tolerance"]),
        (
            {"released": False, "viability_percent": Decimal(50)},
            ["lot_not_released", "viability_too_low"],
        ),
    ],
)
def test_each_fault_of_a_lot_is_named(changes, expected):
    """Both ends of its life, 85 percent and the tolerance pass; nobody is accused of a guess."""
    assert codes(**changes) == expected


@settings(max_examples=100)
@drawn(st.integers(-3, 8), st.integers(0, 5))
def test_a_lot_is_fit_from_its_making_to_its_expiry(offset, life):
    """On every day between and on none outside, and only before its making it was impossible."""
    day, expires_on = DAY + timedelta(days=offset), DAY + timedelta(days=life)
    assert (codes(day, expires_on=expires_on) == []) is (0 <= offset <= life)
    assert bool([*not_yet_made(LOT, day)]) is (offset < 0)


def test_a_reason_names_its_bag():
    """Whoever reads a refusal knows which bag to put away."""
    lot = replace(LOT, expires_on=DAY - timedelta(days=1))
    assert of_bag("L-1/B-1", unfit(lot, DAY, DOSING)) == (EXPIRED,)


UNFIT = replace(SOUND, unfit=(EXPIRED,))


@pytest.mark.parametrize(
    ("infusion", "bags", "expected"),
    [
        (STARTED, [SOUND], []),
        (STARTED, [SOUND, UNFIT], ["lot_expired"]),
        (planned(1, DAY), [UNFIT], []),
        (replace(STARTED, viability_percent=Decimal(85)), [SOUND], []),
        (replace(STARTED, viability_percent=Decimal("84.9")), [SOUND], ["viability_too_low"]),
    ],
)
def test_unfit_product_breaks_the_chain(infusion, bags, expected):
    """Its lot, or the viability that was measured for the infusion; before the start nothing."""
    assert [gap.code for gap in chain_gaps(infusion, bags, DOSING)] == expected


def test_an_infusion_with_unfit_product_is_one_major_deviation():
    """Its key stays with the infusion; the sentence tells every fault, the evidence the bags."""
    thin = replace(STARTED, viability_percent=Decimal(50))
    second = given(2, DAY + timedelta(days=7))
    (found,) = unfit_product([(thin, [SOUND, UNFIT]), (second, [SOUND])], RULES, DOSING)
    assert (found.key, found.code) == ("product_unfit:1", DeviationCode.PRODUCT_UNFIT)
    assert (found.severity, found.day) == (DeviationSeverity.MAJOR, DAY)
    assert found.sentence == (
        "Infusion 1 began with unfit product. Bag L-1/B-1: The lot has expired by the day of the"
        " infusion. The viability measured for the infusion is below the protocol's minimum."
    )
    assert found.evidence == (STARTED.id, UNFIT.id)
    assert unfit_product([(planned(1, DAY), [UNFIT])], RULES, DOSING) == ()
