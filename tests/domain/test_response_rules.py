"""The response section of the definition: shipped values, and refused contradictions."""

from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from app.domain.quantities import Relation
from app.domain.response_rules import Bound, LineageRule, ResponseRules, TransfusionScope
from app.domain.vocabulary import Lineage, MedicationClass, TransfusionProduct
from app.protocols import read_definition
from tests.domain.response_cases import RULES


def test_shipped_limits_are_those_of_the_record():
    """The record names 100 g/L, 1.5 and 100, and increases of 15, 0.5 and 10, all with >=."""
    limits = {x.lineage: (x.analyte, x.cr.value, x.pr.value) for x in RULES.lineages}
    assert limits == {
        Lineage.HEMOGLOBIN: ("HGB", 100, 15),
        Lineage.NEUTROPHIL: ("ANC", Decimal("1.5"), Decimal("0.5")),
        Lineage.PLATELET: ("PLT", 100, 10),
    }
    assert {b.relation for x in RULES.lineages for b in (x.cr, x.pr)} == {Relation.GE}


def test_shipped_switches_are_the_documented_defaults():
    """The defaults that reviewers agreed on: registered outcome, all products, below CR."""
    assert (RULES.week_mode, RULES.anchor, RULES.weeks) == ("at", "last", (4, 8))
    assert RULES.lineage_rule is LineageRule.BELOW_CR
    assert RULES.transfusion_scope is TransfusionScope.ANY
    assert (RULES.transfusion_free_days, RULES.visit_window_days) == (7, 3)
    assert (RULES.dor_cap_days, RULES.dor_cap_anchor, RULES.dor_death) == (168, "first", "censor")
    assert (RULES.response_time_limit_days, RULES.response_time_limit_anchor) == (56, "last")


def test_unknown_key_is_refused():
    """A misspelt key in a definition must not silently fall back to anything."""
    document = {**read_definition("NCT07212335", 1)["response"], "week_mod": "at"}
    with pytest.raises(ValidationError, match="week_mod"):
        TypeAdapter(ResponseRules).validate_python(document)


@pytest.mark.parametrize("relation", [Relation.LT, Relation.LE])
def test_upper_limit_is_refused_as_criterion(relation):
    """The lowest value of a day decides only under lower limits."""
    with pytest.raises(ValueError, match="lower limit"):
        Bound(relation=relation, value=Decimal(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lineages": RULES.lineages[:2]}, "exactly once"),
        ({"lineages": (*RULES.lineages, RULES.lineages[0])}, "exactly once"),
        (
            {"lineages": (*RULES.lineages[:2], replace(RULES.lineages[2], analyte="ANC"))},
            "share an analyte",
        ),
        ({"transfusion_products": (TransfusionProduct.RED_CELLS,)}, "missing"),
        ({"weeks": ()}, "Weeks"),
        ({"weeks": (8, 4)}, "Weeks"),
        ({"weeks": (4, 4)}, "Weeks"),
        ({"weeks": (0, 4)}, "Weeks"),
        ({"visit_window_days": -1}, "negative"),
        ({"transfusion_free_days": -1}, "negative"),
        ({"baseline_max_age_days": -1}, "negative"),
        ({"response_time_limit_days": -1}, "negative"),
        ({"dor_cap_days": -1}, "negative"),
        ({"min_days_between_tests": 0}, "min_days_between_tests"),
        ({"min_days_between_tests": 7, "confirmation_max_gap_days": 6}, "max gap"),
    ],
)
def test_contradiction_is_refused(change, message):
    """Values that cannot be meant together never become rules."""
    with pytest.raises(ValueError, match=message):
        replace(RULES, **change)


@pytest.mark.parametrize("key", ["visit_window_days", "transfusion_free_days", "dor_cap_days"])
def test_no_days_at_all_is_accepted(key):
    """Zero days is a meaningful choice: only the day itself."""
    assert getattr(replace(RULES, **{key: 0}), key) == 0


def test_any_week_from_the_first_is_accepted():
    """Another trial may look at week 1."""
    assert replace(RULES, weeks=(1, 4)).weeks == (1, 4)


def test_gap_equal_to_the_least_distance_is_accepted():
    """A gap of exactly the least distance can be fulfilled."""
    rules = replace(RULES, min_days_between_tests=7, confirmation_max_gap_days=7)
    assert rules.confirmation_max_gap_days == 7


def test_confounders_refuse_negative_windows_and_double_classes():
    """A confounder looks back, and each class has one window."""
    confounders = RULES.confounders
    with pytest.raises(ValueError, match="negative"):
        replace(confounders, dexamethasone_hours=-1)
    assert replace(confounders, dexamethasone_hours=0).dexamethasone_hours == 0
    with pytest.raises(ValueError, match="one window"):
        replace(confounders, medications=confounders.medications[:1] * 2)
    first = confounders.medications[0]
    entry = replace(first, medication_class=MedicationClass.DEXAMETHASONE)
    with pytest.raises(ValueError, match="one window"):
        replace(confounders, medications=(entry,))
