"""A past moment as it is known now: what was corrected since counts, what happened since does not.

A record changes for two reasons. Its course goes on: a planned infusion is given, an event ends.
Or it is corrected: the infusion was given on another day, the event was of another grade, or was
recorded late. Whoever decided at a moment could not know the first, and relied on the second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

# A record's fields by name, None for a record that is not there or that was retracted.
Image = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dating:
    """How a kind of record lies in time, and which of its fields a rule reads.

    `began` holds when it happened, None for what has no date and is as it is; `ended` when it was
    over. `tail` are the fields known from its end on, `course` those known from its beginning on,
    each with what it held before that. A record with a course exists before it happens, as a plan.
    `progress` are fields that follow the subject's course, so that a later value corrects nothing.
    """

    read: frozenset[str]
    began: str | None = None
    ended: str | None = None
    tail: Mapping[str, Any] = field(default_factory=dict)
    course: Mapping[str, Any] = field(default_factory=dict)
    progress: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class At:
    """A moment and its calendar day in the study's zone, for what has only a day."""

    instant: datetime
    day: date

    def has_seen(self, when: date | datetime | None) -> bool:
        """Tell whether something of that time had happened; the moment itself is included."""
        if when is None:
            return False
        return when <= (self.instant if isinstance(when, datetime) else self.day)


@dataclass(frozen=True, slots=True)
class FieldMove:
    """A field that reads differently now; None stands for a record that was not there."""

    field: str
    before: Any
    after: Any


def in_hindsight(then: Image, now: Image, dating: Dating, at: At) -> Image:
    """Return a record as it is known now to have been at a moment.

    `then` is what was on record at the moment, `now` what is on record now.
    """
    if now is None or dating.began is None:
        return _keep_progress(then, now, dating)
    if at.has_seen(now[dating.began]):
        return _without_tail(then, now, dating, at)
    if then is None or not at.has_seen(then[dating.began]):
        # Still ahead at the moment, on record then and now: nothing but its course.
        return then
    return {**now, **dating.course} if dating.course else None


def moved_fields(before: Image, after: Image, read: Collection[str]) -> tuple[FieldMove, ...]:
    """List the fields that a rule reads and that differ, by name."""
    if before is None and after is None:
        return ()
    old, new = before or {}, after or {}
    return tuple(
        FieldMove(name, old.get(name), new.get(name))
        for name in sorted(read)
        if old.get(name) != new.get(name)
    )


def _keep_progress(then: Image, now: Image, dating: Dating) -> Image:
    """Read the fields that follow the course as they were."""
    if then is None or now is None:
        return now
    return {**now, **{name: then[name] for name in dating.progress}}


def _without_tail(then: Image, now: Mapping[str, Any], dating: Dating, at: At) -> Image:
    """Leave out an end that came after the moment; what was expected of it then is kept."""
    if dating.ended is None or now[dating.ended] is None or at.has_seen(now[dating.ended]):
        return now
    if then is None or at.has_seen(then[dating.ended]):
        return {**now, **dating.tail}
    return {**now, **{name: then[name] for name in dating.tail}}
