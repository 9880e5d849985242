"""Numeric laboratory grading by CTCAE v5.0: one grade, or its bounds and what is missing.

Two kinds of doubt stay apart. Missing data (a limit, or a value that is only a bound) makes a
result not gradable when it could change the answer. Missing clinical input (symptoms,
anticoagulation) does not: the grade is the one that the numbers alone support, and `grade_max` the
one that a clinician could still give. A missing baseline counts as a normal one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.domain.analytes import find_analyte
from app.domain.ctcae.outcome import GradingInput, outcome, threshold
from app.domain.ctcae.tables import TABLES_BY_ANALYTE, Direction, LabTable, Rule
from app.domain.ctcae.terms import DICTIONARY_VERSION, find_term
from app.domain.errors import invalid
from app.domain.quantities import Relation, all_of

__all__ = ["GradingInput", "GradingResult", "grade", "grade_term"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingResult:
    """The grade of one term, 0 when no rule holds; derived, never typed in.

    `grade` is None when `gradable` is False; then the true grade lies from `grade_min` to
    `grade_max`. `missing` names what could still change the answer: `lln`, `uln`, `exact_value`,
    `symptoms`, `anticoagulation`. `rests_on` tells the limit, baseline and threshold used.
    `within_reference_range` is None when the limit on the bad side is unknown.
    """

    term: str
    soc: str
    analyte: str
    grade: int | None
    grade_min: int
    grade_max: int
    gradable: bool
    needs_clinical_input: bool
    within_reference_range: bool | None
    rule: str
    missing: tuple[str, ...]
    rests_on: tuple[str, ...]
    dictionary_version: str = DICTIONARY_VERSION


def grade(analyte: str, given: GradingInput) -> tuple[GradingResult, ...]:
    """Grade a result for every term that its analyte, by key or alias, touches.

    Empty for an analyte without numeric grades. Raises DomainError `unknown_analyte`.
    """
    return tuple(_grade_by(table, given) for table in _tables(analyte))


def grade_term(term: str, analyte: str, given: GradingInput) -> GradingResult:
    """Grade a result for one term.

    Raises DomainError `unknown_analyte`, or `term_not_numeric` when CTCAE v5.0 gives this term no
    numeric grades by this analyte.
    """
    wanted = find_term(term)
    for table in _tables(analyte):
        if table.term == wanted:
            return _grade_by(table, given)
    raise invalid(
        "term_not_numeric",
        "CTCAE v5.0 has no numeric grades for this term and analyte; record a clinical grade.",
    )


def _tables(analyte: str) -> tuple[LabTable, ...]:
    found = find_analyte(analyte)
    if found is None:
        raise invalid("unknown_analyte", "This analyte is not in the catalogue; check its key.")
    return TABLES_BY_ANALYTE.get(found.key, ())


@dataclass(frozen=True, slots=True)
class _Open:
    """A rule that could still hold, and what would settle it."""

    rule: Rule
    missing: str
    clinical: bool


def _grade_by(table: LabTable, raw: GradingInput) -> GradingResult:
    given = _with_usable_limits(raw)
    deciding, open_rules = _search(table, given)
    lowest = deciding.grade if deciding else 0
    gradable = all(each.clinical for each in open_rules)
    rule = table.rule_id(deciding) if deciding else f"ctcae5:{table.term.name}:0"
    return GradingResult(
        term=table.term.name,
        soc=table.term.soc,
        analyte=table.analyte,
        grade=lowest if gradable else None,
        grade_min=lowest,
        grade_max=max((each.rule.grade for each in open_rules), default=lowest),
        gradable=gradable,
        needs_clinical_input=any(each.clinical for each in open_rules),
        within_reference_range=_within_range(table.direction, given),
        rule=rule if gradable else f"ctcae5:{table.term.name}:not_gradable",
        missing=tuple(dict.fromkeys(each.missing for each in open_rules)),
        rests_on=_rests_on(deciding, given),
    )


def _with_usable_limits(given: GradingInput) -> GradingInput:
    """Drop limits that cannot be a reference range, so that no grade rests on them."""
    inverted = given.lln is not None and given.uln is not None and given.lln > given.uln
    unusable = inverted or (given.uln is not None and given.uln <= 0)
    return replace(given, lln=None, uln=None) if unusable else given


def _search(table: LabTable, given: GradingInput) -> tuple[Rule | None, list[_Open]]:
    """Find the highest rule that certainly holds, and the rules above it that may hold."""
    open_rules: list[_Open] = []
    for rule in table.rules:
        holds = outcome(rule, given, clinical=False)
        if holds:
            return rule, [each for each in open_rules if each.rule.grade > rule.grade]
        if holds is None:
            open_rules.append(_Open(rule, _missing(rule, table.direction, given), clinical=False))
        elif rule.condition and outcome(rule, given, clinical=True) is not False:
            open_rules.append(_Open(rule, rule.condition.value, clinical=True))
    return None, open_rules


def _missing(rule: Rule, direction: Direction, given: GradingInput) -> str:
    """Name what an undecided rule waits for: the limit on the bad side, or the number itself."""
    is_exact = given.measurement.comparator is None
    if is_exact or threshold(rule, given) is None:
        return "lln" if direction is Direction.LOW else "uln"
    return "exact_value"


def _within_range(direction: Direction, given: GradingInput) -> bool | None:
    """Tell whether the value lies within the limits known; the one on the bad side must be."""
    known = [
        given.compare(relation, limit)
        for relation, limit in ((Relation.GE, given.lln), (Relation.LE, given.uln))
        if limit is not None
    ]
    return all_of(known if given.limit(direction) is not None else [*known, None])


def _rests_on(deciding: Rule | None, given: GradingInput) -> tuple[str, ...]:
    """Say in short phrases which limits, baseline and threshold the grade used."""
    edge = threshold(deciding, given) if deciding else None
    numbers = {
        "lln": given.lln,
        "uln": given.uln,
        "baseline": given.baseline,
        "baseline uln": given.baseline_uln,
        "threshold": edge,
    }
    return tuple(
        f"{name} {number:f}" + (f" from {given.origins[name]}" if name in given.origins else "")
        for name, number in numbers.items()
        if number is not None
    )
