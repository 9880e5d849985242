"""Episodes of response: the one concept that every endpoint derives from.

Two consecutive tests that meet a criterion, free of transfusions, begin an episode; the first
later test that does not meet it, or the first transfusion, ends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.domain.facts import Transfusion
from app.domain.response_flags import Flag, merge_flags, transfused_within
from app.domain.response_rules import Criterion, ResponseDate, ResponseRules
from app.domain.vocabulary import Lineage


class EndReason(StrEnum):
    """Why an episode ended; a value that cannot be decided never counts as met."""

    BELOW_CRITERIA = "below_criteria"
    UNDETERMINED_VALUE = "undetermined_value"
    TRANSFUSION = "transfusion"


@dataclass(frozen=True, slots=True)
class Mark:
    """One dated test seen by one criterion; `met` None means that the data cannot tell."""

    day: date
    met: bool | None
    evidence: tuple[str, ...]
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A confirmed response of a lineage, or of the whole subject when `lineage` is None."""

    criterion: Criterion
    lineage: Lineage | None
    start_day: date
    first_test_day: date
    confirmed_day: date
    end_day: date | None
    end_reason: EndReason | None
    evidence: tuple[str, ...]
    end_evidence: tuple[str, ...]
    flags: tuple[Flag, ...]
    rule: str

    def covers(self, day: date) -> bool:
        """Tell whether the subject is in this episode on `day`; no longer on its end day."""
        return self.start_day <= day and (self.end_day is None or day < self.end_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingConfirmation:
    """A test that meets the criterion while the next one is still to come.

    `start_day` is where the episode would begin; None if that is the confirming test's day.
    """

    first_test_day: date
    start_day: date | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """All episodes of one criterion in order, and what may still become one."""

    criterion: Criterion
    lineage: Lineage | None
    episodes: tuple[Episode, ...]
    pending: PendingConfirmation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strand:
    """What a course is read from: tests by day, and the transfusions that block it by time.

    Every mark also rests on `evidence` and is doubtful by `flags`, such as those of a baseline.
    `open_on` is the day up to which all is known while another test may come; None if none can.
    """

    criterion: Criterion
    lineage: Lineage | None
    marks: tuple[Mark, ...]
    evidence: tuple[str, ...]
    flags: tuple[Flag, ...]
    transfusions: tuple[Transfusion, ...]
    open_on: date | None


def find_course(strand: Strand, rules: ResponseRules) -> Course:
    """Find every episode of a strand; a new episode needs a new pair of tests."""
    episodes: list[Episode] = []
    pending = None
    position = 0
    marks = strand.marks
    while position < len(marks) and pending is None:
        confirming = _confirming(strand, position, rules)
        if confirming is not None:
            episode = _episode(strand, position, confirming, rules)
            episodes.append(episode)
            position = _first_from(marks, confirming, episode.end_day)
        else:
            pending = _pending(strand, position, rules)
            position += 1
    return Course(
        criterion=strand.criterion,
        lineage=strand.lineage,
        episodes=tuple(episodes),
        pending=pending,
    )


def _first_from(marks: tuple[Mark, ...], confirming: int, end_day: date | None) -> int:
    later = range(confirming + 1, len(marks))
    reached = (index for index in later if end_day is not None and marks[index].day >= end_day)
    return next(reached, len(marks))


def _confirming(strand: Strand, position: int, rules: ResponseRules) -> int | None:
    """Give the position of the test that confirms the one at `position`, if there is one.

    Tests closer than `min_days_between_tests` must meet the criterion but cannot confirm.
    """
    first = strand.marks[position]
    if not first.met:
        return None
    for index in range(position + 1, len(strand.marks)):
        later = strand.marks[index]
        if not later.met:
            return None
        if (later.day - first.day).days >= rules.min_days_between_tests:
            return None if _is_blocked(strand, first.day, later.day, rules) else index
    return None


def _pending(strand: Strand, position: int, rules: ResponseRules) -> PendingConfirmation | None:
    """Keep a test that only waits for the next: nothing since speaks against it."""
    first = strand.marks[position]
    since = strand.marks[position:]
    if strand.open_on is None or not all(mark.met for mark in since):
        return None
    if _is_blocked(strand, first.day, strand.open_on, rules):
        return None
    dates_from_first = rules.response_date is ResponseDate.FIRST
    return PendingConfirmation(
        first_test_day=first.day,
        start_day=first.day if dates_from_first else None,
        evidence=merge_ids((strand.evidence, first.evidence)),
    )


def _is_blocked(strand: Strand, first: date, last: date, rules: ResponseRules) -> bool:
    """Tell whether a transfusion or too long a gap forbids an episode from `first` to `last`."""
    longest = rules.confirmation_max_gap_days
    if longest is not None and last - first > timedelta(days=longest):
        return True
    return bool(transfused_within(strand.transfusions, first, last, rules.transfusion_free_days))


def _episode(strand: Strand, position: int, confirming: int, rules: ResponseRules) -> Episode:
    pair = (strand.marks[position], strand.marks[confirming])
    end_day, end_reason, end_evidence = _find_end(strand, confirming)
    dates_from_first = rules.response_date is ResponseDate.FIRST
    return Episode(
        criterion=strand.criterion,
        lineage=strand.lineage,
        start_day=pair[0 if dates_from_first else 1].day,
        first_test_day=pair[0].day,
        confirmed_day=pair[1].day,
        end_day=end_day,
        end_reason=end_reason,
        evidence=merge_ids((strand.evidence, *(mark.evidence for mark in pair))),
        end_evidence=end_evidence,
        flags=merge_flags((strand.flags, *(mark.flags for mark in pair))),
        rule=f"response.episode.{strand.criterion}",
    )


def _find_end(
    strand: Strand, confirming: int
) -> tuple[date | None, EndReason | None, tuple[str, ...]]:
    """Find the first later test not met or transfusion; on one day the test is named."""
    confirmed_day = strand.marks[confirming].day
    failed = next((mark for mark in strand.marks[confirming + 1 :] if not mark.met), None)
    blood = next((entry for entry in strand.transfusions if entry.day > confirmed_day), None)
    if blood is not None and (failed is None or blood.day < failed.day):
        return blood.day, EndReason.TRANSFUSION, (blood.id,)
    if failed is None:
        return None, None, ()
    undetermined = failed.met is None
    reason = EndReason.UNDETERMINED_VALUE if undetermined else EndReason.BELOW_CRITERIA
    return failed.day, reason, merge_ids((strand.evidence, failed.evidence))


def merge_ids(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Join groups of evidence ids, each id once, in the order of first appearance."""
    return tuple(dict.fromkeys(entry for group in groups for entry in group))
