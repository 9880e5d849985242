"""Participants with adverse events: each is counted once, at the worst grade (C30)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.ctcae.terms import special_interest
from app.domain.dlt_rules import Relatedness
from app.domain.facts import AdverseEvent
from app.domain.metrics_levels import EnrolledSubject
from app.domain.outcomes import OutcomeRules
from app.domain.proportions import Proportion, proportion
from app.domain.safety_reporting import is_treatment_emergent
from app.domain.vocabulary import SpecialInterest

# What severe and fatal mean throughout the CTCAE.
SEVERE_GRADE, FATAL_GRADE = 3, 5
GRADES = range(1, 6)


class EventBasis(StrEnum):
    """Which events are counted; the record asks for all of them and for the related ones (C30).

    `all` counts from consent (C31); `treatment_emergent` began, or got worse, since the first
    infusion and is worse than before; `related` is at least possibly due to the cells, and
    without an attribution every treatment-emergent event is.
    """

    ALL = "all"
    TREATMENT_EMERGENT = "treatment_emergent"
    RELATED = "related"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidence:
    """Participants with an event of one basis; `worst_grades` has each at the worst one.

    `events` counts the events themselves, of which a participant may have several.
    """

    basis: EventBasis
    events: int
    any_grade: Proportion
    serious: Proportion
    grade_3_or_higher: Proportion
    fatal: Proportion
    worst_grades: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupIncidence:
    """The treated participants of one dose level, or all of them when `level` is None."""

    level: str | None
    treated: int
    incidences: tuple[Incidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermIncidence:
    """One term, or its whole system organ class when `term` is None, over all levels.

    `by_level` counts the participants with such a treatment-emergent event.
    """

    soc: str
    term: str | None
    incidences: tuple[Incidence, ...]
    by_level: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestIncidence:
    """One class of special interest that the record names, over all levels."""

    special_interest: SpecialInterest
    incidences: tuple[Incidence, ...]
    by_level: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untreated:
    """Enrolled or screened participants outside the safety set who have events nevertheless."""

    with_events: int
    with_serious_events: int


@dataclass(frozen=True, slots=True)
class Participant:
    """One treated subject's level, and the events by basis."""

    level: str
    events: dict[EventBasis, tuple[AdverseEvent, ...]]


@dataclass(frozen=True, slots=True)
class SafetySet:
    """The treated participants, the levels to show, and how rates are made certain."""

    participants: tuple[Participant, ...]
    levels: tuple[str, ...]
    rules: OutcomeRules


_Chosen = Callable[[AdverseEvent], bool]


def safety_set(
    subjects: Iterable[EnrolledSubject],
    levels: tuple[str, ...],
    related: Relatedness,
    rules: OutcomeRules,
) -> SafetySet:
    """Keep the treated subjects with their events."""
    participants = tuple(
        Participant(
            subject.level,
            _sort_events(subject.facts.events, subject.first_infusion_day, related),
        )
        for subject in subjects
        if subject.treated
    )
    return SafetySet(participants, levels, rules)


def _sort_events(
    events: tuple[AdverseEvent, ...], first_infusion_day: date | None, related: Relatedness
) -> dict[EventBasis, tuple[AdverseEvent, ...]]:
    emergent = [event for event in events if is_treatment_emergent(event, first_infusion_day)]
    return {
        EventBasis.ALL: events,
        EventBasis.TREATMENT_EMERGENT: tuple(emergent),
        # A stated attribution counts wherever the onset lies, since an event may worsen later.
        EventBasis.RELATED: tuple(
            event
            for event in events
            if related.holds(event.causality) and (event.causality or event in emergent)
        ),
    }


def group_incidences(treated: SafetySet) -> tuple[GroupIncidence, ...]:
    """Count participants with any event: of all levels together, then of each."""
    return tuple(
        GroupIncidence(
            level=level,
            treated=len(members),
            incidences=_incidences(members, lambda event: True, treated.rules),
        )
        for level in (None, *treated.levels)
        for members in [[x for x in treated.participants if level in (None, x.level)]]
    )


def term_incidences(treated: SafetySet) -> tuple[TermIncidence, ...]:
    """Count participants by term, every class before its terms, in alphabetical order."""
    events = [event for x in treated.participants for event in x.events[EventBasis.ALL]]
    rows: set[tuple[str, str | None]] = {(event.soc, event.term) for event in events}
    rows |= {(event.soc, None) for event in events}

    def count(soc: str, term: str | None) -> TermIncidence:
        def chosen(event: AdverseEvent) -> bool:
            return event.soc == soc and term in (None, event.term)

        return TermIncidence(
            soc=soc,
            term=term,
            incidences=_incidences(treated.participants, chosen, treated.rules),
            by_level=_by_level(treated, chosen),
        )

    return tuple(count(soc, term) for soc, term in sorted(rows, key=lambda x: (x[0], x[1] or "")))


def interest_incidences(treated: SafetySet) -> tuple[InterestIncidence, ...]:
    """Count participants by class of special interest, in the order of the record."""

    def count(interest: SpecialInterest) -> InterestIncidence:
        def chosen(event: AdverseEvent) -> bool:
            return interest in special_interest(event.term)

        return InterestIncidence(
            special_interest=interest,
            incidences=_incidences(treated.participants, chosen, treated.rules),
            by_level=_by_level(treated, chosen),
        )

    return tuple(count(interest) for interest in SpecialInterest)


def untreated(events: Iterable[Sequence[AdverseEvent]]) -> Untreated:
    """Count the participants outside the safety set by what their events are."""
    known = [own for own in events if own]
    return Untreated(
        with_events=len(known),
        with_serious_events=sum(any(event.seriousness for event in own) for own in known),
    )


def _by_level(treated: SafetySet, chosen: _Chosen) -> dict[str, int]:
    affected = Counter(
        participant.level
        for participant in treated.participants
        if any(map(chosen, participant.events[EventBasis.TREATMENT_EMERGENT]))
    )
    return {level: affected[level] for level in treated.levels}


def _incidences(
    members: Sequence[Participant], chosen: _Chosen, rules: OutcomeRules
) -> tuple[Incidence, ...]:
    return tuple(
        _incidence(basis, [list(filter(chosen, x.events[basis])) for x in members], rules)
        for basis in EventBasis
    )


def _incidence(
    basis: EventBasis, events: list[list[AdverseEvent]], rules: OutcomeRules
) -> Incidence:
    """Count participants, given the events of each; one without events is counted in n only."""
    worst = [max(event.grade for event in own) for own in events if own]

    def share(affected: int) -> Proportion:
        return proportion(affected, len(events), rules)

    return Incidence(
        basis=basis,
        events=sum(map(len, events)),
        any_grade=share(len(worst)),
        serious=share(sum(any(event.seriousness for event in own) for own in events)),
        grade_3_or_higher=share(sum(grade >= SEVERE_GRADE for grade in worst)),
        fatal=share(sum(grade >= FATAL_GRADE for grade in worst)),
        worst_grades={grade: worst.count(grade) for grade in GRADES},
    )
