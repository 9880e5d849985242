"""What the numbers of the inbox rest on: the items, which are of no participant yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from app.domain.metrics_explained import ExplainedNumber
from app.domain.metrics_explained_answer import ExplainedAnswer
from app.domain.metrics_numbers import Leaf, numbers
from app.domain.metrics_queries import InboxSummary, WaitingItems, inbox_summary


@dataclass(frozen=True, slots=True, kw_only=True)
class _InboxNumbers:
    inbox: InboxSummary


def explain_inbox(items: Mapping[str, WaitingItems], today: date) -> ExplainedAnswer:
    """Say which of the open items, by id, add to the numbers of the inbox.

    An item adds to a count that it makes alone; to the longest wait, if its own is as long.
    """
    total = _numbers(tuple(items.values()), today)
    alone = {record_id: _numbers((item,), today) for record_id, item in items.items()}
    found = (
        ExplainedNumber(
            leaf=leaf,
            contributions=(),
            records=tuple(each for each, own in alone.items() if _adds(leaf, own)),
        )
        for leaf in total.values()
    )
    return ExplainedAnswer(
        numbers=tuple(number for number in found if number.records),
        places=frozenset(total),
        derived={},
    )


def _numbers(items: tuple[WaitingItems, ...], today: date) -> dict[str, Leaf]:
    return numbers(_InboxNumbers(inbox=inbox_summary(items, today)))


def _adds(leaf: Leaf, own: Mapping[str, Leaf]) -> bool:
    value = own[leaf.pointer].value if leaf.pointer in own else 0
    return value == leaf.value if leaf.is_value else value != 0
