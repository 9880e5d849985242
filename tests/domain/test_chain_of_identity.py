"""Gaps between the product and a subject, and the deviations that follow from unchecked bags."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from app.domain.bag_ledger import Account
from app.domain.chain_of_identity import InfusedBag, chain_gaps, missing_bag_checks
from app.domain.deviations import DeviationCode, DeviationSeverity
from tests.domain.infusion_facts import given, planned
from tests.domain.test_deviations import DOSING, RULES

SETTLED = Account(filled_ml=Decimal(100), infused_ml=Decimal(20), discarded_ml=Decimal(80))
SOUND = InfusedBag(id="bag-1", label="L-1/B-1", account=SETTLED, unchecked=False)
UNCHECKED = replace(SOUND, unchecked=True)
DAY = date(2026, 6, 1)
STARTED = given(1, DAY)


def codes(infusion, *bags):
    """Name the gaps of an infusion."""
    return [reason.code for reason in chain_gaps(infusion, bags, DOSING)]


def test_before_the_start_nothing_is_missing():
    """A bag that waits, or none yet, breaks no chain."""
    assert codes(planned(1, DAY)) == []
    assert codes(planned(1, DAY), UNCHECKED) == []


@pytest.mark.parametrize(
    ("infusion", "bags", "expected"),
    [
        (STARTED, [SOUND], []),
        (STARTED, [SOUND, SOUND], []),
        (STARTED, [], ["bag_missing"]),
        (replace(STARTED, volume_ml=None), [SOUND], ["volume_missing"]),
        (replace(STARTED, volume_ml=Decimal(0)), [SOUND], []),
        (STARTED, [SOUND, UNCHECKED], ["bag_not_checked"]),
        (STARTED, [replace(SOUND, before_ledger=True)], ["before_ledger"]),
    ],
)
def test_every_gap_is_named(infusion, bags, expected):
    """A missing bag, check, volume or ledger is one gap each."""
    assert codes(infusion, *bags) == expected


@pytest.mark.parametrize(("infused", "expected"), [(100, []), ("100.001", ["more_than_held"])])
def test_more_than_a_bag_held_is_a_gap(infused, expected):
    """A bag that was emptied is accounted for; a thousandth of a millilitre more is not."""
    account = Account(filled_ml=Decimal(100), infused_ml=Decimal(infused))
    assert codes(STARTED, replace(SOUND, account=account)) == expected


def test_each_infusion_with_unchecked_bags_is_one_major_deviation():
    """Its key stays with the infusion, its sentence names the bags, its evidence all of it."""
    other = replace(UNCHECKED, id="bag-2", label="L-1/B-2")
    second = given(2, date(2026, 6, 8))
    pairs = [(STARTED, [SOUND, UNCHECKED, other]), (second, [SOUND])]
    (found,) = missing_bag_checks(pairs, RULES)
    assert (found.key, found.code) == ("bag_check_missing:1", DeviationCode.BAG_CHECK_MISSING)
    assert (found.severity, found.day) == (DeviationSeverity.MAJOR, DAY)
    assert found.sentence == "Infusion 1 began with unchecked product: L-1/B-1, L-1/B-2."
    assert found.evidence == ("infusion-1", "bag-1", "bag-2")


def test_an_infusion_that_did_not_start_departs_from_nothing():
    """Without a start there was nothing to check before."""
    assert missing_bag_checks([(planned(1, DAY), [UNCHECKED])], RULES) == ()
