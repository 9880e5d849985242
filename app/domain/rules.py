"""The one decorator for rule sets: frozen data of a protocol definition without unknown keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def rule_set(cls: type[T]) -> type[T]:
    """Make a frozen keyword-only dataclass whose JSON form refuses unknown keys.

    Raise ValueError in `__post_init__` when values contradict one another.
    """
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)
