"""The numbers of a view, a tree of frozen dataclasses, each under a pointer of natural keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any

from app.domain.metrics_conduct import Completeness
from app.domain.metrics_enrolment import MonthlyEnrolment
from app.domain.metrics_trajectories import ValueSummary, VisitPoint
from app.domain.metrics_turnaround import TurnaroundSummary
from app.domain.proportions import Proportion
from app.domain.survival import SurvivalCurve

Key = str | int | None

# What tells the rows of a list apart, in the order in which it is written.
ROW_KEYS = (
    "phase", "level", "month", "criterion", "soc", "term", "special_interest", "basis", "week",
    "mode", "anchor", "denominator", "lineage_rule", "transfusion_scope", "counts_confounded",
    "lineage", "kind", "analyte", "visit", "baseline", "worst", "item", "name", "route", "span",
    "origin",
)  # fmt: skip
# What follows from other numbers, or from what participants have of them.
_DERIVED: dict[type, frozenset[str]] = {
    Proportion: frozenset({"rate", "lower", "upper"}),
    SurvivalCurve: frozenset({"steps", "median"}),
    MonthlyEnrolment: frozenset({"screened_so_far", "enrolled_so_far", "first_treated_so_far"}),
    ValueSummary: frozenset({"minimum", "maximum"}),
    VisitPoint: frozenset({"target_day"}),
    Completeness: frozenset({"rate"}),
    TurnaroundSummary: frozenset({"minimum_minutes", "maximum_minutes"}),
}

# Of these, what follows sums up the rows to there.
_RUNNING = frozenset({MonthlyEnrolment})
# Whole numbers that are the largest of those that participants, or items, have of their own.
_EXTREMES = frozenset({"longest_days", "oldest_days"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One number of a view: where it stands, and what it is counted for.

    `pointer` names members and rows, as in `/groups/level=A/treated`; `names` are the members
    alone, and `keys` what tells apart the rows and the entries on the way, a mapping's entry
    under the mapping's name. `around` is the pointer of what has the innermost list that it
    stands in.
    """

    pointer: str = ""
    names: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    value: int | Decimal = 0
    around: str = ""

    @property
    def is_value(self) -> bool:
        """Tell whether participants have a value of it, of which the number is a middle or sum."""
        return isinstance(self.value, Decimal) or self.names[-1] in _EXTREMES

    @property
    def section(self) -> str:
        """Name the member of the view that the number belongs to."""
        return self.names[0]

    def at_member(self, name: str) -> Leaf:
        """Go to a member of a dataclass."""
        pointer = f"{self.pointer}/{name}"
        return Leaf(pointer, (*self.names, name), self.keys, around=self.around)

    def at_row(self, keys: Mapping[str, Key]) -> Leaf:
        """Go to the row of a list that these keys tell apart."""
        step = ";".join(f"{name}={_word(key)}" for name, key in keys.items())
        pointer, around = f"{self.pointer}/{step}", self.pointer.rpartition("/")[0]
        return Leaf(pointer, self.names, {**self.keys, **keys}, around=around)

    def at_entry(self, key: Key) -> Leaf:
        """Go to an entry of a mapping."""
        pointer, keys = f"{self.pointer}/{_word(key)}", {**self.keys, self.names[-1]: key}
        return Leaf(pointer, self.names, keys, around=self.around)


def numbers(view: Any) -> dict[str, Leaf]:
    """List the numbers of a view by pointer.

    Raises ValueError where rows cannot be told apart.
    """
    found: dict[str, Leaf] = {}
    _collect(view, Leaf(), found)
    return found


def derived_from(view: Any) -> dict[str, str]:
    """Name the numbers of a view that follow from others, with where these begin.

    That is their own row or member; a total so far follows from the rows before it too.
    """
    found: dict[str, str] = {}
    _derive(view, Leaf(), found)
    return found


def _derive(value: Any, at: Leaf, found: dict[str, str]) -> None:
    source = at.pointer.rpartition("/")[0] if type(value) in _RUNNING else at.pointer
    for name in sorted(_DERIVED.get(type(value), ())):
        found[at.at_member(name).pointer] = source
    for place, part in _parts(value, at):
        _derive(part, place, found)


def _collect(value: Any, at: Leaf, found: dict[str, Leaf]) -> None:
    """Put the numbers of a value among those found; a truth value is none."""
    if isinstance(value, int | Decimal):
        if isinstance(value, bool):
            return
        if at.pointer in found:
            raise ValueError(f"Two numbers of a view stand at {at.pointer}.")
        found[at.pointer] = Leaf(at.pointer, at.names, at.keys, value, at.around)
        return
    for place, part in _parts(value, at):
        _collect(part, place, found)


def _parts(value: Any, at: Leaf) -> Iterator[tuple[Leaf, Any]]:
    """Go to the members of a dataclass, the rows of a list, or the entries of a mapping."""
    if is_dataclass(value):
        skipped = _DERIVED.get(type(value), frozenset())
        for each in fields(value):
            member = getattr(value, each.name)
            is_none = member is None or each.name in skipped
            if not is_none and not _is_key(each.name, member):
                yield at.at_member(each.name), member
    elif isinstance(value, tuple):
        for row in value:
            yield at.at_row(_row_keys(row)), row
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield at.at_entry(key), entry


def _is_key(name: str, member: Any) -> bool:
    return name in ROW_KEYS and (member is None or isinstance(member, str | int))


def _row_keys(row: Any) -> dict[str, Key]:
    """Find what tells a row apart; an analyte needs no name beside its key."""
    there = {each.name for each in fields(row)}
    members = {name: getattr(row, name) for name in ROW_KEYS if name in there}
    keys = {name: member for name, member in members.items() if _is_key(name, member)}
    if "analyte" in keys:
        keys.pop("name", None)
    return keys


def _word(key: Key) -> str:
    """Write a key as JSON would, with the signs of JSON Pointer escaped."""
    if key is None:
        return "null"
    word = str(key).lower() if isinstance(key, bool) else str(key)
    return word.replace("~", "~0").replace("/", "~1")
