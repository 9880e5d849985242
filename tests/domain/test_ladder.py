"""The facts of the ladder: counting subjects, pooling a level, triggers, stagger."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.domain.dlt import DltFacts
from app.domain.dlt_rules import DltRules
from app.domain.evaluability import evaluability
from app.domain.ladder import (
    LevelTally,
    blockers,
    expansion_triggers,
    hold_triggers,
    pooled_outcomes,
    stagger_reason,
    tally,
)
from app.domain.vocabulary import Causality, DispositionEvent
from tests.domain import dlt_cases
from tests.domain.dlt_cases import adjudication, course, day, event, given_infusion, left
from tests.domain.ladder_cases import RULES, tallied
from tests.protocol_data import section

RELATED = section("dlt", DltRules).relatedness
WITH_DLT = replace(course("A"), events=(event(3),), adjudications=(adjudication(True),))
TWO_OPEN = replace(
    course("A"),
    events=(event(3), event(4, id="ae-2"), event(5, id="ae-3")),
    adjudications=(adjudication(True),),
)
PENDING = replace(course("A"), events=(event(3),))
GONE = replace(course("A"), dispositions=(left(DispositionEvent.WITHDREW_CONSENT, 3),))
NOT_DOSED = DltFacts(level=dlt_cases.LEVELS["A"])


def judged(*subjects: DltFacts, on: int = 29):
    """Derive how subjects count."""
    return tuple(evaluability(subject, day(on), dlt_cases.RULES, 2) for subject in subjects)


def test_every_subject_is_counted_in_one_state():
    """A level with one subject of each kind."""
    late = replace(course("A"), infusions=(given_infusion(1, 5),))
    counted = tally("A", judged(course("A"), WITH_DLT, PENDING, GONE, NOT_DOSED, late))
    assert counted.evaluable == 2
    assert counted.dlts == 1
    assert counted.unresolved == counted.may_have_dlt == counted.open_items == 1
    assert counted.not_evaluable == counted.enrolled_not_dosed == counted.in_window == 1
    assert counted.first_infusion_days == (*(day(0),) * 4, day(5))
    assert set(counted.evidence) == {"inf-1", "ae-1", "adj-1", "dis-1"}


def test_replaced_subjects_hold_no_slot():
    """Evaluable, in flight and not yet dosed subjects take slots."""
    counted = tally("A", judged(course("A"), WITH_DLT, PENDING, GONE, NOT_DOSED))
    assert counted.slots_held == 4
    assert counted.in_flight == 1


def test_open_items_of_a_subject_with_dlt_cannot_add_one():
    """Subjects count once, but their open items still have to close."""
    counted = tally("A", judged(TWO_OPEN, PENDING))
    assert (counted.dlts, counted.may_have_dlt, counted.open_items) == (1, 1, 3)
    assert counted.possible_dlts == 2


@pytest.mark.parametrize(
    "outstanding",
    [{"in_window": 1}, {"unresolved": 1}, {"enrolled_not_dosed": 1}, {"open_items": 1}],
)
def test_a_level_is_settled_when_nothing_is_outstanding(outstanding):
    """Windows, records, doses and adjudications all have to close."""
    assert tallied("A", 3, not_evaluable=2).settled
    assert not tallied("A", 3, **outstanding).settled


def test_blockers_name_each_outstanding_thing():
    """Only what is outstanding is listed, with its count."""
    level = tallied("A", 1, in_window=2, enrolled_not_dosed=1, unresolved=1, open_items=3)
    listed = [(item.level, item.code, item.count) for item in blockers([level, tallied("B", 3)])]
    assert listed == [
        ("A", "not_dosed", 1),
        ("A", "in_window", 2),
        ("A", "unresolved", 1),
        ("A", "open_items", 3),
    ]


def test_pooled_outcomes_follow_the_first_infusions():
    """Both phases of a level in order of dosing, without replaced and undosed subjects."""
    first = replace(WITH_DLT, infusions=(given_infusion(1, 2),))
    running = replace(course("A"), infusions=(given_infusion(1, 20),))
    pooled = pooled_outcomes(judged(running, GONE, first, NOT_DOSED, course("A")))
    assert pooled == (False, True, None)


def test_an_attempt_that_gave_nothing_is_no_first_infusion():
    """The gap to the next subject and the pooled outcomes count from what was given."""
    nothing = replace(course("A"), infusions=(given_infusion(1, 0, volume_ml=Decimal(0)),))
    (subject,) = judged(nothing)
    assert subject.window is not None
    assert tally("A", [subject]).first_infusion_days == ()
    assert pooled_outcomes([subject]) == ()


# Hold triggers


@pytest.mark.parametrize(
    ("term", "grade", "code"),
    [
        ("Hypertension", 5, "related_death"),
        ("Hypertension", 4, None),
        ("Thromboembolic event", 4, "related_embolism"),
        ("Thromboembolic event", 3, None),
        ("Arterial thromboembolism", 4, "related_embolism"),
        ("Anaphylaxis", 4, "related_anaphylaxis"),
        ("Anaphylaxis", 3, None),
    ],
)
def test_related_events_that_hold_the_trial(term, grade, code):
    """A related death, and a related grade 4 embolism or anaphylaxis."""
    happened = event(term=term, grade=grade, version=3)
    triggers = hold_triggers([happened], RULES.hold_triggers, RELATED)
    assert [trigger.code for trigger in triggers] == ([code] if code else [])
    assert all(trigger.id == "ae-1:3" for trigger in triggers)


@pytest.mark.parametrize(
    ("causality", "holds"), [(None, True), (Causality.POSSIBLE, True), (Causality.UNLIKELY, False)]
)
def test_a_missing_attribution_holds_too(causality, holds):
    """Until somebody attributes the event it counts as related."""
    happened = event(term="Anaphylaxis", grade=4, causality=causality)
    assert bool(hold_triggers([happened], RULES.hold_triggers, RELATED)) is holds


# Expansion alert


@pytest.mark.parametrize(
    ("outcomes", "rings"),
    [
        ((), False),
        ((False, False, False), False),
        ((False, False, False, True), False),
        ((False, False, False, True, True), True),
        ((False, False, False, None, None, True, True), True),
        ((None, *(False,) * 5, True, True), False),
        ((True, False, False, False, False, False, True), False),
        ((True, False, False, False, False, True, False), True),
        ((True, False, False, False, False, False, True, True), True),
        ((*(False,) * 6, True, True, True), True),
        ((*(False,) * 7, True, True, True), False),
        ((*(False,) * 8, True, True, True, True), True),
    ],
)
def test_the_expansion_alert(outcomes, rings):
    """Two DLTs among the first six, or more than 33 % of the results known."""
    assert bool(expansion_triggers(outcomes, RULES.expansion)) is rings


def test_the_alert_names_the_number_of_dlts():
    """A further DLT is a new trigger."""
    two = expansion_triggers((True, True, False), RULES.expansion)
    three = expansion_triggers((True, True, True), RULES.expansion)
    assert [trigger.id for trigger in (*two, *three)] == ["expansion_dlts:2", "expansion_dlts:3"]


def test_a_rate_exactly_at_the_limit_does_not_ring():
    """The alert is for more than the rate."""
    rules = replace(RULES.expansion, alert_rate=Decimal("0.25"))
    assert not expansion_triggers((True, False, False, False), rules)


# Stagger

DOSED = date(2026, 3, 2)


@pytest.mark.parametrize(("after", "early"), [(0, True), (13, True), (14, False), (15, False)])
def test_the_second_subject_follows_after_14_days(after, early):
    """The first subject of a level is watched for 14 days."""
    level = LevelTally(level="A", first_infusion_days=(DOSED,))
    reason = stagger_reason(level, DOSED + timedelta(days=after), RULES.stagger)
    assert bool(reason) is early


def test_the_others_follow_without_delay():
    """From the second subject on nobody has to wait."""
    level = LevelTally(level="A", first_infusion_days=(DOSED, DOSED + timedelta(days=14)))
    assert stagger_reason(level, DOSED + timedelta(days=14), RULES.stagger) is None


def test_the_others_wait_for_the_latest_if_configured():
    """A delay between all subjects counts from the latest first infusion."""
    rules = replace(RULES.stagger, after_others_days=7)
    days = (DOSED, DOSED + timedelta(days=14))
    level = LevelTally(level="A", first_infusion_days=days)
    assert stagger_reason(level, DOSED + timedelta(days=20), rules)
    assert stagger_reason(level, DOSED + timedelta(days=21), rules) is None


def test_the_second_waits_for_the_first_to_be_dosed():
    """While the first subject is enrolled but not dosed, the second comes too soon."""
    waiting = LevelTally(level="A", enrolled_not_dosed=1)
    assert stagger_reason(waiting, DOSED, RULES.stagger)
    assert stagger_reason(waiting, DOSED, replace(RULES.stagger, after_first_days=0)) is None
    assert stagger_reason(LevelTally(level="A"), DOSED, RULES.stagger) is None
