"""Where a subject stands, which exits are legal from there, and what may no longer be recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from app.domain.disposition_words import EXIT, STANDING
from app.domain.errors import conflict, invalid
from app.domain.facts import AdverseEvent, Disposition, Infusion
from app.domain.rules import rule_set
from app.domain.vocabulary import DispositionEvent, SubjectStatus

# CTCAE v5.0: grade 5 is death due to the event.
FATAL = 5


@rule_set
class DispositionRules:
    """What an exit has to show."""

    minimum_contact_attempts: int

    def __post_init__(self) -> None:
        """Refuse to call a subject lost whom nobody tried to reach."""
        if self.minimum_contact_attempts < 1:
            raise ValueError("a subject is lost only after somebody tried to reach them")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedDisposition:
    """An exit that somebody wants to record."""

    event: DispositionEvent
    day: date
    contact_attempts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDays:
    """The days an exit is held against; None where there is nothing yet.

    `last_observation` is the latest day on which the subject was seen alive.
    """

    last_infusion: date | None
    last_observation: date | None
    completion_from: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndDays:
    """The days from whose end on treatment, participation and data collection are over."""

    treatment: date | None
    study: date | None
    consent: date | None
    life: date | None


# The first event found decides the status; the table is in order of finality, so the order in
# which events became known does not matter.
_STATUS_BY_EVENT: tuple[tuple[DispositionEvent, SubjectStatus], ...] = (
    (DispositionEvent.DIED, SubjectStatus.DIED),
    (DispositionEvent.WITHDREW_CONSENT, SubjectStatus.WITHDREW_CONSENT),
    (DispositionEvent.SCREEN_FAILED, SubjectStatus.SCREEN_FAILED),
    (DispositionEvent.COMPLETED, SubjectStatus.COMPLETED),
    (DispositionEvent.INVESTIGATOR_DECISION, SubjectStatus.DISCONTINUED),
    (DispositionEvent.SPONSOR_DECISION, SubjectStatus.DISCONTINUED),
    (DispositionEvent.LOST_TO_FOLLOW_UP, SubjectStatus.LOST_TO_FOLLOW_UP),
    (DispositionEvent.WITHDREW_TREATMENT, SubjectStatus.WITHDREW_TREATMENT),
    (DispositionEvent.RELAPSE_OR_NEW_THERAPY, SubjectStatus.IN_FOLLOW_UP),
    (DispositionEvent.PREGNANCY, SubjectStatus.IN_FOLLOW_UP),
)

_STAYS_IN_FOLLOW_UP = frozenset(
    {
        DispositionEvent.WITHDREW_TREATMENT,
        DispositionEvent.RELAPSE_OR_NEW_THERAPY,
        DispositionEvent.PREGNANCY,
    }
)
_LEAVES_EARLY = frozenset(
    {
        DispositionEvent.DIED,
        DispositionEvent.WITHDREW_CONSENT,
        DispositionEvent.LOST_TO_FOLLOW_UP,
        DispositionEvent.INVESTIGATOR_DECISION,
        DispositionEvent.SPONSOR_DECISION,
    }
)
_IN_FOLLOW_UP = _LEAVES_EARLY | {
    DispositionEvent.COMPLETED,
    DispositionEvent.RELAPSE_OR_NEW_THERAPY,
    DispositionEvent.PREGNANCY,
}
# Both may have begun, unnoticed, before an infusion was given.
_NOTICED_LATER = frozenset({DispositionEvent.RELAPSE_OR_NEW_THERAPY, DispositionEvent.PREGNANCY})
_AFTER_LEAVING = frozenset({DispositionEvent.DIED, DispositionEvent.WITHDREW_CONSENT})

ALLOWED_EVENTS: dict[SubjectStatus, frozenset[DispositionEvent]] = {
    SubjectStatus.SCREENING: _AFTER_LEAVING | {DispositionEvent.SCREEN_FAILED},
    SubjectStatus.SCREEN_FAILED: frozenset(),
    SubjectStatus.ENROLLED: _LEAVES_EARLY | _STAYS_IN_FOLLOW_UP,
    SubjectStatus.ON_TREATMENT: _LEAVES_EARLY | _STAYS_IN_FOLLOW_UP,
    SubjectStatus.IN_FOLLOW_UP: _IN_FOLLOW_UP,
    SubjectStatus.WITHDREW_TREATMENT: _IN_FOLLOW_UP,
    # A subject may still die, or withdraw consent to the data, after they stopped coming.
    SubjectStatus.LOST_TO_FOLLOW_UP: _AFTER_LEAVING,
    SubjectStatus.DISCONTINUED: _AFTER_LEAVING,
    SubjectStatus.COMPLETED: frozenset({DispositionEvent.DIED}),
    SubjectStatus.WITHDREW_CONSENT: frozenset(),
    SubjectStatus.DIED: frozenset(),
}


def death_without_event(
    dispositions: Iterable[Disposition], events: Iterable[AdverseEvent], until: date | None
) -> Disposition | None:
    """Find a death that no fatal event tells of, up to the end of safety follow-up.

    Without a fatal event nothing is reported and nothing adjudicated. `until` is None while no
    infusion is planned: then any death counts.
    """
    if any(event.grade == FATAL for event in events):
        return None
    deaths = (
        each
        for each in dispositions
        if each.event is DispositionEvent.DIED and (until is None or each.day <= until)
    )
    return next(deaths, None)


def with_implied_death(
    dispositions: tuple[Disposition, ...], events: Iterable[AdverseEvent]
) -> tuple[Disposition, ...]:
    """Add the death that a fatal event tells of, until the death itself is recorded.

    It carries the id of the event and the day on which that ended, or else began: nobody may
    count as observed, or be dosed, because a form is still missing.
    """
    if any(fact.event is DispositionEvent.DIED for fact in dispositions):
        return dispositions
    deaths = sorted(
        (event.end_day or event.onset_day, event.id) for event in events if event.grade == FATAL
    )
    implied = tuple(
        Disposition(id=id_, event=DispositionEvent.DIED, day=day) for day, id_ in deaths[:1]
    )
    return (*dispositions, *implied)


def derive_status(
    enrolled: bool,
    infusions: Iterable[Infusion],
    planned_infusions: int,
    dispositions: Iterable[Disposition],
) -> SubjectStatus:
    """Derive where a subject stands; an exit outweighs treatment, the most final exit wins.

    Treatment is over when every planned infusion was given or cancelled; a start that gave
    nothing was neither.
    """
    events = {disposition.event for disposition in dispositions}
    for event, status in _STATUS_BY_EVENT:
        if event in events:
            return status
    if not enrolled:
        return SubjectStatus.SCREENING
    known = list(infusions)
    if not any(infusion.given for infusion in known):
        return SubjectStatus.ENROLLED
    settled = sum(
        infusion.given or (infusion.cancelled and not infusion.voided) for infusion in known
    )
    over = settled >= planned_infusions
    return SubjectStatus.IN_FOLLOW_UP if over else SubjectStatus.ON_TREATMENT


def end_days(dispositions: Iterable[Disposition]) -> EndDays:
    """Find the days on which treatment, participation, consent and life ended, if they did."""
    known = list(dispositions)

    def first(events: Iterable[DispositionEvent]) -> date | None:
        wanted = set(events)
        return min((entry.day for entry in known if entry.event in wanted), default=None)

    return EndDays(
        treatment=first(DispositionEvent),
        study=first(set(DispositionEvent) - _STAYS_IN_FOLLOW_UP),
        consent=first({DispositionEvent.WITHDREW_CONSENT}),
        life=first({DispositionEvent.DIED}),
    )


def check_transition(status: SubjectStatus, event: DispositionEvent) -> None:
    """Refuse an exit that the status does not allow; raises DomainError (conflict)."""
    if event not in ALLOWED_EVENTS[status]:
        raise conflict(
            "disposition_not_allowed",
            f"For a subject who {STANDING[status]}, {EXIT[event]} cannot be recorded; check the"
            " subject's status.",
        )


def check_disposition(
    status: SubjectStatus, proposed: ProposedDisposition, known: KnownDays, rules: DispositionRules
) -> None:
    """Refuse an exit that is illegal, undocumented, too early or contradicts what was recorded.

    Raises DomainError: invalid when contact attempts are missing, else conflict.
    """
    check_transition(status, proposed.event)
    if proposed.event is DispositionEvent.LOST_TO_FOLLOW_UP:
        _check_contact_attempts(proposed.contact_attempts, rules)
    if proposed.event is DispositionEvent.COMPLETED:
        _check_completion(proposed.day, known.completion_from)
    if proposed.event not in _NOTICED_LATER and _precedes(proposed.day, known.last_infusion):
        raise conflict(
            "infusion_after_exit",
            "An infusion is recorded after this day; correct the day or the infusion.",
        )
    if proposed.event is DispositionEvent.DIED and _precedes(proposed.day, known.last_observation):
        raise conflict(
            "observation_after_death",
            "The subject was seen after this day; correct the day or the later record.",
        )


def check_enrolment(status: SubjectStatus) -> None:
    """Refuse to enrol anyone who is not in screening; nobody is enrolled twice."""
    if status is not SubjectStatus.SCREENING:
        raise conflict(
            "not_in_screening",
            f"Only a subject in screening can be enrolled; this one {STANDING[status]}.",
        )


def check_prescription(status: SubjectStatus) -> None:
    """Refuse to prescribe for anyone who is not enrolled, or whose treatment is over."""
    if status not in (SubjectStatus.ENROLLED, SubjectStatus.ON_TREATMENT):
        raise conflict(
            "treatment_not_open",
            f"No infusion can be prescribed for a subject who {STANDING[status]}.",
        )


def check_infusion(day: date, ends: EndDays) -> None:
    """Refuse an infusion after the day on which treatment ended; earlier ones may be entered."""
    check_observation(day, ends)
    if _precedes(ends.treatment, day):
        raise conflict(
            "treatment_ended",
            "Treatment ended before this day; correct the day of the infusion or the disposition.",
        )


def check_observation(day: date, ends: EndDays) -> None:
    """Refuse a visit, result or onset of an event after death or after consent was withdrawn.

    What was observed up to and on that day may still be entered, corrected and kept.
    """
    if _precedes(ends.life, day):
        raise conflict(
            "after_death", "The subject had died before this day; correct the day or the death."
        )
    if _precedes(ends.consent, day):
        raise conflict(
            "consent_withdrawn",
            "Consent was withdrawn before this day; only what was observed until then may be kept.",
        )


def _check_contact_attempts(attempts: int | None, rules: DispositionRules) -> None:
    if attempts is None or attempts < rules.minimum_contact_attempts:
        raise invalid(
            "contact_attempts_too_few",
            f"Document at least {rules.minimum_contact_attempts} attempts to reach the subject.",
            "/contact_attempts",
        )


def _check_completion(day: date, completion_from: date | None) -> None:
    if completion_from is None or day < completion_from:
        raise conflict(
            "follow_up_not_over",
            "The last visit after the last infusion is not due yet; record why the subject leaves "
            "early instead.",
        )


def _precedes(first: date | None, second: date | None) -> bool:
    return first is not None and second is not None and first < second
