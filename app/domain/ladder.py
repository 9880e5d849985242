"""The facts a ladder decision rests on: what each level counts and which events hold the trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.domain.committee import LadderState
from app.domain.dlt_rules import Relatedness
from app.domain.errors import Reason
from app.domain.escalation_rules import ExpansionRules, HoldTriggerRule, StaggerRules
from app.domain.evaluability import Evaluability, EvaluabilityState
from app.domain.facts import AdverseEvent
from app.domain.vocabulary import CohortPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTally:
    """The subjects of one level in one phase.

    Every enrolled subject is in exactly one of the five states. `may_have_dlt` counts subjects
    without DLT, in whatever state, of whom an open item may still make one; `open_items` counts
    the items themselves. `first_infusion_days` has one day per dosed subject.
    """

    level: str
    evaluable: int = 0
    dlts: int = 0
    in_window: int = 0
    unresolved: int = 0
    enrolled_not_dosed: int = 0
    not_evaluable: int = 0
    may_have_dlt: int = 0
    open_items: int = 0
    first_infusion_days: tuple[date, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def in_flight(self) -> int:
        """The dosed subjects whose result is still out."""
        return self.in_window + self.unresolved

    @property
    def slots_held(self) -> int:
        """The subjects that take a slot; only those who cannot count any more give it up."""
        return self.evaluable + self.in_flight + self.enrolled_not_dosed

    @property
    def settled(self) -> bool:
        """Tell whether no window, dose or adjudication is outstanding."""
        return not (self.in_flight or self.enrolled_not_dosed or self.open_items)

    @property
    def possible_dlts(self) -> int:
        """The DLTs if every open item turns out to be one."""
        return self.dlts + self.may_have_dlt


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something that must close before the next step may be taken."""

    level: str
    code: str
    count: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTrigger:
    """A reason to stop until the committee has reviewed it; the id names what was reviewed."""

    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderFacts:
    """All that is known on `today`: the escalation levels, lowest first, and the expansion.

    `expansions` has one tally per level that ever was expanded; `pooled_outcomes` are the
    subjects of the expansion level from both phases, as the function of that name gives them.
    """

    levels: tuple[LevelTally, ...]
    today: date
    expansions: tuple[LevelTally, ...] = ()
    pooled_outcomes: tuple[bool | None, ...] = ()
    triggers: tuple[HoldTrigger, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """Where an enrolled subject is treated, and how it counts there."""

    level: str
    phase: CohortPhase
    evaluability: Evaluability


def count_ladder(
    subjects: Sequence[Counted],
    state: LadderState,
    today: date,
    triggers: tuple[HoldTrigger, ...] = (),
) -> LadderFacts:
    """Count the enrolled subjects of every level and phase, in the order of their enrolment."""

    def on(level: str, phase: CohortPhase) -> list[Evaluability]:
        return [
            each.evaluability for each in subjects if (each.level, each.phase) == (level, phase)
        ]

    return LadderFacts(
        levels=tuple(tally(level, on(level, CohortPhase.ESCALATION)) for level in state.levels),
        today=today,
        expansions=tuple(
            tally(level, expanded)
            for level in state.levels
            if (expanded := on(level, CohortPhase.EXPANSION))
        ),
        pooled_outcomes=pooled_outcomes(
            each.evaluability for each in subjects if each.level == state.expansion_level
        ),
        triggers=triggers,
    )


def tally(level: str, subjects: Iterable[Evaluability]) -> LevelTally:
    """Count the enrolled subjects of one level in one phase."""
    counted = tuple(subjects)
    by_state = {
        state: sum(subject.state is state for subject in counted) for state in EvaluabilityState
    }
    return LevelTally(
        level=level,
        evaluable=by_state[EvaluabilityState.EVALUABLE],
        dlts=sum(subject.has_dlt for subject in counted),
        in_window=by_state[EvaluabilityState.IN_WINDOW],
        unresolved=by_state[EvaluabilityState.UNRESOLVED],
        enrolled_not_dosed=by_state[EvaluabilityState.NOT_DOSED],
        not_evaluable=by_state[EvaluabilityState.NOT_EVALUABLE],
        may_have_dlt=sum(subject.may_have_dlt for subject in counted),
        open_items=sum(subject.open_items for subject in counted),
        first_infusion_days=tuple(
            sorted(subject.first_infusion_day for subject in counted if subject.first_infusion_day)
        ),
        evidence=tuple(fact for subject in counted for fact in subject.evidence),
    )


def pooled_outcomes(subjects: Iterable[Evaluability]) -> tuple[bool | None, ...]:
    """List who had a DLT among the dosed subjects of a level, by day of first infusion.

    None means that the result is out. Replaced subjects are left out, so that the first six are
    the same six from the day they are dosed.
    """
    dosed = [
        (subject.first_infusion_day, position, subject)
        for position, subject in enumerate(subjects)
        if subject.first_infusion_day and subject.state is not EvaluabilityState.NOT_EVALUABLE
    ]
    return tuple(
        True if subject.has_dlt else _known_negative(subject)
        for _, _, subject in sorted(dosed, key=lambda entry: entry[:2])
    )


def _known_negative(subject: Evaluability) -> bool | None:
    """Give False once the subject counts without DLT."""
    return False if subject.state is EvaluabilityState.EVALUABLE else None


def hold_triggers(
    events: Iterable[AdverseEvent], rules: tuple[HoldTriggerRule, ...], related: Relatedness
) -> tuple[HoldTrigger, ...]:
    """Find the events that stop dosing until reviewed; pass events since the first infusion.

    The id names the version too: an event that changed has to be reviewed again.
    """
    return tuple(
        HoldTrigger(
            id=f"{event.id}:{event.version}",
            code=rule.code,
            message=f"{event.term} of grade {event.grade} counts as related to the cells.",
        )
        for event in events
        for rule in rules
        if event.grade >= rule.min_grade
        and (not rule.terms or event.term in rule.terms)
        and related.holds(event.causality)
    )


def expansion_triggers(
    outcomes: tuple[bool | None, ...], rules: ExpansionRules
) -> tuple[HoldTrigger, ...]:
    """Ring when the pooled DLTs of the expansion level exceed what it was judged tolerable for.

    The id carries the count, so that every further DLT has to be reviewed again.
    """
    dlts = outcomes.count(True)
    known = len(outcomes) - outcomes.count(None)
    early = outcomes[: rules.first_subjects].count(True) >= rules.alert_dlts
    if not early and dlts <= rules.alert_rate * known:
        return ()
    return (
        HoldTrigger(
            id=f"expansion_dlts:{dlts}",
            code="expansion_dlts",
            message=f"{dlts} of {known} subjects treated at the expansion level had a DLT.",
        ),
    )


def stagger_reason(level: LevelTally, day: date, rules: StaggerRules) -> Reason | None:
    """Say why the next subject of a level should not be dosed for the first time on `day`."""
    days = level.first_infusion_days
    if not days:
        if level.enrolled_not_dosed and rules.after_first_days:
            return Reason("stagger", "The first subject of the level has not been dosed yet.")
        return None
    wait = rules.after_first_days if len(days) == 1 else rules.after_others_days
    earliest = max(days) + timedelta(days=wait)
    if day >= earliest:
        return None
    return Reason("stagger", f"The next first infusion on the level is due from {earliest}.")


def blockers(levels: Iterable[LevelTally]) -> tuple[Blocker, ...]:
    """List what must close on the levels: doses, windows, records and adjudications."""
    return tuple(
        Blocker(level=tally.level, code=code, count=count, message=f"{count} {text}.")
        for tally in levels
        for code, count, text in (
            ("not_dosed", tally.enrolled_not_dosed, "enrolled but not dosed"),
            ("in_window", tally.in_window, "in the DLT window"),
            ("unresolved", tally.unresolved, "past the window with something missing"),
            ("open_items", tally.open_items, "to be adjudicated"),
        )
        if count
    )
