"""What would change the recommendation: the ladder drawn again on one supposed outcome each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import repeat

from app.domain.committee import LadderState
from app.domain.dlt import DltFacts
from app.domain.errors import Reason
from app.domain.escalation import Recommendation, recommend
from app.domain.escalation_steps import LadderAction
from app.domain.evaluability import Evaluability, EvaluabilityState, evaluability
from app.domain.facts import AdverseEvent, DltAdjudication, Infusion
from app.domain.ladder import Blocker, Counted, HoldTrigger, LadderFacts, count_ladder
from app.domain.protocol import ProtocolDefinition
from app.domain.vocabulary import CohortPhase

_TOMORROW = timedelta(days=1)
# Later than any adjudication on record, so that it is the one that counts.
_LAST = datetime.max.replace(tzinfo=UTC)
_SUPPOSED = "supposed"


class Supposition(StrEnum):
    """What is supposed to happen, all else being as it is."""

    DLT = "dlt"
    COMPLETES = "completes_without_dlt"
    ALL_COMPLETE = "all_complete_without_dlt"
    JUDGED_DLT = "adjudicated_as_dlt"
    JUDGED_NOT_DLT = "adjudicated_as_no_dlt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """An enrolled subject: its place, the facts of its course, and how it counts on the day."""

    id: str
    level: str
    phase: CohortPhase
    course: DltFacts
    evaluability: Evaluability


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the ladder would recommend, and which levels nobody could be dosed on."""

    recommendation: LadderAction
    level: str | None
    target_level: str | None
    permitted: bool
    slots_open_now: int
    mtd: str | None
    undosed_levels: tuple[str, ...]
    held_by: tuple[HoldTrigger, ...]
    blocked_by: tuple[Blocker, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """One supposition about subjects, and the ladder of that day under it.

    `day` is tomorrow for a dose-limiting toxicity, or today where that is the window's last day,
    the first day after the last window for a completion, and today for an adjudication. Everybody
    else counts as on that day if nothing more is recorded. `changes` names the parts of the
    outlook that would differ from how the ladder stands.
    """

    supposition: Supposition
    subject_ids: tuple[str, ...]
    adverse_event_id: str | None
    day: date
    changes: tuple[str, ...]
    outlook: Outlook


@dataclass(frozen=True, slots=True)
class _Case:
    """What is supposed of whom: the courses that would be on record, and on which day."""

    supposition: Supposition
    day: date
    courses: Mapping[str, DltFacts]
    adverse_event_id: str | None = None


# Why and by what an outlook is blocked is worded anew each time; the step itself is compared.
_COMPARED = (
    "recommendation", "level", "target_level", "permitted", "slots_open_now", "mtd",
    "undosed_levels", "held_by",
)  # fmt: skip


def what_if(
    enrolled: Sequence[Enrolled], facts: LadderFacts, state: LadderState, rules: ProtocolDefinition
) -> tuple[WhatIf, ...]:
    """Draw the ladder again for each outcome that is still out, subjects in the given order.

    Supposed are: a dose-limiting toxicity of each subject under observation, that by itself holds
    nothing (`facts.triggers` stay); the next to come through the window, and all of them, without
    one; and either answer to each adjudication that is pending. Whoever comes through is given
    what is left of the planned infusions in full, and each of its events is judged to be no
    dose-limiting toxicity; what is missing of the past stays missing.
    """
    now = _outlook(recommend(facts, state, rules.escalation))
    found = []
    for case in _cases(enrolled, facts.today, rules):
        counted = [Counted(each.level, each.phase, _counts(each, case, rules)) for each in enrolled]
        drawn = count_ladder(counted, state, case.day, facts.triggers)
        outlook = _outlook(recommend(drawn, state, rules.escalation))
        found.append(
            WhatIf(
                supposition=case.supposition,
                subject_ids=tuple(case.courses),
                adverse_event_id=case.adverse_event_id,
                day=case.day,
                changes=tuple(
                    name for name in _COMPARED if getattr(outlook, name) != getattr(now, name)
                ),
                outlook=outlook,
            )
        )
    return tuple(found)


def _counts(enrolled: Enrolled, case: _Case, rules: ProtocolDefinition) -> Evaluability:
    """Judge how a subject would count on the day of the supposition."""
    course = case.courses.get(enrolled.id, enrolled.course)
    return evaluability(course, case.day, rules.dlt, rules.schedule.infusion_window_days)


def _cases(enrolled: Sequence[Enrolled], today: date, rules: ProtocolDefinition) -> Iterator[_Case]:
    """List what may be supposed: toxicities, completions, adjudications."""
    for each in enrolled:
        day = _day_of_toxicity(each, today, rules)
        if day is not None:
            yield _Case(Supposition.DLT, day, {each.id: _with_dlt(each.course, day, rules)})
    in_window = (
        each for each in enrolled if each.evaluability.state is EvaluabilityState.IN_WINDOW
    )
    closing = sorted(in_window, key=_last_day)
    if closing:
        next_day = _last_day(closing[0])
        first = [each for each in closing if _last_day(each) == next_day]
        yield _completion(Supposition.COMPLETES, first, today)
    if len(closing) > 1:
        yield _completion(Supposition.ALL_COMPLETE, closing, today)
    for each in enrolled:
        for ruling in each.evaluability.status.pending:
            for word in (Supposition.JUDGED_DLT, Supposition.JUDGED_NOT_DLT):
                event = ruling.adverse_event_id, ruling.adverse_event_version
                courses = {each.id: _judged(each.course, event, word is Supposition.JUDGED_DLT)}
                yield _Case(word, today, courses, ruling.adverse_event_id)


def _day_of_toxicity(enrolled: Enrolled, today: date, rules: ProtocolDefinition) -> date | None:
    """Return the next day on which the subject's first DLT can begin, None if there is none.

    Also who is to be replaced counts with a toxicity, unless nobody observes the subject any more.
    """
    counts, over = enrolled.evaluability, rules.dlt.evaluability.ends_observation
    if counts.has_dlt or counts.window is None:
        return None
    if any(left.event in over for left in enrolled.course.dispositions):
        return None
    days = (today + _TOMORROW, today)
    return next((day for day in days if counts.window.holds(day)), None)


def _completion(word: Supposition, subjects: Sequence[Enrolled], today: date) -> _Case:
    """Suppose that subjects come through; an overdue infusion may leave a window in the past."""
    courses = {each.id: _completed(each) for each in subjects}
    return _Case(word, max(today, *(_last_day(each) + _TOMORROW for each in subjects)), courses)


def _last_day(enrolled: Enrolled) -> date:
    """Return the last day of a subject's window, as projected while infusions are to come."""
    window = enrolled.evaluability.window
    assert window is not None
    return window.end_day or window.projected_end_day


def _with_dlt(course: DltFacts, day: date, rules: ProtocolDefinition) -> DltFacts:
    """Add a toxicity that is judged as soon as it begins."""
    event = AdverseEvent(
        id=_SUPPOSED,
        term=_SUPPOSED,
        soc=_SUPPOSED,
        grade=rules.dlt.min_grade,
        onset_at=datetime.combine(day, time.min, UTC),
        onset_day=day,
    )
    added = replace(course, events=(*course.events, event))
    return _judged(added, (event.id, event.version), is_dlt=True)


def _completed(enrolled: Enrolled) -> DltFacts:
    """Give the infusions to come, and judge no event to be dose-limiting."""
    course = _dosed_in_full(enrolled.course)
    for ruling in enrolled.evaluability.status.pending:
        event = ruling.adverse_event_id, ruling.adverse_event_version
        course = _judged(course, event, is_dlt=False)
    return course


def _dosed_in_full(course: DltFacts) -> DltFacts:
    """Give every infusion to come at its planned dose, on the days that the window is taken for."""
    left, last = course.infusions_to_come, course.started[-1]
    assert last.day is not None
    planned = [each for each in course.infusions if each.day is None and not each.cancelled]
    planned = sorted(planned, key=lambda each: each.number)[:left]
    # One that nobody has prescribed yet is taken to be like the last.
    plans = (*planned, *repeat(last, left - len(planned)))
    interval = timedelta(days=course.level.interval_days)
    given = tuple(
        _given(plan, last.day + step * interval) for step, plan in enumerate(plans, start=1)
    )
    kept = tuple(each for each in course.infusions if each not in planned)
    return replace(course, infusions=(*kept, *given))


def _given(plan: Infusion, day: date) -> Infusion:
    """Give an infusion as planned; what counts of it is its cells, whatever their volume."""
    day = max(day, plan.planned_day)
    return replace(plan, day=day, volume_ml=Decimal(1), cells=plan.planned_cells)


def _judged(course: DltFacts, event: tuple[str, int], is_dlt: bool) -> DltFacts:
    """Add a signed answer about a version of an event."""
    answer = DltAdjudication(
        id=_SUPPOSED,
        adverse_event_id=event[0],
        adverse_event_version=event[1],
        is_dlt=is_dlt,
        at=_LAST,
    )
    return replace(course, adjudications=(*course.adjudications, answer))


def _outlook(advice: Recommendation) -> Outlook:
    return Outlook(
        recommendation=advice.action,
        level=advice.level,
        target_level=advice.target_level,
        permitted=advice.permitted,
        slots_open_now=advice.slots_open_now,
        mtd=advice.mtd,
        undosed_levels=tuple(each.level for each in advice.levels if each.dosing_blocked),
        held_by=advice.held_by,
        blocked_by=advice.blocked_by,
        reasons=advice.reasons,
    )
