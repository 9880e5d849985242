"""One whole answer of the metrics with what each of its numbers rests on, to pick numbers from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.errors import invalid
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_explained import Counted, ExplainedNumber, explain_numbers
from app.domain.metrics_numbers import derived_from, numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAnswer:
    """The numbers of an answer that somebody adds to; `places` are the pointers of all numbers.

    `derived` has, for each number that follows from others, the pointer that these begin with.
    """

    numbers: tuple[ExplainedNumber, ...]
    places: frozenset[str]
    derived: Mapping[str, str]

    def beginning(self, metric: str) -> tuple[ExplainedNumber, ...]:
        """Pick the numbers whose pointer begins with `metric`, or which it follows from.

        Raises invalid when the answer has no such number.
        """
        found = self._at(metric)
        if found or any(place.startswith(metric) for place in self.places):
            return found
        for place, source in self.derived.items():
            if place.startswith(metric) or metric.startswith(f"{place}/"):
                return self._at(f"{source}/")
        raise invalid(
            "unknown_metric",
            "No number stands there; name rows by what tells them apart, as in"
            " /groups/level=A/treated, or leave `metric` out.",
            "/query/metric",
        )

    def beside(self, other: ExplainedAnswer) -> ExplainedAnswer:
        """Put two parts of one answer together."""
        return ExplainedAnswer(
            numbers=(*self.numbers, *other.numbers),
            places=self.places | other.places,
            derived={**self.derived, **other.derived},
        )

    def _at(self, beginning: str) -> tuple[ExplainedNumber, ...]:
        return tuple(x for x in self.numbers if x.leaf.pointer.startswith(beginning))


def explain_answer(counted: Counted, subjects: Sequence[MetricSubject]) -> ExplainedAnswer:
    """Explain all numbers that participants add to."""
    view = counted.count(tuple(subjects))
    return ExplainedAnswer(
        numbers=explain_numbers(counted, subjects),
        places=frozenset(numbers(view)),
        derived=derived_from(view),
    )
