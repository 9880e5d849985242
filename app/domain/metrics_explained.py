"""What the numbers of the metrics rest on: the same count, made of each participant alone.

Every count of the metrics adds up over participants. So the count of one alone is what that one
adds, and an explanation made in this way cannot disagree with its number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from app.domain.metric_subject import MetricSubject
from app.domain.metrics_numbers import Leaf, numbers
from app.domain.metrics_support import (
    MetricFamily,
    is_shown_by,
    supporting,
    time_behind,
    with_one_record,
)
from app.domain.metrics_support_conduct import CountedRecords, Ids
from app.domain.response_durations import TimeToEvent

Number = int | Decimal
Count = Callable[[tuple[MetricSubject, ...]], Any]
"""Counts participants into a view, a tree of frozen dataclasses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one participant adds to a whole number, or is where the number is a value.

    `records` are the ids of those that by themselves would make the participant count, and of the
    evidence of the conclusion that counts; `time` is the participant's own, of a number of times.
    """

    subject: MetricSubject
    adds: Number
    records: Ids
    time: TimeToEvent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedNumber:
    """A number with everybody who adds to it, and the `records` that are nobody's."""

    leaf: Leaf
    contributions: tuple[Contribution, ...]
    records: Ids = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How one answer of the metrics is counted: a pure count of participants.

    `records` are, by their ids, what numbers name that the participants do not keep.
    """

    family: MetricFamily
    count: Count
    records: Mapping[str, CountedRecords] = field(default_factory=dict)


def explain_numbers(
    counted: Counted, subjects: Sequence[MetricSubject]
) -> tuple[ExplainedNumber, ...]:
    """Say who adds to the numbers of `subjects`.

    A number that nobody adds to, because it is none or fixed by the protocol, is left out.
    """
    everybody, count = tuple(subjects), counted.count
    total = numbers(count(everybody))
    nobody = numbers(count(()))
    found: defaultdict[str, list[Contribution]] = defaultdict(list)
    for place, subject in enumerate(everybody):
        without = _Without(count, everybody[:place] + everybody[place + 1 :])
        alone = numbers(count((subject,)))
        shares = dict(_shares(total, alone, nobody, without))
        named = _single_records(counted, subject, nobody) if shares else {}
        for pointer, adds in shares.items():
            named_alone = named.get(pointer, ())
            found[pointer].append(
                _contribution(counted, subject, total[pointer], adds, named_alone)
            )
    return tuple(
        ExplainedNumber(leaf=leaf, contributions=tuple(found[pointer]))
        for pointer, leaf in total.items()
        if pointer in found
    )


def _contribution(
    counted: Counted, subject: MetricSubject, leaf: Leaf, adds: Number, named: Sequence[str]
) -> Contribution:
    """Put together what one adds to a number, and the records behind it, each once."""
    own = counted.records.get(subject.subject_id, CountedRecords())
    records = (*named, *supporting(counted.family, subject, own, leaf))
    return Contribution(
        subject=subject,
        adds=adds,
        records=tuple(dict.fromkeys(records)),
        time=time_behind(counted.family, subject, leaf),
    )


class _Without:
    """The numbers of everybody but one, counted when they are needed."""

    def __init__(self, count: Count, others: tuple[MetricSubject, ...]) -> None:
        self._count, self._others = count, others

    @cached_property
    def numbers(self) -> Mapping[str, Leaf]:
        """Count them, once."""
        return numbers(self._count(self._others))


def _shares(
    total: Mapping[str, Leaf],
    alone: Mapping[str, Leaf],
    nobody: Mapping[str, Leaf],
    without: _Without,
) -> Iterator[tuple[str, Number]]:
    """Give what one adds to each number, where it is anything.

    A row that one alone does not make is there without that one too; then the difference tells.
    """
    for pointer, leaf in total.items():
        base = nobody[pointer].value if pointer in nobody else None
        own = alone[pointer].value if pointer in alone else None
        if leaf.is_value:
            if own is not None and own != base:
                yield pointer, own
        elif own is not None:
            if own != (base or 0):
                yield pointer, own - (base or 0)
        elif adds := _in_company(leaf, alone, without):
            yield pointer, adds


def _in_company(leaf: Leaf, alone: Mapping[str, Leaf], without: _Without) -> Number:
    """Give what one adds to a row that is not there for that one alone.

    Where it is not there without that one either, one makes what the row stands in, and somebody
    else the row: whoever has what it stands in alone adds nothing.
    """
    others = without.numbers.get(leaf.pointer)
    if others is not None:
        return leaf.value - others.value
    around = f"{leaf.around}/"
    return 0 if any(pointer.startswith(around) for pointer in alone) else leaf.value


def _single_records(
    counted: Counted, subject: MetricSubject, nobody: Mapping[str, Leaf]
) -> Mapping[str, list[str]]:
    """Find the records that by themselves would make the participant count, by number."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for record_id, sections, variant in with_one_record(counted.family, subject):
        for pointer, leaf in numbers(counted.count((variant,))).items():
            base = nobody[pointer].value if pointer in nobody else 0
            if is_shown_by(leaf, sections) and leaf.value != base:
                found[pointer].append(record_id)
    return found
