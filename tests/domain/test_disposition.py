"""Where subjects stand and how they may leave: the full matrix, then each guard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest

from app.domain.disposition import (
    DispositionRules,
    EndDays,
    KnownDays,
    ProposedDisposition,
    check_disposition,
    check_enrolment,
    check_infusion,
    check_observation,
    check_prescription,
    check_transition,
    derive_status,
    end_days,
    with_implied_death,
)
from app.domain.disposition_words import EXIT, STANDING
from app.domain.errors import DomainError, ErrorKind
from app.domain.facts import AdverseEvent, Disposition
from app.domain.vocabulary import DispositionEvent as Event
from app.domain.vocabulary import SubjectStatus as Status
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

RULES = section("disposition", DispositionRules)
DAY = date(2026, 3, 2)
NOTHING_KNOWN = KnownDays(last_infusion=None, last_observation=None, completion_from=None)
NOTHING_ENDED = EndDays(treatment=None, study=None, consent=None, life=None)

EARLY = {
    Event.WITHDREW_CONSENT,
    Event.LOST_TO_FOLLOW_UP,
    Event.DIED,
    Event.INVESTIGATOR_DECISION,
    Event.SPONSOR_DECISION,
}
FOLLOWED = {Event.RELAPSE_OR_NEW_THERAPY, Event.PREGNANCY}
LEGAL = {
    Status.SCREENING: {Event.SCREEN_FAILED, Event.WITHDREW_CONSENT, Event.DIED},
    Status.SCREEN_FAILED: set(),
    Status.ENROLLED: EARLY | FOLLOWED | {Event.WITHDREW_TREATMENT},
    Status.ON_TREATMENT: EARLY | FOLLOWED | {Event.WITHDREW_TREATMENT},
    Status.IN_FOLLOW_UP: EARLY | FOLLOWED | {Event.COMPLETED},
    Status.WITHDREW_TREATMENT: EARLY | FOLLOWED | {Event.COMPLETED},
    Status.COMPLETED: {Event.DIED},
    Status.WITHDREW_CONSENT: set(),
    Status.LOST_TO_FOLLOW_UP: {Event.DIED, Event.WITHDREW_CONSENT},
    Status.DIED: set(),
    Status.DISCONTINUED: {Event.DIED, Event.WITHDREW_CONSENT},
}
STATUS_AFTER = {
    Event.SCREEN_FAILED: Status.SCREEN_FAILED,
    Event.WITHDREW_TREATMENT: Status.WITHDREW_TREATMENT,
    Event.WITHDREW_CONSENT: Status.WITHDREW_CONSENT,
    Event.LOST_TO_FOLLOW_UP: Status.LOST_TO_FOLLOW_UP,
    Event.DIED: Status.DIED,
    Event.RELAPSE_OR_NEW_THERAPY: Status.IN_FOLLOW_UP,
    Event.PREGNANCY: Status.IN_FOLLOW_UP,
    Event.INVESTIGATOR_DECISION: Status.DISCONTINUED,
    Event.SPONSOR_DECISION: Status.DISCONTINUED,
    Event.COMPLETED: Status.COMPLETED,
}


def left(event: Event, day: date = DAY) -> Disposition:
    """Record an exit."""
    return Disposition(id=f"disposition-{event}", event=event, day=day)


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("status", list(Status))
def test_every_transition(status: Status, event: Event) -> None:
    """Each exit is legal from exactly the statuses that allow it."""
    if event in LEGAL[status]:
        check_transition(status, event)
        return
    with pytest.raises(DomainError) as refusal:
        check_transition(status, event)
    assert refusal.value.kind is ErrorKind.CONFLICT
    assert refusal.value.code == "disposition_not_allowed"
    assert "_" not in refusal.value.message


def test_every_standing_and_every_exit_has_words() -> None:
    """A refusal is a plain English sentence, whatever the status and the event."""
    assert (set(STANDING), set(EXIT)) == (set(Status), set(Event))
    with pytest.raises(DomainError) as refusal:
        check_transition(Status.DIED, Event.LOST_TO_FOLLOW_UP)
    assert refusal.value.message == (
        "For a subject who died, a loss to follow-up cannot be recorded; check the subject's"
        " status."
    )


@pytest.mark.parametrize(("event", "status"), list(STATUS_AFTER.items()))
def test_an_exit_decides_the_status(event: Event, status: Status) -> None:
    """One exit outweighs enrolment and infusions."""
    assert derive_status(True, [given(1, DAY)], 4, [left(event)]) is status


def test_status_before_any_exit() -> None:
    """Screening, enrolment, treatment and follow-up follow from the records alone."""
    later = DAY + timedelta(days=7)
    assert derive_status(False, [], 1, []) is Status.SCREENING
    assert derive_status(True, [planned(1, DAY)], 1, []) is Status.ENROLLED
    assert derive_status(True, [cancelled(1, DAY)], 1, []) is Status.ENROLLED
    assert derive_status(True, [given(1, DAY)], 2, []) is Status.ON_TREATMENT
    assert derive_status(True, [given(1, DAY), planned(2, later)], 2, []) is Status.ON_TREATMENT
    assert derive_status(True, [given(1, DAY), given(2, later)], 2, []) is Status.IN_FOLLOW_UP
    assert derive_status(True, [given(1, DAY), cancelled(2, later)], 2, []) is Status.IN_FOLLOW_UP


def test_an_infusion_without_volume_is_no_treatment() -> None:
    """A start at which nothing entered the subject leaves them enrolled."""
    empty = replace(given(1, DAY), volume_ml=given(1, DAY).volume_ml * 0)
    assert derive_status(True, [empty], 1, []) is Status.ENROLLED


def test_the_most_final_exit_wins_in_any_order() -> None:
    """Late news of an earlier death does not bring anybody back."""
    story = [
        left(Event.WITHDREW_TREATMENT, date(2026, 3, 1)),
        left(Event.LOST_TO_FOLLOW_UP, date(2026, 6, 1)),
        left(Event.DIED, date(2026, 5, 1)),
    ]
    for order in permutations(story):
        assert derive_status(True, [], 1, order) is Status.DIED
    assert derive_status(True, [], 1, story[:2]) is Status.LOST_TO_FOLLOW_UP


@pytest.mark.parametrize(
    ("earlier", "event"),
    [
        (earlier, event)
        for earlier, status in STATUS_AFTER.items()
        for event in sorted(LEGAL[status] - FOLLOWED)
    ],
)
def test_a_legal_exit_after_another_decides_the_status(earlier: Event, event: Event) -> None:
    """No legal exit is hidden by a more final one recorded before it."""
    assert derive_status(True, [], 1, [left(earlier), left(event)]) is STATUS_AFTER[event]


def test_relapse_after_withdrawal_from_treatment_keeps_the_status() -> None:
    """New therapy does not undo the decision to stop treatment."""
    story = [left(Event.WITHDREW_TREATMENT), left(Event.RELAPSE_OR_NEW_THERAPY)]
    assert derive_status(True, [], 1, story) is Status.WITHDREW_TREATMENT


def test_end_days() -> None:
    """Treatment ends with the first exit of any kind, the study only when the subject leaves."""
    ends = end_days(
        [
            left(Event.DIED, date(2026, 7, 1)),
            left(Event.WITHDREW_TREATMENT, date(2026, 3, 1)),
            left(Event.LOST_TO_FOLLOW_UP, date(2026, 6, 1)),
        ]
    )
    assert ends == EndDays(
        treatment=date(2026, 3, 1),
        study=date(2026, 6, 1),
        consent=None,
        life=date(2026, 7, 1),
    )
    assert end_days([]) == NOTHING_ENDED
    consent = end_days([left(Event.WITHDREW_CONSENT)])
    assert (consent.study, consent.consent) == (DAY, DAY)


@pytest.mark.parametrize("attempts", [None, 0, 2])
def test_lost_needs_contact_attempts(attempts: int | None) -> None:
    """Nobody is lost before three documented attempts."""
    lost = ProposedDisposition(event=Event.LOST_TO_FOLLOW_UP, day=DAY, contact_attempts=attempts)
    with pytest.raises(DomainError) as refusal:
        check_disposition(Status.IN_FOLLOW_UP, lost, NOTHING_KNOWN, RULES)
    assert refusal.value.kind is ErrorKind.INVALID
    assert refusal.value.reasons[0].pointer == "/contact_attempts"
    check_disposition(Status.IN_FOLLOW_UP, replace(lost, contact_attempts=3), NOTHING_KNOWN, RULES)


def test_completion_waits_for_the_last_visit() -> None:
    """A subject completes from the opening of the last visit's window on, not a day before."""
    known = replace(NOTHING_KNOWN, last_infusion=date(2026, 1, 5), completion_from=DAY)
    completed = ProposedDisposition(event=Event.COMPLETED, day=DAY)
    check_disposition(Status.IN_FOLLOW_UP, completed, known, RULES)
    early = replace(completed, day=DAY - timedelta(days=1))
    for proposed, days in ((early, known), (completed, NOTHING_KNOWN)):
        with pytest.raises(DomainError) as refusal:
            check_disposition(Status.IN_FOLLOW_UP, proposed, days, RULES)
        assert refusal.value.code == "follow_up_not_over"


