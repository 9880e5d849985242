"""Shift of laboratory grades: the CTCAE grade before the first infusion beside the worst since."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.ctcae.grading import GradingResult
from app.domain.facts import LabResult
from app.domain.lab_grades import Background, baseline_grades, grades_for


class ShiftGrade(StrEnum):
    """A grade of a shift table; numbers alone give at most 4 in CTCAE v5.0.

    `not_gradable` could be more than one grade for want of a limit or of an exact value; `missing`
    says that there is no result.
    """

    GRADE_0 = "0"
    GRADE_1 = "1"
    GRADE_2 = "2"
    GRADE_3 = "3"
    GRADE_4 = "4"
    NOT_GRADABLE = "not_gradable"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeShift:
    """One subject's grades of one term by one analyte."""

    soc: str
    term: str
    analyte: str
    baseline: ShiftGrade
    worst: ShiftGrade


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftCell:
    """So many subjects went from one grade to another."""

    baseline: ShiftGrade
    worst: ShiftGrade
    subjects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShifts:
    """The treated subjects of one level, or all when `level` is None; the cells add up to them."""

    level: str | None
    subjects: int
    cells: tuple[ShiftCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTable:
    """One term as one analyte shows it."""

    soc: str
    term: str
    analyte: str
    groups: tuple[GroupShifts, ...]


Shifts = tuple[str | None, Sequence[GradeShift]]
"""A treated subject's level, and what the subject has of shifts."""


def draw_shifts(
    labs: Mapping[str, Sequence[LabResult]], against: Background
) -> tuple[GradeShift, ...]:
    """Grade one treated subject's results, by analyte, before and since the first infusion began.

    The baseline is the last usable value before it (C18); a result of the very instant comes after.
    """
    return tuple(
        shift for analyte in sorted(labs) for shift in _of_analyte(analyte, labs[analyte], against)
    )


def _of_analyte(
    analyte: str, labs: Sequence[LabResult], against: Background
) -> Iterator[GradeShift]:
    since = against.since
    later = [lab for lab in labs if since is not None and lab.at >= since]
    before = _by_term(baseline_grades(analyte, against))
    after = _by_term(found for lab in later for found in grades_for(lab, against))
    for soc, term in sorted({*before, *after}):
        yield GradeShift(
            soc=soc,
            term=term,
            analyte=analyte,
            baseline=_worst(before[soc, term]),
            worst=_worst(after[soc, term]),
        )


def _by_term(
    results: Iterable[GradingResult],
) -> defaultdict[tuple[str, str], list[GradingResult]]:
    found: defaultdict[tuple[str, str], list[GradingResult]] = defaultdict(list)
    for result in results:
        found[result.soc, result.term].append(result)
    return found


def _worst(results: Sequence[GradingResult]) -> ShiftGrade:
    """Give the worst grade, unless a result that cannot be graded could be worse still."""
    if not results:
        return ShiftGrade.MISSING
    certain = max(result.grade_min for result in results)
    if any(not result.gradable and result.grade_max > certain for result in results):
        return ShiftGrade.NOT_GRADABLE
    return ShiftGrade(str(certain))


def shift_tables(subjects: Sequence[Shifts], levels: Sequence[str]) -> tuple[ShiftTable, ...]:
    """Count baseline against worst grade, of every term of which any treated subject has a result.

    A subject without one is counted as missing, so every table has all treated subjects.
    """
    found = [
        (level, {(each.soc, each.term, each.analyte): each for each in shifts})
        for level, shifts in subjects
    ]
    keys = sorted({key for _, shifts in found for key in shifts})
    return tuple(
        ShiftTable(
            soc=soc,
            term=term,
            analyte=analyte,
            groups=tuple(
                _group(
                    level,
                    [
                        shifts.get((soc, term, analyte))
                        for own, shifts in found
                        if level in (None, own)
                    ],
                )
                for level in (None, *levels)
            ),
        )
        for soc, term, analyte in keys
    )


def _group(level: str | None, shifts: Sequence[GradeShift | None]) -> GroupShifts:
    missing = (ShiftGrade.MISSING, ShiftGrade.MISSING)
    found = Counter((each.baseline, each.worst) if each else missing for each in shifts)
    return GroupShifts(
        level=level,
        subjects=len(shifts),
        cells=tuple(
            ShiftCell(baseline=baseline, worst=worst, subjects=found[baseline, worst])
            for baseline in ShiftGrade
            for worst in ShiftGrade
            if found[baseline, worst]
        ),
    )
