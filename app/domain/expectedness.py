"""Whether an adverse event was expected: by the reference safety information, or as judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.ctcae.terms import needs_specification
from app.domain.errors import DomainError, ErrorKind, Reason

_DEATH = 5
_LAPSED = (
    "The investigator called it expected before it got worse or another term; that word no longer"
    " holds, so state it anew."
)


class ExpectednessSource(StrEnum):
    """What an event's expectedness rests on."""

    RECORDED = "recorded"
    REFERENCE = "reference"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEntry:
    """A term that is expected, up to a grade; without one at every grade but death."""

    term: str
    max_expected_grade: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceVersion:
    """A version of the reference safety information.

    `signed_on` is the local day of its first signature, None while it waits for one.
    """

    number: int
    effective_on: date
    signed_on: date | None
    entries: tuple[ReferenceEntry, ...]

    @property
    def counts_from(self) -> date | None:
        """The first day whose events it is about: it never decides on days before its signature.

        Otherwise a late signature could turn a report that is overdue into one never due.
        """
        return None if self.signed_on is None else max(self.effective_on, self.signed_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectedness:
    """Whether an event was expected, None while undecided, and what says so.

    `recorded` is the investigator's word, which counts; `derived` is what the version in force on
    the day of awareness says; `difference` names it when the two contradict each other.
    """

    expected: bool | None
    source: ExpectednessSource
    recorded: bool | None
    derived: bool | None
    reference_version: int | None
    sentence: str
    difference: str | None


def check_entries(entries: Sequence[tuple[ReferenceEntry, frozenset[int]]]) -> None:
    """Refuse a list that names a term twice, one that says nothing, or a grade its term lacks.

    The grades of each entry's term are given beside it.

    Raises DomainError (invalid) with one reason for each entry at fault.
    """
    reasons: list[Reason] = []
    seen: set[str] = set()
    for place, (entry, grades) in enumerate(entries):
        where = f"/body/entries/{place}"
        if entry.term in seen:
            reasons.append(
                Reason("term_twice", "This term is listed before; list it once.", f"{where}/term")
            )
        seen.add(entry.term)
        reasons += _faults(entry, grades, where)
    if reasons:
        raise DomainError(
            ErrorKind.INVALID,
            reasons[0].code,
            "The reference safety information contradicts the dictionary or itself; see each"
            " entry.",
            tuple(reasons),
        )


def _faults(entry: ReferenceEntry, grades: frozenset[int], where: str) -> Iterator[Reason]:
    """Say what is wrong with one entry, given the grades of its term."""
    if needs_specification(entry.term):
        yield Reason(
            "term_says_nothing",
            "A list of expected events names what they are; this term holds whatever has no term"
            " of its own.",
            f"{where}/term",
        )
    if entry.max_expected_grade not in (None, *grades):
        known = ", ".join(str(grade) for grade in sorted(grades))
        yield Reason(
            "grade_not_in_term",
            f"This term has only the grades {known}.",
            f"{where}/max_expected_grade",
        )


def version_in_force(versions: Iterable[ReferenceVersion], day: date) -> ReferenceVersion | None:
    """Find the version for events of a local day: of those that count, the one from latest on."""
    counting = [
        (version.counts_from, version.number, version)
        for version in versions
        if version.counts_from is not None and version.counts_from <= day
    ]
    return max(counting, key=lambda each: each[:2])[2] if counting else None


def is_listed(term: str, grade: int, version: ReferenceVersion) -> bool:
    """Tell whether a version expects an event of this term and grade.

    A death is expected only where the list says grade 5: no term is fatal by silence. What has no
    term of its own is never expected, because two such events share nothing but the term.
    """
    if needs_specification(term):
        return False
    for entry in version.entries:
        if entry.term == term:
            highest = _DEATH - 1 if entry.max_expected_grade is None else entry.max_expected_grade
            return grade <= highest
    return False


def word_lapses(word: bool | None, before: tuple[str, int], after: tuple[str, int]) -> bool:
    """Tell whether "expected" was said of another event than this: a new term or a worse grade.

    Both are given as a term and the worst grade. "Unexpected" is the word of caution and stays.
    """
    return word is True and (after[0] != before[0] or after[1] > before[1])


def expectedness(
    recorded: bool | None,
    term: str,
    grade: int,
    version: ReferenceVersion | None,
    *,
    lapsed: bool = False,
) -> Expectedness:
    """Judge an event by the investigator's word, else by the version in force.

    `lapsed` says that the word was "expected", about another term or a lower grade.
    """
    derived = None if version is None else is_listed(term, grade, version)
    source = ExpectednessSource.RECORDED
    if recorded is None:
        source = ExpectednessSource.UNDECIDED if version is None else ExpectednessSource.REFERENCE
    number = None if version is None else version.number
    differs = recorded is not None and derived is not None and recorded is not derived
    return Expectedness(
        expected=derived if recorded is None else recorded,
        source=source,
        recorded=recorded,
        derived=derived,
        reference_version=number,
        sentence=_sentence(recorded, derived, number),
        difference=_difference(recorded, number) if differs else _LAPSED if lapsed else None,
    )


def _sentence(recorded: bool | None, derived: bool | None, number: int | None) -> str:
    """Say what decides."""
    if recorded is not None:
        return f"The investigator recorded it as {_word(recorded)}."
    if derived is None:
        return (
            "No signed reference safety information was in force on the day of awareness, and the"
            " investigator recorded nothing."
        )
    verb = "lists" if derived else "does not list"
    return f"Version {number} of the reference safety information {verb} it at this grade."


def _difference(recorded: bool | None, number: int | None) -> str:
    return (
        f"Version {number} of the reference safety information says {_word(not recorded)}; the"
        " investigator's word counts."
    )


def _word(expected: bool) -> str:
    return "expected" if expected else "unexpected"
