"""Adverse events as recorded: deaths, grades and treatment emergence at every boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from app.domain.errors import DomainError, ErrorKind
from app.domain.facts import AdverseEvent
from app.domain.safety_reporting import EventClaims, check_event, is_treatment_emergent
from app.domain.vocabulary import AdverseEventOutcome, SeriousnessCriterion

ONSET = datetime(2026, 2, 10, 12, tzinfo=UTC)
EVENT = AdverseEvent(
    id="event-1",
    term="Sepsis",
    soc="Infections and infestations",
    grade=4,
    onset_at=ONSET,
    onset_day=ONSET.date(),
)
SOUND = EventClaims(
    grade=3,
    term_grades=frozenset({3, 4, 5}),
    seriousness=frozenset({SeriousnessCriterion.HOSPITALIZATION}),
    outcome=AdverseEventOutcome.RECOVERING,
    onset_at=ONSET,
    ended_at=None,
)
DEATH = frozenset({SeriousnessCriterion.DEATH})


def test_a_sound_event_passes() -> None:
    """A living subject and a death recorded in all three fields are accepted."""
    check_event(SOUND)
    check_event(replace(SOUND, ended_at=ONSET))
    check_event(replace(SOUND, grade=5, seriousness=DEATH, outcome=AdverseEventOutcome.FATAL))


@pytest.mark.parametrize(
    ("fatal_grade", "fatal_outcome", "death"), list(product((True, False), repeat=3))
)
def test_death_is_recorded_everywhere_or_nowhere(
    fatal_grade: bool, fatal_outcome: bool, death: bool
) -> None:
    """Of grade 5, fatal outcome and death, each missing one is named."""
    claims = replace(
        SOUND,
        grade=5 if fatal_grade else 4,
        outcome=AdverseEventOutcome.FATAL if fatal_outcome else AdverseEventOutcome.RECOVERED,
        seriousness=DEATH if death else frozenset(),
    )
    if fatal_grade == fatal_outcome == death:
        check_event(claims)
        return
    with pytest.raises(DomainError) as refusal:
        check_event(claims)
    parts = (("/grade", fatal_grade), ("/outcome", fatal_outcome), ("/seriousness", death))
    assert refusal.value.kind is ErrorKind.INVALID
    assert [reason.pointer for reason in refusal.value.reasons] == [
        pointer for pointer, present in parts if not present
    ]
    assert refusal.value.code == refusal.value.reasons[0].code


@pytest.mark.parametrize("grade", [0, 1, 2, 6])
def test_a_grade_that_the_term_lacks_is_refused(grade: int) -> None:
    """The refusal names the grades that exist."""
    with pytest.raises(DomainError) as refusal:
        check_event(replace(SOUND, grade=grade))
    assert refusal.value.code == "grade_not_in_term"
    assert "3, 4, 5" in refusal.value.reasons[0].message


def test_a_death_needs_a_term_with_grade_5() -> None:
    """A term that has no grade 5 cannot be what somebody died of."""
    claims = replace(
        SOUND,
        term_grades=frozenset({2, 3}),
        seriousness=DEATH,
        outcome=AdverseEventOutcome.FATAL,
    )
    with pytest.raises(DomainError) as refusal:
        check_event(claims)
    assert [reason.code for reason in refusal.value.reasons] == ["fatal_without_grade_5"]
    assert "no grade 5" in refusal.value.reasons[0].message


def test_an_event_does_not_end_before_it_begins() -> None:
    """An end before the onset is refused."""
    with pytest.raises(DomainError) as refusal:
        check_event(replace(SOUND, ended_at=ONSET - timedelta(seconds=1)))
    assert refusal.value.reasons[0].pointer == "/ended_at"


@pytest.mark.parametrize(
    ("days", "grade", "baseline", "emergent"),
    [
        (0, 1, None, True),
        (0, 1, 0, True),
        (1, 4, 3, True),
        (1, 4, 4, False),
        (1, 3, 4, False),
        (-1, 4, None, False),
        (-1, 4, 4, False),
        (-1, 4, 1, True),
    ],
)
def test_treatment_emergence(days: int, grade: int, baseline: int | None, emergent: bool) -> None:
    """From the first infusion's day on, or a known worsening of what was there before."""
    happened = replace(
        EVENT,
        onset_at=ONSET + timedelta(days=days),
        onset_day=ONSET.date() + timedelta(days=days),
        grade=grade,
        baseline_grade=baseline,
    )
    assert is_treatment_emergent(happened, ONSET.date()) is emergent


def test_an_onset_without_a_time_emerges_on_the_day_of_the_infusion() -> None:
    """Midnight stands for an unknown time."""
    midnight = replace(EVENT, onset_at=ONSET.replace(hour=0))
    assert is_treatment_emergent(midnight, ONSET.date())


@pytest.mark.parametrize(("days", "emergent"), [(-1, False), (0, True), (3, True)])
def test_what_ended_before_treatment_does_not_emerge(days: int, emergent: bool) -> None:
    """An earlier event that got worse counts only if it went on to the day of the infusion."""
    end = ONSET + timedelta(days=days)
    began = ONSET - timedelta(days=5)
    earlier = replace(
        EVENT, onset_at=began, onset_day=began.date(), end_at=end, end_day=end.date(),
        baseline_grade=1,
    )  # fmt: skip
    assert is_treatment_emergent(earlier, ONSET.date()) is emergent


def test_nothing_emerges_without_treatment() -> None:
    """Before any infusion no event is treatment-emergent."""
    assert is_treatment_emergent(EVENT, None) is False
