"""Which adverse events may be dose-limiting, in which window, and what was adjudicated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.dlt_rules import CytopeniaExclusion, DltRules, WindowAnchor
from app.domain.dosing import DoseLevel
from app.domain.facts import AdverseEvent, Disposition, DltAdjudication, Infusion


class CandidateReason(StrEnum):
    """Why an event has to be adjudicated."""

    SEVERE_AND_RELATED = "severe_and_related"
    DEATH_NOT_DUE_TO_DISEASE = "death_not_due_to_disease"
    DECLARED_BY_INVESTIGATOR = "declared_by_investigator"


@dataclass(frozen=True, slots=True, kw_only=True)
class DltFacts:
    """What is known about one enrolled subject, on the level it was enrolled at."""

    level: DoseLevel
    infusions: tuple[Infusion, ...] = ()
    dispositions: tuple[Disposition, ...] = ()
    events: tuple[AdverseEvent, ...] = ()
    adjudications: tuple[DltAdjudication, ...] = ()

    @property
    def attempted(self) -> tuple[Infusion, ...]:
        """The infusions that were begun, also those that gave nothing, in order of day.

        Observation begins with the first of them: what follows an attempt must not go unseen.
        """
        return tuple(sorted((fact for fact in self.infusions if fact.day is not None), key=_day))

    @property
    def started(self) -> tuple[Infusion, ...]:
        """The infusions that may have entered the subject, in order of day.

        A started infusion whose volume is not yet recorded counts: what happens after it must
        not go unseen until somebody files the volume.
        """
        return tuple(fact for fact in self.attempted if fact.may_have_entered)

    @property
    def infusions_to_come(self) -> int:
        """How many infusions of the level are still to be given; none once the subject left.

        A start that gave nothing uses up none of them, cancelled or not.
        """
        if self.dispositions:
            return 0
        cancelled = [fact for fact in self.infusions if fact.cancelled and not fact.voided]
        return max(0, self.level.planned_infusions - len(self.started) - len(cancelled))


@dataclass(frozen=True, slots=True, kw_only=True)
class DltWindow:
    """The days in which an event can be dose-limiting; `end_day` is None until it is fixed."""

    start_day: date
    start_at: datetime | None
    end_day: date | None
    projected_end_day: date
    anchor: WindowAnchor
    anchor_day: date | None
    rule: str
    evidence: tuple[str, ...]

    def holds(self, day: date) -> bool:
        """Tell whether `day` lies in the window; an open end excludes nothing."""
        return self.start_day <= day and (self.end_day is None or day <= self.end_day)

    def is_over(self, today: date) -> bool:
        """Tell whether the last day of the window has passed."""
        return self.end_day is not None and today > self.end_day


@dataclass(frozen=True, slots=True, kw_only=True)
class DltCandidate:
    """An event that somebody has to adjudicate.

    `transient` tells the adjudicator that the event is a reaction that resolved soon; it is no
    exemption.
    """

    adverse_event_id: str
    adverse_event_version: int
    term: str
    grade: int
    onset_day: date
    reasons: tuple[CandidateReason, ...]
    transient: bool
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DltRuling:
    """How one event stands; a stale adjudication judged an earlier version of the event."""

    adverse_event_id: str
    adverse_event_version: int
    adjudication_id: str | None
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DltStatus:
    """The events of one subject that are dose-limiting, undecided, or judged not to be."""

    dlts: tuple[DltRuling, ...] = ()
    pending: tuple[DltRuling, ...] = ()
    not_dlt: tuple[DltRuling, ...] = ()


def window(facts: DltFacts, rules: DltRules) -> DltWindow | None:
    """Give the DLT window, or None before the first infusion was begun.

    It runs from the first attempt to `window_days` after the anchor, an infusion that may have
    entered the subject; where none did, the attempts stand in. With the anchor `last` the end is
    fixed only when no infusion is to come; a subject who stopped early has its last started
    infusion as the last (C10).
    """
    attempted = facts.attempted
    if not attempted:
        return None
    anchors = facts.started or attempted
    first, last = _day(anchors[0]), _day(anchors[-1])
    length = timedelta(
        days=rules.window_days if rules.window_end_inclusive else rules.window_days - 1
    )
    if rules.window_anchor is WindowAnchor.FIRST:
        anchor_day: date | None = first
        projected = first
    else:
        anchor_day = None if facts.infusions_to_come else last
        projected = anchor_day or _projected_last_day(facts, last)
    return DltWindow(
        start_day=_day(attempted[0]),
        start_at=attempted[0].started_at,
        end_day=anchor_day + length if anchor_day else None,
        projected_end_day=projected + length,
        anchor=rules.window_anchor,
        anchor_day=anchor_day,
        rule="dlt.window",
        evidence=(*(fact.id for fact in attempted), *(fact.id for fact in facts.dispositions)),
    )


def dlt_candidates(
    facts: DltFacts, observed: DltWindow | None, rules: DltRules
) -> tuple[DltCandidate, ...]:
    """Propose the events that have to be adjudicated, in order of onset."""
    if observed is None:
        return ()
    found = []
    for event in sorted(facts.events, key=lambda event: (event.onset_day, event.id)):
        reasons = _reasons(event, observed, rules)
        if reasons:
            found.append(
                DltCandidate(
                    adverse_event_id=event.id,
                    adverse_event_version=event.version,
                    term=event.term,
                    grade=event.grade,
                    onset_day=event.onset_day,
                    reasons=reasons,
                    transient=_is_transient(event, rules),
                    rule="dlt.candidate",
                )
            )
    return tuple(found)


def adjudicate(facts: DltFacts, candidates: tuple[DltCandidate, ...]) -> DltStatus:
    """Match each event with its latest adjudication; only a signed one decides.

    An adjudication of an earlier version is stale: the event is pending again, also where the
    old answer was yes and the changed event would no longer be proposed, because only a person
    may take a dose-limiting toxicity back. A signed yes counts even if nothing proposed it.
    """
    proposed = {candidate.adverse_event_id for candidate in candidates}
    dlts: list[DltRuling] = []
    pending: list[DltRuling] = []
    not_dlt: list[DltRuling] = []
    for event in facts.events:
        latest = _latest_adjudication(event, facts.adjudications)
        if event.id not in proposed and (latest is None or not latest.is_dlt):
            continue
        stale = latest is not None and latest.adverse_event_version != event.version
        ruling = DltRuling(
            adverse_event_id=event.id,
            adverse_event_version=event.version,
            adjudication_id=latest.id if latest else None,
            stale=stale,
        )
        if latest is None or stale:
            pending.append(ruling)
        else:
            (dlts if latest.is_dlt else not_dlt).append(ruling)
    return DltStatus(dlts=tuple(dlts), pending=tuple(pending), not_dlt=tuple(not_dlt))


def _day(infusion: Infusion) -> date:
    """Give the day of an infusion that was begun."""
    assert infusion.day is not None
    return infusion.day


def _projected_last_day(facts: DltFacts, last: date) -> date:
    """Project the last infusion from the level's interval and any later plan."""
    by_interval = last + timedelta(days=facts.infusions_to_come * facts.level.interval_days)
    planned = [
        fact.planned_day for fact in facts.infusions if fact.day is None and not fact.cancelled
    ]
    return max([by_interval, *planned])


