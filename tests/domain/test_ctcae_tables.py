"""The numeric CTCAE v5.0 tables are consistent with the dictionary and the catalogue."""

from collections import Counter

from app.domain.analytes import find_analyte
from app.domain.ctcae.tables import LAB_TABLES, TABLES_BY_ANALYTE, Basis, Condition, Direction
from app.domain.quantities import Relation


def test_rule_identifiers_are_unique_and_stable():
    """Every rule has its own identifier; a known one keeps its form."""
    ids = [table.rule_id(rule) for table in LAB_TABLES for rule in table.rules]
    assert len(set(ids)) == len(ids) == 175
    assert "ctcae5:Anemia:3:HGB:ABS" in ids
    assert "ctcae5:Alanine aminotransferase increased:1:ALT:xBASE:baseline_abnormal" in ids
    assert "ctcae5:Hypercalcemia:4:ICA:ABS" in ids


def test_rules_use_grades_that_exist_and_catalogue_keys():
    """No rule gives a grade that its term lacks, or death, or uses an unknown analyte."""
    for table in LAB_TABLES:
        assert find_analyte(table.analyte).key == table.analyte
        assert find_analyte(table.analyte).canonical_unit is not None
        for rule in table.rules:
            assert rule.grade in table.term.grades
            assert rule.grade < 5


def test_rules_are_sorted_and_look_one_way():
    """The highest grade comes first and all relations of a table have one direction."""
    low = {Relation.LT, Relation.LE}
    for table in LAB_TABLES:
        grades = [rule.grade for rule in table.rules]
        assert grades == sorted(grades, reverse=True)
        for rule in table.rules:
            assert (rule.relation in low) == (table.direction is Direction.LOW)


def test_a_limit_of_the_other_side_is_never_used():
    """Rules on low values use the lower limit only, rules on high values the upper one only."""
    upper = {Basis.TIMES_ULN, Basis.ABOVE_ULN}
    for table in LAB_TABLES:
        bases = {rule.basis for rule in table.rules}
        if table.direction is Direction.LOW:
            assert not bases & upper
        else:
            assert Basis.TIMES_LLN not in bases


def test_numbers_are_ordered_within_a_basis():
    """A higher grade is never reached before a lower one on the same basis and condition."""
    for table in LAB_TABLES:
        series = {(rule.basis, rule.condition) for rule in table.rules}
        for basis, condition in series:
            numbers = [
                r.number for r in table.rules if (r.basis, r.condition) == (basis, condition)
            ]
            falling = table.direction is Direction.HIGH
            assert numbers == sorted(numbers, reverse=falling)
            assert len(set(numbers)) == len(numbers)


def test_every_table_is_found_by_its_analyte():
    """The index holds every table once; calcium has two analytes for two terms."""
    indexed = [table for tables in TABLES_BY_ANALYTE.values() for table in tables]
    assert Counter(map(id, indexed)) == Counter(map(id, LAB_TABLES))
    assert len(LAB_TABLES) == 43
    by_term = Counter(table.term.name for table in LAB_TABLES)
    assert {name for name, count in by_term.items() if count > 1} == {
        "Hypercalcemia",
        "Hypocalcemia",
    }


def test_clinical_conditions_are_where_the_numbers_do_not_suffice():
    """Only six terms depend on symptoms or on anticoagulation."""
    clinical = {Condition.SYMPTOMS, Condition.ANTICOAGULATION}
    names = {
        table.term.name
        for table in LAB_TABLES
        if any(rule.condition in clinical for rule in table.rules)
    }
    assert names == {
        "Hypokalemia",
        "Hyponatremia",
        "Lipase increased",
        "Serum amylase increased",
        "Hyperuricemia",
        "INR increased",
    }
