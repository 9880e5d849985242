"""Collecting every reason why a sent result cannot be filed, instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.domain.errors import DomainError, Reason
from app.domain.inbound import InboxReason

P = ParamSpec("P")
T = TypeVar("T")


class Doubts:
    """The reasons met on the way, one for each code, in the order in which they were met."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Give the reasons; a code is the value of an InboxReason."""
        return tuple(self._reasons.values())

    def add(self, code: InboxReason, sentence: str) -> None:
        """Add a reason; the sentence shows no value."""
        self._reasons.setdefault(code.value, Reason(code.value, sentence))

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a reader finds, None when it refuses with the code of an InboxReason."""
        try:
            return read(*args, **kwargs)
        except DomainError as error:
            self.add(InboxReason(error.code), error.message)
            return None
