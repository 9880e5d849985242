"""Times of response: from the first infusion to a response, and from its start to its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.domain.response_episodes import Course, Episode, merge_ids
from app.domain.response_rules import DeathInDuration, ResponseRules
from app.domain.response_timeline import Timeline
from app.domain.vocabulary import DispositionEvent

TIME_TO_RESPONSE_RULE = "response.response_time_limit_days"
DURATION_RULE = "response.dor_cap_days"


class TimeReason(StrEnum):
    """Why a time stops where it does, when neither an episode nor a departure says so."""

    RESPONSE = "response"
    LATE_RESPONSE = "late_response"
    LIMIT_REACHED = "limit_reached"
    LAST_ASSESSMENT = "last_assessment"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToEvent:
    """A time in whole days, the start day being 0; without an event it is censored.

    `reason` is a TimeReason, an EndReason, or what ended the observation.
    """

    days: int
    event: bool
    start_day: date
    end_day: date
    reason: str
    evidence: tuple[str, ...]
    rule: str


def response_time_limit(timeline: Timeline, rules: ResponseRules) -> date:
    """Give the last day of the response time endpoint: the 8th week after the last (C9)."""
    anchor_day = timeline.treatment.anchor_day(rules.response_time_limit_anchor)
    return anchor_day + timedelta(days=rules.response_time_limit_days)


def first_episode(courses: Iterable[Course]) -> Episode | None:
    """Give the earliest episode of several courses."""
    episodes = (episode for course in courses for episode in course.episodes)
    return min(episodes, key=lambda episode: episode.start_day, default=None)


def time_to_response(
    timeline: Timeline, first: Episode | None, test_days: tuple[date, ...], rules: ResponseRules
) -> TimeToEvent:
    """Count days from the first infusion (day 0) to the start of the first response.

    A response after the limit is censored there (C9); without one, the last count censors.
    """
    limit = response_time_limit(timeline, rules)
    stop = _last_assessment(timeline, test_days, limit)
    if first is not None and first.start_day <= limit:
        stop = _Stop(first.start_day, TimeReason.RESPONSE, first.evidence, event=True)
    elif first is not None:
        stop = _Stop(limit, TimeReason.LATE_RESPONSE, first.evidence)
    start = timeline.treatment.first_day
    infusion = timeline.treatment.evidence[:1]
    return _time(start, infusion, stop, TIME_TO_RESPONSE_RULE)


def duration_of_response(
    timeline: Timeline, course: Course, test_days: tuple[date, ...], rules: ResponseRules
) -> TimeToEvent | None:
    """Count days from the start of the first episode to its end, if by the cap (C8, C17).

    Otherwise the earlier of cap and last count censors. None without an episode by the cap.
    """
    anchor_day = timeline.treatment.anchor_day(rules.dor_cap_anchor)
    cap = anchor_day + timedelta(days=rules.dor_cap_days)
    first = first_episode((course,))
    if first is None or first.start_day > cap:
        return None
    stop = _last_assessment(timeline, test_days, cap)
    gone = timeline.observation_end
    if first.end_day is not None and first.end_reason is not None and first.end_day <= cap:
        stop = _Stop(first.end_day, first.end_reason, first.end_evidence, event=True)
    elif (
        gone is not None
        and gone.reason is DispositionEvent.DIED
        and gone.day <= cap
        and rules.dor_death is DeathInDuration.EVENT
    ):
        stop = _Stop(gone.day, gone.reason, gone.evidence, event=True)
    return _time(first.start_day, first.evidence, stop, DURATION_RULE)


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where a time stops, and what says so."""

    day: date
    reason: str
    evidence: tuple[str, ...]
    event: bool = False


def _last_assessment(timeline: Timeline, test_days: tuple[date, ...], limit: date) -> _Stop:
    """Censor at the last count of those given, or at the limit if that comes earlier."""
    last = max(test_days, default=timeline.treatment.first_day)
    gone = timeline.observation_end
    if last >= limit:
        return _Stop(limit, TimeReason.LIMIT_REACHED, ())
    if gone is not None and gone.day <= limit:
        return _Stop(last, gone.reason, gone.evidence)
    return _Stop(last, TimeReason.LAST_ASSESSMENT, ())


def _time(start: date, evidence: tuple[str, ...], stop: _Stop, rule: str) -> TimeToEvent:
    return TimeToEvent(
        days=(stop.day - start).days,
        event=stop.event,
        start_day=start,
        end_day=stop.day,
        reason=str(stop.reason),
        evidence=merge_ids((evidence, stop.evidence)),
        rule=rule,
    )
