"""The one decorator for rule sets: frozen data of a protocol definition without unknown keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

# Days, months, weeks, hours, subjects, grades: 27 years of days are the most that a trial needs,
# and all that is reckoned with them stays within the calendar.
LARGEST_WHOLE_NUMBER = 10_000


@dataclass_transform(frozen_default=True, kw_only_default=True)
def rule_set(cls: type[T]) -> type[T]:
    """Make a frozen keyword-only dataclass whose JSON form refuses unknown keys.

    Whole numbers are bounded. Raise ValueError in `__post_init__` when values contradict one
    another.
    """
    own = getattr(cls, "__post_init__", None)

    def check(self: Any) -> None:
        _check_whole_numbers(self)
        if own is not None:
            own(self)

    cls.__post_init__ = check  # type: ignore[attr-defined]
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)


def _check_whole_numbers(rules: Any) -> None:
    for field in fields(rules):
        for value in _values(getattr(rules, field.name)):
            if isinstance(value, int) and abs(value) > LARGEST_WHOLE_NUMBER:
                raise ValueError(f"{field.name} must not go beyond {LARGEST_WHOLE_NUMBER}")


def _values(value: Any) -> Iterator[Any]:
    """Look into tuples and the values of mappings."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, tuple):
        yield from value
    else:
        yield value
