"""The numbers of a view, under pointers that name rows by what they are."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from app.domain.metrics_numbers import numbers


@dataclass(frozen=True)
class Row:
    """A row that its level tells apart."""

    level: str | None
    found: Any


@dataclass(frozen=True)
class View:
    """A view with rows, entries and numbers."""

    rows: tuple[Row, ...] = ()
    entries: Any = None
    total: Any = None


def pointers(view):
    """Show the numbers by pointer."""
    return {pointer: leaf.value for pointer, leaf in numbers(view).items()}


def test_rows_are_named_by_their_keys_and_entries_by_theirs():
    """A row without a level is that of all; a slash in a name is escaped."""
    view = View(rows=(Row(None, 3), Row("A/B", 2)), entries={"x~y": {True: 1}}, total=Decimal(5))
    assert pointers(view) == {
        "/rows/level=null/found": 3,
        "/rows/level=A~1B/found": 2,
        "/entries/x~0y/true": 1,
        "/total": Decimal(5),
    }
    leaf = numbers(view)["/rows/level=A~1B/found"]
    assert (leaf.section, leaf.names, leaf.keys) == ("rows", ("rows", "found"), {"level": "A/B"})


def test_words_days_and_truths_are_no_numbers():
    """Only whole and decimal numbers are listed."""
    assert pointers(View(rows=(Row("A", "word"),), entries={"a": True}, total=None)) == {}


def test_rows_that_cannot_be_told_apart_are_refused():
    """Two rows of one level would share a pointer."""
    with pytest.raises(ValueError, match="Two numbers"):
        numbers(View(rows=(Row("A", 1), Row("A", 2))))
