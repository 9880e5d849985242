"""What happened on each dose level: enrolment, treatment, dose-limiting toxicity, exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.domain.dlt import DltFacts
from app.domain.evaluability import Evaluability, EvaluabilityState
from app.domain.ladder import tally
from app.domain.outcomes import OutcomeRules
from app.domain.proportions import Proportion, proportion
from app.domain.vocabulary import CohortPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledSubject:
    """One enrolled subject: place, facts, and how the subject counts for the level."""

    phase: CohortPhase
    replaced: bool
    facts: DltFacts
    evaluability: Evaluability

    @property
    def level(self) -> str:
        """Name the dose level."""
        return self.facts.level.name

    @property
    def first_infusion_day(self) -> date | None:
        """Give the day from which product may be in the subject."""
        return self.evaluability.first_infusion_day

    @property
    def treated(self) -> bool:
        """Tell whether the subject is in the safety set."""
        return self.first_infusion_day is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEnrolment:
    """The enrolled subjects of one level in one phase; the last five states add up to them.

    `replaced` subjects were not evaluable and gave their place to another one.
    """

    level: str
    phase: CohortPhase
    enrolled: int
    treated: int
    replaced: int
    not_dosed: int
    in_window: int
    unresolved: int
    evaluable: int
    not_evaluable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelToxicity:
    """Subjects with a dose-limiting toxicity among the evaluable ones of a level in a phase.

    `open_items` are events to be adjudicated and deaths without an event.
    """

    level: str
    phase: CohortPhase
    treated: int
    open_items: int
    dlts: Proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What the treated subjects of one level received; `cells` adds up the recorded ones."""

    level: str
    treated: int
    infusions_planned: int
    infusions_started: int
    cells: Decimal
    infusions_without_cells: int


def level_enrolments(
    subjects: Sequence[EnrolledSubject], levels: tuple[str, ...]
) -> tuple[LevelEnrolment, ...]:
    """Count the subjects of every level in each phase."""
    return tuple(
        LevelEnrolment(
            level=level,
            phase=phase,
            enrolled=len(members),
            treated=sum(subject.treated for subject in members),
            replaced=sum(subject.replaced for subject in members),
            **{
                state.value: sum(subject.evaluability.state is state for subject in members)
                for state in EvaluabilityState
            },
        )
        for level, phase, members in _by_place(subjects, levels)
    )


def level_toxicities(
    subjects: Sequence[EnrolledSubject], levels: tuple[str, ...], rules: OutcomeRules
) -> tuple[LevelToxicity, ...]:
    """Count the subjects with a DLT among those who count, on every level in each phase."""
    found = []
    for level, phase, members in _by_place(subjects, levels):
        counts = tally(level, (subject.evaluability for subject in members))
        found.append(
            LevelToxicity(
                level=level,
                phase=phase,
                treated=sum(subject.treated for subject in members),
                open_items=counts.open_items,
                dlts=proportion(counts.dlts, counts.evaluable, rules),
            )
        )
    return tuple(found)


def exposures(subjects: Sequence[EnrolledSubject], levels: tuple[str, ...]) -> tuple[Exposure, ...]:
    """Add up the infusions and cells that the treated subjects of each level received."""
    return tuple(
        _exposure(level, [x.facts for x in subjects if x.treated and x.level == level])
        for level in levels
    )


def _exposure(level: str, facts: list[DltFacts]) -> Exposure:
    started = [infusion for entry in facts for infusion in entry.started]
    cells = [infusion.cells for infusion in started if infusion.cells is not None]
    return Exposure(
        level=level,
        treated=len(facts),
        infusions_planned=sum(entry.level.planned_infusions for entry in facts),
        infusions_started=len(started),
        cells=sum(cells, Decimal(0)),
        infusions_without_cells=len(started) - len(cells),
    )


def _by_place(
    subjects: Sequence[EnrolledSubject], levels: tuple[str, ...]
) -> list[tuple[str, CohortPhase, list[EnrolledSubject]]]:
    """Sort subjects by phase and level; an expansion without subjects is left out."""
    places = [
        (level, phase, [x for x in subjects if (x.level, x.phase) == (level, phase)])
        for phase in CohortPhase
        for level in levels
    ]
    return [place for place in places if place[2] or place[1] is CohortPhase.ESCALATION]
