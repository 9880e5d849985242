"""Rule sets of the shipped NCT07212335 definition, for tests of the pure rules."""

from functools import cache
from typing import TypeVar

from pydantic import TypeAdapter

from app.protocols import read_definition

T = TypeVar("T")


@cache
def section(name: str, rules: type[T]) -> T:
    """Load one section of the shipped definition as its rule set."""
    return TypeAdapter(rules).validate_python(read_definition("NCT07212335", 1)[name])
