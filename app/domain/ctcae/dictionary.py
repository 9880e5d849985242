"""Questions to the dictionary: which terms there are, and how a value in any unit is graded."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.domain.analytes import Analyte, find_analyte
from app.domain.ctcae.grading import GradingInput, GradingResult, grade, grade_term
from app.domain.ctcae.tables import LAB_TABLES
from app.domain.ctcae.terms import (
    DICTIONARY_VERSION,
    Term,
    find_term,
    search_terms,
    special_interest,
)
from app.domain.errors import DomainError, invalid
from app.domain.quantities import Comparator, Measurement
from app.domain.reported_results import canonical_range, canonical_value, known_analyte
from app.domain.vocabulary import SpecialInterest


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryEntry:
    """A term with what belongs to it; `analytes` are those that give it numeric grades."""

    term: str
    soc: str
    grades: tuple[int, ...]
    analytes: tuple[str, ...]
    special_interest: tuple[SpecialInterest, ...]
    dictionary_version: str = DICTIONARY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueToGrade:
    """A value by analyte or by term; limits and baseline are in the unit of the value."""

    analyte: str | None = None
    term: str | None = None
    value: Decimal
    comparator: Comparator | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    baseline: Decimal | None = None
    on_anticoagulant: bool | None = None


def find_entries(query: str, soc: str) -> list[DictionaryEntry]:
    """Find the terms that contain every word of `query`, in organ classes that contain `soc`."""
    wanted = soc.strip().casefold()
    return [_entry(term) for term in search_terms(query) if wanted in term.soc.casefold()]


def grade_value(wanted: ValueToGrade) -> list[GradingResult]:
    """Convert a value to the canonical unit and grade it.

    By analyte it is graded for every term of the analyte; by term for each analyte that could
    have this value, as total and ionized calcium could. Raises invalid, naming the field.
    """
    if wanted.analyte is not None:
        analyte = known_analyte(wanted.analyte)
        return list(grade(analyte.key, _input(analyte, wanted)))
    term = find_term(wanted.term or "")
    if term is None:
        raise invalid("unknown_term", "This is not a term of CTCAE v5.0; check it.", "/term")
    analytes = [find_analyte(key) for key in _analytes(term)]
    if not analytes:
        raise invalid(
            "term_not_numeric",
            "CTCAE v5.0 grades this term by no number; record a clinical grade.",
            "/term",
        )
    return _grade_each(term, [analyte for analyte in analytes if analyte], wanted)


def _grade_each(term: Term, analytes: list[Analyte], wanted: ValueToGrade) -> list[GradingResult]:
    """Grade a value for one term by each analyte; refuse it if none could have it."""
    results, refusals = [], []
    for analyte in analytes:
        try:
            results.append(grade_term(term.name, analyte.key, _input(analyte, wanted)))
        except DomainError as error:
            refusals.append(error)
    if not results:
        raise refusals[0]
    return results


def _input(analyte: Analyte, wanted: ValueToGrade) -> GradingInput:
    unit = wanted.unit or ""
    lln, uln = canonical_range(analyte, wanted.lln, wanted.uln, unit)
    baseline = wanted.baseline
    return GradingInput(
        measurement=Measurement(
            canonical_value(analyte, wanted.value, unit, "value"), wanted.comparator
        ),
        lln=lln,
        uln=uln,
        baseline=None if baseline is None else canonical_value(analyte, baseline, unit, "baseline"),
        on_anticoagulant=wanted.on_anticoagulant,
    )


def _entry(term: Term) -> DictionaryEntry:
    return DictionaryEntry(
        term=term.name,
        soc=term.soc,
        grades=term.grades,
        analytes=_analytes(term),
        special_interest=tuple(sorted(special_interest(term.name))),
    )


def _analytes(term: Term) -> tuple[str, ...]:
    return tuple(table.analyte for table in LAB_TABLES if table.term is term)
