"""The CTCAE dictionary: searched page by page, and asked for the grade of a value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.ctcae import dictionary
from app.domain.ctcae.dictionary import ValueToGrade
from app.domain.ctcae.grading import GradingResult
from app.domain.errors import DomainError
from app.services.paging import Page, bad_cursor

_POSITION = re.compile(r"\d{1,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grades:
    """All grades of one value."""

    results: list[GradingResult]


def list_terms(query: str, soc: str, limit: int, cursor: str | None) -> Page:
    """List a page of the terms found; the dictionary never changes, so a cursor is a position."""
    if cursor is not None and not _POSITION.fullmatch(cursor):
        raise bad_cursor()
    start = int(cursor or 0)
    found = dictionary.find_entries(query, soc)
    end = start + limit
    return Page(found[start:end], str(end) if end < len(found) else None)


def grade_value(wanted: ValueToGrade) -> Grades:
    """Grade a value; raise invalid, naming the field of the body."""
    try:
        return Grades(dictionary.grade_value(wanted))
    except DomainError as error:
        raise error.below("/body") from error
