"""Which events may be reactions to an infusion: by class, and from the start for a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from app.domain.dosing import DosingRules
from app.domain.facts import AdverseEvent
from app.domain.infusion_reactions import InfusionReaction, infusion_reactions
from tests.domain.infusion_facts import given, planned
from tests.protocol_data import section

RULES = section("dosing", DosingRules)
DAY = date(2026, 1, 5)
START = datetime.combine(DAY, time(9), UTC)


def event(onset_at: datetime, term: str = "Chills") -> AdverseEvent:
    """Let an event begin."""
    return AdverseEvent(
        id=f"{term}-{onset_at}",
        term=term,
        soc="General disorders and administration site conditions",
        grade=2,
        onset_at=onset_at,
        onset_day=onset_at.date(),
    )


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (timedelta(seconds=-1), False),
        (timedelta(0), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24, seconds=1), False),
    ],
)
def test_a_reaction_begins_within_a_day_of_the_start(after: timedelta, found: bool) -> None:
    """The start itself and the last second of the day count."""
    chills = event(START + after)
    expected = InfusionReaction(
        adverse_event_id=chills.id, term="Chills", grade=2, onset_at=chills.onset_at
    )
    assert infusion_reactions(given(1, DAY), [chills], RULES) == ((expected,) if found else ())


def test_reactions_come_by_onset_and_by_class_alone() -> None:
    """A raised enzyme on the same day is no reaction."""
    events = [
        event(START + timedelta(hours=3), "Fever"),
        event(START + timedelta(hours=1), "Creatinine increased"),
        event(START + timedelta(hours=2)),
    ]
    found = infusion_reactions(given(1, DAY), events, RULES)
    assert [each.term for each in found] == ["Chills", "Fever"]


def test_what_did_not_enter_the_subject_causes_nothing() -> None:
    """Neither a planned infusion has reactions, nor one that gave no volume."""
    nothing = replace(given(1, DAY), volume_ml=Decimal(0))
    for infusion in (planned(1, DAY), nothing):
        assert infusion_reactions(infusion, [event(START)], RULES) == ()


def test_a_reaction_needs_hours_to_begin_in() -> None:
    """A rule without any would hide every reaction."""
    assert replace(RULES, reaction_hours=1).reaction_hours == 1
    with pytest.raises(ValueError, match="hours"):
        replace(RULES, reaction_hours=0)
