"""Versions of one result: which statement counts, what is a resend, what contradicts itself.

Messages may arrive in any order, so nothing here depends on the order of arrival: a statement
stands by when its sender made it (`stated_at`) and by what it claims to be (`standing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.vocabulary import USABLE_LAB_STATUSES, LabStatus, TimePrecision

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
    def order(self) -> tuple[datetime, int, int]:
        """Give the key by which statements of one result follow one another."""
        return (self.stated_at, standing(self.status), self.number)

    @property
    def _said(self) -> tuple[Any, ...]:
        return (self.status, self.content, self.collected_at)

    def repeats(self, other: Statement) -> bool:
        """Tell whether both say the same."""
        return self._said == other._said

    def clashes(self, other: Statement) -> bool:
        """Tell whether both were made at one instant, with one standing, and say different things.

        Nobody can tell which of them counts.
        """
        return self.order[:2] == other.order[:2] and not self.repeats(other)


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

    A statement is a resend when it repeats one of the same instant. One that nothing dates is a
    resend of what counts, and a first report that only its message dates one of any first report:
    sending an old report again is no new statement. Whatever else is dated anew stands anew,
    because something else may have been said between and only come later.
    """
    repeated = next((each for each in versions if _is_resend(new, each, versions)), None)
    if repeated is not None:
        return Judgement.DUPLICATE, repeated
    if any(new.clashes(each) for each in versions):
        return Judgement.CONTRADICTION, None
    collected = any(_of_one_collection(new, each) for each in versions)
    if new.status in FIRST_REPORTS and not collected:
        return Judgement.SPECIMEN_REUSED, None
    return Judgement.VERSION, None


def _is_resend(new: Statement, stored: Statement, versions: Sequence[Statement]) -> bool:
    if not new.repeats(stored):
        return False
    if new.stated_at == stored.stated_at:
        return True
    if new.dated is Dated.RECEIPT:
        return stored == current(versions)
    return new.dated is Dated.MESSAGE and new.status in FIRST_REPORTS


def promoted(new: Statement, versions: Sequence[Statement]) -> Statement | None:
    """Return what a promotion without content makes of the statement before it.

    A preliminary one becomes final, one that is final stays as it is (its `number` is not 0), and
    where there is nothing to promote the answer is None.
    """
    earlier = [each for each in versions if each.stated_at <= new.stated_at]
    if not earlier:
        return None
    before = current(earlier)
    if before.status in USABLE_LAB_STATUSES:
        return before
    if before.status is not LabStatus.PRELIMINARY:
        return None
    return replace(before, status=LabStatus.FINAL, stated_at=new.stated_at, number=0)


def _of_one_collection(one: Statement, other: Statement) -> bool:
    """Tell whether two collection times can be the same, as precisely as they were told."""
    early, late = sorted((one, other), key=lambda each: each.collected_at)
    return late.collected_at - early.collected_at < early.precision.span