def test_illegal_exit_is_refused_before_its_details() -> None:
    """A dead subject is not asked for contact attempts."""
    lost = ProposedDisposition(event=Event.LOST_TO_FOLLOW_UP, day=DAY)
    with pytest.raises(DomainError) as refusal:
        check_disposition(Status.DIED, lost, NOTHING_KNOWN, RULES)
    assert refusal.value.code == "disposition_not_allowed"


def test_nobody_leaves_before_their_last_infusion() -> None:
    """An exit may fall on the day of an infusion but not before it."""
    known = replace(NOTHING_KNOWN, last_infusion=DAY)
    stopped = ProposedDisposition(event=Event.WITHDREW_TREATMENT, day=DAY)
    check_disposition(Status.ON_TREATMENT, stopped, known, RULES)
    early = replace(stopped, day=DAY - timedelta(days=1))
    with pytest.raises(DomainError) as refusal:
        check_disposition(Status.ON_TREATMENT, early, known, RULES)
    assert refusal.value.code == "infusion_after_exit"


@pytest.mark.parametrize("event", sorted(FOLLOWED))
def test_relapse_and_pregnancy_may_have_begun_unnoticed(event: Event) -> None:
    """Their day may lie before an infusion that was given without knowing."""
    known = replace(NOTHING_KNOWN, last_infusion=DAY)
    earlier = ProposedDisposition(event=event, day=DAY - timedelta(days=3))
    check_disposition(Status.ON_TREATMENT, earlier, known, RULES)