def _reasons(
    event: AdverseEvent, observed: DltWindow, rules: DltRules
) -> tuple[CandidateReason, ...]:
    """Collect why the event must be adjudicated; empty when it need not be."""
    reasons = []
    if falls_in_window(event, observed):
        if (
            event.grade >= rules.min_grade
            and rules.relatedness.holds(event.causality)
            and not _was_there_before(event, rules)
        ):
            reasons.append(CandidateReason.SEVERE_AND_RELATED)
        if (
            event.grade >= rules.fatal_grade
            and event.causality_disease not in rules.disease_related
        ):
            reasons.append(CandidateReason.DEATH_NOT_DUE_TO_DISEASE)
    if event.investigator_declared_dlt:
        reasons.append(CandidateReason.DECLARED_BY_INVESTIGATOR)
    return tuple(reasons)


def falls_in_window(event: AdverseEvent, observed: DltWindow) -> bool:
    """Tell whether the event began, or may have worsened, in the window.

    Days decide, not times: onset times are often unknown, and a doubtful event of the infusion
    day is for the adjudicator. An earlier event that goes on counts unless its grade is known to
    be no worse than before.
    """
    if observed.holds(event.onset_day):
        return True
    ended_before = (
        event.end_at is not None
        and observed.start_at is not None
        and event.end_at < observed.start_at
    )
    worsened = event.baseline_grade is None or event.grade > event.baseline_grade
    return event.onset_day < observed.start_day and not ended_before and worsened


def _was_there_before(event: AdverseEvent, rules: DltRules) -> bool:
    """Tell whether the event is a cytopenia, or its sequela, that the subject came with (C23)."""
    cytopenia = rules.cytopenia
    if event.term in cytopenia.terms and cytopenia.exclusion is CytopeniaExclusion.ALWAYS:
        return True
    no_worse = event.baseline_grade is not None and event.baseline_grade >= event.grade
    return no_worse and event.term in (*cytopenia.terms, *cytopenia.sequelae)


def _is_transient(event: AdverseEvent, rules: DltRules) -> bool:
    """Tell whether the event is a reaction known to have resolved within the hours of the rule."""
    transient = rules.transient
    if event.term not in transient.terms or event.grade > transient.max_grade:
        return False
    limit = timedelta(hours=transient.max_hours)
    return event.end_at is not None and event.end_at - event.onset_at <= limit


def _latest_adjudication(
    event: AdverseEvent, adjudications: tuple[DltAdjudication, ...]
) -> DltAdjudication | None:
    """Find the last adjudication of the event."""
    mine = [ruling for ruling in adjudications if ruling.adverse_event_id == event.id]
    return max(mine, key=lambda ruling: (ruling.at, ruling.id), default=None)
