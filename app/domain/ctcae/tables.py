"""The numeric laboratory rules of CTCAE v5.0 as data, with thresholds in canonical units.

The outer bound of a band belongs to the lower grade, so a rule tests one edge, and the highest
grade with a rule that holds is the grade. Where the dictionary prints two unit systems the SI one
counts. Hyperglycemia and the phosphate terms have no numeric grades in v5.0 and are absent; urea
nitrogen, prothrombin time, D-dimer, ferritin, CRP, immunoglobulins and cytokines have no term.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from app.domain.ctcae.terms import Term, find_term
from app.domain.quantities import Relation


class Direction(StrEnum):
    """The side on which a value is bad; it also tells which reference limit matters."""

    LOW = "low"
    HIGH = "high"


class Basis(StrEnum):
    """What the number of a rule multiplies or adds to."""

    ABSOLUTE = "ABS"
    TIMES_LLN = "xLLN"
    TIMES_ULN = "xULN"
    ABOVE_ULN = "ULN+"
    TIMES_BASELINE = "xBASE"
    PERCENT_CHANGE = "PCHG"
    ABOVE_BASELINE = "DELTA_BASE"


class Condition(StrEnum):
    """What else must hold for a rule."""

    BASELINE_NORMAL = "baseline_normal"
    BASELINE_ABNORMAL = "baseline_abnormal"
    BELOW_LLN = "below_lln"
    OVER_BASELINE = "over_baseline"
    ANTICOAGULATION = "anticoagulation"
    SYMPTOMS = "symptoms"


@dataclass(frozen=True, slots=True)
class Rule:
    """One edge of a grade: the value stands in `relation` to `number` on the given basis."""

    grade: int
    basis: Basis
    relation: Relation
    number: Decimal
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class LabTable:
    """The rules of one term for one analyte, from the highest grade to the lowest."""

    term: Term
    analyte: str
    direction: Direction
    rules: tuple[Rule, ...]

    def rule_id(self, rule: Rule) -> str:
        """Give the stable identifier of a rule, for example `ctcae5:Anemia:3:HGB:ABS`."""
        parts = ("ctcae5", self.term.name, str(rule.grade), self.analyte, rule.basis)
        return ":".join((*parts, rule.condition) if rule.condition else parts)


def _rules(
    basis: Basis, relation: Relation, numbers: Mapping[int, str], condition: Condition | None = None
) -> tuple[Rule, ...]:
    """Build one rule per grade with the same basis, relation and condition."""
    return tuple(
        Rule(grade, basis, relation, Decimal(number), condition)
        for grade, number in numbers.items()
    )


def _below(numbers: Mapping[int, str], condition: Condition | None = None) -> tuple[Rule, ...]:
    return _rules(Basis.ABSOLUTE, Relation.LT, numbers, condition)


def _above(numbers: Mapping[int, str]) -> tuple[Rule, ...]:
    return _rules(Basis.ABSOLUTE, Relation.GT, numbers)


def _times_lln(numbers: Mapping[int, str], condition: Condition | None = None) -> tuple[Rule, ...]:
    return _rules(Basis.TIMES_LLN, Relation.LT, numbers, condition)


def _times_uln(numbers: Mapping[int, str], condition: Condition | None = None) -> tuple[Rule, ...]:
    return _rules(Basis.TIMES_ULN, Relation.GT, numbers, condition)


def _times_baseline(
    numbers: Mapping[int, str],
    condition: Condition | None = None,
    relation: Relation = Relation.GT,
) -> tuple[Rule, ...]:
    return _rules(Basis.TIMES_BASELINE, relation, numbers, condition)


def _by_baseline(upper: Mapping[int, str], first: str, relation: Relation) -> tuple[Rule, ...]:
    """Build multiples of the limit, or of the baseline if that was above the limit.

    `upper` are grades 2 to 4, the same for both. On an abnormal baseline grade 1 starts at
    `first` times the baseline and everything below is grade 0, even above the limit.
    """
    return (
        *_times_uln({**upper, 1: "1"}, Condition.BASELINE_NORMAL),
        *_times_baseline(upper, Condition.BASELINE_ABNORMAL),
        *_times_baseline({1: first}, Condition.BASELINE_ABNORMAL, relation),
    )


_BELOW_LLN = _times_lln({1: "1"})
_ABOVE_ULN = _times_uln({1: "1"})
_TRANSAMINASE = _by_baseline({4: "20", 3: "5", 2: "3"}, "1.5", Relation.GE)
_CHOLESTASIS = _by_baseline({4: "20", 3: "5", 2: "2.5"}, "2.0", Relation.GE)
# Without symptoms grades 3 and 4 each start one band higher.
_PANCREAS = (
    *_times_uln({3: "5", 2: "1.5", 1: "1"}),
    *_times_uln({4: "5", 3: "2"}, Condition.SYMPTOMS),
)

_ROWS: tuple[tuple[str, str, tuple[Rule, ...]], ...] = (
    ("Anemia", "HGB", _below({3: "80", 2: "100"}) + _BELOW_LLN),
    (
        "Hemoglobin increased",
        "HGB",
        _rules(Basis.ABOVE_ULN, Relation.GT, {3: "40", 2: "20", 1: "0"}),
    ),
    ("Neutrophil count decreased", "ANC", _below({4: "0.5", 3: "1.0", 2: "1.5"}) + _BELOW_LLN),
    ("Platelet count decreased", "PLT", _below({4: "25", 3: "50", 2: "75"}) + _BELOW_LLN),
    ("White blood cell decreased", "WBC", _below({4: "1", 3: "2", 2: "3"}) + _BELOW_LLN),
    ("Leukocytosis", "WBC", _above({3: "100"})),
    ("Lymphocyte count decreased", "LYM", _below({4: "0.2", 3: "0.5", 2: "0.8"}) + _BELOW_LLN),
    ("Lymphocyte count increased", "LYM", _above({3: "20", 2: "4"})),
    ("CD4 lymphocytes decreased", "CD4_ABS", _below({4: "50", 3: "200", 2: "500"}) + _BELOW_LLN),
    ("Eosinophilia", "EOS", _times_uln({1: "1"}, Condition.OVER_BASELINE)),
    ("Alanine aminotransferase increased", "ALT", _TRANSAMINASE),
    ("Aspartate aminotransferase increased", "AST", _TRANSAMINASE),
    ("Alkaline phosphatase increased", "ALP", _CHOLESTASIS),
    ("GGT increased", "GGT", _CHOLESTASIS),
    (
        "Blood bilirubin increased",
        "TBIL",
        _by_baseline({4: "10", 3: "3", 2: "1.5"}, "1.0", Relation.GT),
    ),
    (
        # Multiples of the baseline count whatever it was, even inside the reference range.
        "Creatinine increased",
        "CREA",
        _times_uln({4: "6", 3: "3", 2: "1.5", 1: "1"}) + _times_baseline({3: "3", 2: "1.5"}),
    ),
    (
        "INR increased",
        "INR",
        _above({3: "2.5", 2: "1.5", 1: "1.2"})
        + _times_baseline({3: "2.5", 2: "1.5", 1: "1.0"}, Condition.ANTICOAGULATION),
    ),
    (
        "Activated partial thromboplastin time prolonged",
        "APTT",
        _times_uln({3: "2.5", 2: "1.5", 1: "1"}),
    ),
    (
        "Fibrinogen decreased",
        "FIB",
        _below({4: "0.5"})
        + _times_lln({4: "0.25", 3: "0.5", 2: "0.75", 1: "1"})
        + _rules(
            Basis.PERCENT_CHANGE,
            Relation.LE,
            {4: "-75", 3: "-50", 2: "-25"},
            Condition.BELOW_LLN,
        ),
    ),
    ("Blood lactate dehydrogenase increased", "LDH", _ABOVE_ULN),
    ("CPK increased", "CK", _times_uln({4: "10", 3: "5", 2: "2.5", 1: "1"})),
    ("Lipase increased", "LIP", _PANCREAS),
    ("Serum amylase increased", "AMY", _PANCREAS),
    ("Haptoglobin decreased", "HAPTO", _BELOW_LLN),
    ("Blood bicarbonate decreased", "HCO3", _BELOW_LLN),
    ("Cholesterol high", "CHOL", _above({4: "12.92", 3: "10.34", 2: "7.75"}) + _ABOVE_ULN),
    (
        "Hypertriglyceridemia",
        "TG",
        _above({4: "11.4", 3: "5.7", 2: "3.42"}) + _rules(Basis.ABSOLUTE, Relation.GE, {1: "1.71"}),
    ),
    (
        "Electrocardiogram QT corrected interval prolonged",
        "QTCF",
        _rules(Basis.ABSOLUTE, Relation.GE, {3: "501"})
        + _rules(Basis.ABOVE_BASELINE, Relation.GT, {3: "60"})
        + _above({2: "480"})
        + _rules(Basis.ABSOLUTE, Relation.GE, {1: "450"}),
    ),
    ("Hypernatremia", "NA", _above({4: "160", 3: "155", 2: "150"}) + _ABOVE_ULN),
    (
        # The printed band ends at 129: what lies between 129 and 130 is counted with it.
        "Hyponatremia",
        "NA",
        _below({4: "120", 3: "125", 2: "130"})
        + _below({3: "130"}, Condition.SYMPTOMS)
        + _BELOW_LLN,
    ),
    ("Hyperkalemia", "K", _above({4: "7", 3: "6", 2: "5.5"}) + _ABOVE_ULN),
    (
        "Hypokalemia",
        "K",
        _below({4: "2.5", 3: "3.0"}) + _times_lln({2: "1"}, Condition.SYMPTOMS) + _BELOW_LLN,
    ),
    ("Hypercalcemia", "CA", _above({4: "3.4", 3: "3.1", 2: "2.9"}) + _ABOVE_ULN),
    ("Hypocalcemia", "CA", _below({4: "1.5", 3: "1.75", 2: "2.0"}) + _BELOW_LLN),
    ("Hypercalcemia", "ICA", _above({4: "1.8", 3: "1.6", 2: "1.5"}) + _ABOVE_ULN),
    ("Hypocalcemia", "ICA", _below({4: "0.8", 3: "0.9", 2: "1.0"}) + _BELOW_LLN),
    ("Hypermagnesemia", "MG", _above({4: "3.3", 3: "1.23"}) + _ABOVE_ULN),
    ("Hypomagnesemia", "MG", _below({4: "0.3", 3: "0.4", 2: "0.5"}) + _BELOW_LLN),
    ("Hypoglycemia", "GLU", _below({4: "1.7", 3: "2.2", 2: "3.0"}) + _BELOW_LLN),
    ("Hypoalbuminemia", "ALB", _below({3: "20", 2: "30"}) + _BELOW_LLN),
    ("Hyperuricemia", "UA", _ABOVE_ULN + _times_uln({3: "1"}, Condition.SYMPTOMS)),
    ("Acidosis", "PH", _below({3: "7.3"}) + _BELOW_LLN),
    ("Alkalosis", "PH", _above({3: "7.5"}) + _ABOVE_ULN),
)


def _table(name: str, analyte: str, rules: tuple[Rule, ...]) -> LabTable:
    term = find_term(name)
    assert term is not None, f"{name} is not a CTCAE v5.0 term"
    low = rules[0].relation in (Relation.LT, Relation.LE)
    highest_first = tuple(sorted(rules, key=lambda rule: -rule.grade))
    return LabTable(term, analyte, Direction.LOW if low else Direction.HIGH, highest_first)


LAB_TABLES: tuple[LabTable, ...] = tuple(_table(*row) for row in _ROWS)
TABLES_BY_ANALYTE: Mapping[str, tuple[LabTable, ...]] = MappingProxyType(
    {
        analyte: tuple(table for table in LAB_TABLES if table.analyte == analyte)
        for analyte in sorted({table.analyte for table in LAB_TABLES})
    }
)
