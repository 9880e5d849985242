"""Versions of one result: which statement counts, what is a resend, what contradicts itself.

Messages may arrive in any order, so nothing here depends on the order of arrival: a statement
stands by what it settles (`weight`), by when it was made (`stated_at`) and by what it claims to be
(`standing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.vocabulary import LabStatus, TimePrecision

# Of two statements of one instant the correction stands above what it corrects. A cancellation
# ranks with a final result: both at one instant contradict each other, and a person decides.
_STANDING = {
    LabStatus.PRELIMINARY: 1,
    LabStatus.FINAL: 2,
    LabStatus.CANCELLED: 2,
    LabStatus.CORRECTED: 3,
    LabStatus.AMENDED: 3,
    LabStatus.ENTERED_IN_ERROR: 4,
}
FIRST_REPORTS = frozenset({LabStatus.PRELIMINARY, LabStatus.FINAL})


def standing(status: LabStatus) -> int:
    """Return the rank of a status among statements of the same instant."""
    return _STANDING[status]


class Dated(StrEnum):
    """Who says when a statement was made."""

    SENDER = "sender"
    MESSAGE = "message"  # no status time was given, so the message's own stands in
    RECEIPT = "receipt"  # nothing was given, so it was made when it came
    NOTHING = "nothing"  # nothing was stated yet, only that something will be


def weight(status: LabStatus, dated: Dated) -> int:
    """Return what stands above time: 0 what settles nothing, 1 an undated final report, 2 else.

    A preliminary report never undoes a final one. An old report may be sent again at any time, in a
    message of its own; so the time of a message lifts no first report above a correction.
    """
    if status is LabStatus.PRELIMINARY or dated is Dated.NOTHING:
        return 0
    return 1 if status is LabStatus.FINAL and dated is not Dated.SENDER else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a sender said about one result of one specimen.

    `content` is everything that makes two statements the same, without status and collection.
    `number` is the version it is stored as, 0 while it is not.
    """

    content: tuple[Any, ...]
    status: LabStatus
    collected_at: datetime
    precision: TimePrecision
    stated_at: datetime
    dated: Dated = Dated.SENDER
    number: int = 0

    @property
    def order(self) -> tuple[int, datetime, int, int]:
        """Give the key by which statements of one result follow one another."""
        return (weight(self.status, self.dated), self.stated_at, standing(self.status), self.number)

    @property
    def _said(self) -> tuple[Any, ...]:
        return (self.status, self.content, self.collected_at)

    def repeats(self, other: Statement) -> bool:
        """Tell whether both say the same."""
        return self._said == other._said

    def is_of_one_collection(self, other: Statement) -> bool:
        """Tell whether two collection times can be the same, as precisely as they were told."""
        early, late = sorted((self, other), key=lambda each: each.collected_at)
        return late.collected_at - early.collected_at < early.precision.span

    def clashes(self, other: Statement) -> bool:
        """Tell whether both were made at one instant, with one standing, and say different things.

        Nobody can tell which of them counts.
        """
        at_once = self.order[:3] == other.order[:3] and self.is_of_one_collection(other)
        return at_once and not self.repeats(other)


class Judgement(StrEnum):
    """What a statement is to the versions that are stored."""

    VERSION = "version"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    SPECIMEN_REUSED = "specimen_reused"


def current(versions: Iterable[Statement]) -> Statement:
    """Return the version that counts: the one stated last."""
    return max(versions, key=lambda version: version.order)


def judge(new: Statement, versions: Sequence[Statement]) -> tuple[Judgement, Statement | None]:
    """Judge a statement beside the stored versions; give the version that it repeats.

    A statement is a resend when it repeats one of the same instant. A first report that its sender
    does not date is a resend of any that it repeats, and any other that nothing dates one of what
    counts. Whatever else is dated anew stands anew, because something else may have been said
    between and only come later. Another collection time is a question for a person, also in a
    correction: it may be meant for another specimen.
    """
    repeated = next((each for each in versions if _is_resend(new, each, versions)), None)
    if repeated is not None:
        return Judgement.DUPLICATE, repeated
    if not any(new.is_of_one_collection(each) for each in versions):
        return Judgement.SPECIMEN_REUSED, None
    if any(new.clashes(each) for each in versions):
        return Judgement.CONTRADICTION, None
    return Judgement.VERSION, None


def _is_resend(new: Statement, stored: Statement, versions: Sequence[Statement]) -> bool:
    if not new.repeats(stored):
        return False
    undated_report = new.status in FIRST_REPORTS and new.dated is not Dated.SENDER
    if new.stated_at == stored.stated_at or undated_report:
        return True
    return new.dated is Dated.RECEIPT and stored == current(versions)


def promotable(promotion: Statement, versions: Sequence[Statement]) -> Statement | None:
    """Return the version that a promotion without content speaks of: the last one before it.

    A preliminary one becomes final as of when it was stated, so that what was said since stands
    above it whenever it comes. Any other has been settled. None when nothing was said before.
    """
    earlier = [
        each
        for each in versions
        if each.stated_at <= promotion.stated_at
        and (weight(each.status, each.dated) or each.status is LabStatus.PRELIMINARY)
    ]
    return current(earlier) if earlier else None