def test_death_is_not_before_the_last_sight_of_the_subject() -> None:
    """A visit after death means that one of the two days is wrong."""
    known = replace(NOTHING_KNOWN, last_observation=DAY)
    died = ProposedDisposition(event=Event.DIED, day=DAY)
    check_disposition(Status.IN_FOLLOW_UP, died, known, RULES)
    early = replace(died, day=DAY - timedelta(days=1))
    with pytest.raises(DomainError) as refusal:
        check_disposition(Status.IN_FOLLOW_UP, early, known, RULES)
    assert refusal.value.code == "observation_after_death"


@pytest.mark.parametrize("status", list(Status))
def test_enrolment_only_from_screening(status: Status) -> None:
    """Nobody is enrolled twice or after an exit."""
    if status is Status.SCREENING:
        check_enrolment(status)
        return
    with pytest.raises(DomainError) as refusal:
        check_enrolment(status)
    assert refusal.value.code == "not_in_screening"


@pytest.mark.parametrize("status", list(Status))
def test_prescription_only_while_treatment_is_open(status: Status) -> None:
    """Infusions are prescribed for enrolled subjects and for those on treatment."""
    if status in {Status.ENROLLED, Status.ON_TREATMENT}:
        check_prescription(status)
        return
    with pytest.raises(DomainError) as refusal:
        check_prescription(status)
    assert refusal.value.code == "treatment_not_open"


def test_infusion_up_to_the_end_of_treatment() -> None:
    """What was infused until treatment ended may be entered later; nothing after it."""
    ends = replace(NOTHING_ENDED, treatment=DAY)
    check_infusion(DAY, ends)
    check_infusion(DAY, NOTHING_ENDED)
    with pytest.raises(DomainError) as refusal:
        check_infusion(DAY + timedelta(days=1), ends)
    assert refusal.value.code == "treatment_ended"


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (replace(NOTHING_ENDED, life=DAY), "after_death"),
        (replace(NOTHING_ENDED, consent=DAY), "consent_withdrawn"),
    ],
)
def test_observation_up_to_death_or_withdrawal(ends: EndDays, code: str) -> None:
    """The last day itself still counts; the day after it does not, for infusions either."""
    check_observation(DAY, ends)
    for check in (check_observation, check_infusion):
        with pytest.raises(DomainError) as refusal:
            check(DAY + timedelta(days=1), ends)
        assert refusal.value.kind is ErrorKind.CONFLICT
        assert refusal.value.code == code


def test_rules_need_an_attempt() -> None:
    """A definition cannot call a subject lost whom nobody tried to reach."""
    with pytest.raises(ValueError, match="reach"):
        DispositionRules(minimum_contact_attempts=0)


def fatal(id_: str, onset: date, end: date | None = None, grade: int = 5) -> AdverseEvent:
    """An event that may have been fatal."""
    return AdverseEvent(
        id=id_,
        term="Stroke",
        soc="Nervous system disorders",
        grade=grade,
        onset_at=datetime(2026, 1, 1, tzinfo=UTC),
        onset_day=onset,
        end_day=end,
    )


def test_a_fatal_event_is_a_death_until_the_death_is_recorded():
    """Its end, or else its onset, is the day; the first of several counts; grade 4 is no death."""
    first, later = date(2026, 2, 1), date(2026, 2, 3)
    died = Disposition(id="d", event=Event.DIED, day=first)
    assert with_implied_death((), [fatal("e", first, later, grade=4)]) == ()
    (implied,) = with_implied_death((), [fatal("e", first, later)])
    assert (implied.id, implied.event, implied.day) == ("e", Event.DIED, later)
    assert with_implied_death((), [fatal("e", first)])[0].day == first
    assert with_implied_death((), [fatal("b", later), fatal("a", first)])[0].id == "a"
    assert with_implied_death((died,), [fatal("e", later)]) == (died,)
