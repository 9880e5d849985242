"""What the records of a subject ask by themselves: each rule at its boundary, and its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from app.domain.deviations import DeviationRules
from app.domain.dosing import DosingRules
from app.domain.eligibility_evidence import EligibilityFacts
from app.domain.facts import AdverseEvent, Disposition, Infusion
from app.domain.query_rules import Finding, HeldResult, QueryFacts, QueryRule, derive_findings
from app.domain.schedule import Course, ScheduleRules, plan
from app.domain.visits import PerformedDay
from app.domain.vocabulary import (
    AssessmentKind,
    Causality,
    DispositionEvent,
    MedicationClass,
    Sex,
)
from tests.domain import eligible_subject as eligible
from tests.domain.eligible_subject import ELIGIBLE, FIRST_INFUSION, with_assessment, with_subject
from tests.domain.infusion_facts import cancelled, given, planned
from tests.protocol_data import section

DOSING = section("dosing", DosingRules)
SCHEDULE = section("schedule", ScheduleRules)
VISITS = section("deviations", DeviationRules).blood_count_visits
# The days allowed on either side of week 4 and 8 (C7), after the last infusion.
WINDOWS = {
    visit.name: (visit.target_day, visit.window_days)
    for visit in SCHEDULE.visits.offsets
    if visit.name in VISITS
}


def day(number: int) -> date:
    """Count a day from the first infusion."""
    return FIRST_INFUSION + timedelta(days=number)


def counted(number: int, *, whole: bool = True) -> PerformedDay:
    """See the subject on a day, with a complete blood count or without."""
    return PerformedDay(day=day(number), has_cbc=whole, evidence=(f"count-{number}",))


def derive(
    *infusions: Infusion,
    facts: EligibilityFacts = ELIGIBLE,
    performed: tuple[PerformedDay, ...] = (),
    events: tuple[AdverseEvent, ...] = (),
    held: tuple[HeldResult, ...] = (),
    today: int = 0,
    left: int | None = None,
    died: int | None = None,
) -> tuple[Finding, ...]:
    """Derive what is asked about a subject of level A by `today`, in days from the infusion."""
    left_on = None if left is None else day(left)
    course = Course(
        sex=Sex.FEMALE,
        level=DOSING.level("A"),
        planned_first_day=FIRST_INFUSION,
        infusions=infusions,
        performed=performed,
        treatment_ended_on=left_on,
        left_study_on=left_on,
    )
    known = QueryFacts(
        subject=facts.subject,
        schedule=plan(course, SCHEDULE, day(today)),
        performed=performed,
        infusions=infusions,
        events=events,
        dispositions=() if died is None else (death(died),),
        eligibility=eligible.judged(facts, day(today)),
        held=held,
    )
    return derive_findings(known, VISITS, eligible.rules())


def death(number: int) -> Disposition:
    """Let the subject die on a day."""
    return Disposition(id="exit", event=DispositionEvent.DIED, day=day(number))


def keys(found: tuple[Finding, ...], rule: QueryRule) -> list[str]:
    """List what one rule asks."""
    return [each.key for each in found if each.rule is rule]


def event(**changes: object) -> AdverseEvent:
    """Make an event that began with the first infusion and was judged."""
    made = AdverseEvent(
        id="event",
        term="Fever",
        soc="General",
        grade=1,
        onset_at=datetime.combine(FIRST_INFUSION, datetime.min.time(), eligible.ZONE),
        onset_day=FIRST_INFUSION,
        causality=Causality.UNRELATED,
    )
    return replace(made, **changes)


def test_sound_records_ask_nothing():
    """An eligible subject, treated and seen as planned, raises no question."""
    weeks = tuple(counted(target) for target, _ in WINDOWS.values())
    assert derive() == ()
    assert derive(given(1, FIRST_INFUSION), performed=weeks, events=(event(),), today=400) == ()


def test_a_held_result_asks_and_shows_no_value():
    """Each result that waits is a question of its own, with or without a known analyte."""
    held = (HeldResult(id="b", analyte="ANC"), HeldResult(id="a", analyte=None))
    first, second = derive(held=held)
    assert (first.key, second.key) == ("implausible_value:a", "implausible_value:b")
    assert (second.record_type, second.record_id, second.field) == ("inbox_item", "b", None)
    assert "ANC" in second.text
    assert "unknown analyte" in first.text


@pytest.mark.parametrize("week", list(WINDOWS))
def test_the_count_of_a_week_is_missed_on_the_day_after_its_window(week):
    """Not on the last day of the window, and not once a whole count lies in it."""
    target, days = WINDOWS[week]
    infusion, last = given(1, FIRST_INFUSION), target + days
    others = tuple(counted(number) for name, (number, _) in WINDOWS.items() if name != week)

    def missing(*seen: PerformedDay, today: int = last + 1, left: int | None = None) -> list[str]:
        found = derive(infusion, performed=(*others, *seen), today=today, left=left)
        return keys(found, QueryRule.BLOOD_COUNT_MISSING)

    key = f"blood_count_missing:{week}:{day(last)}"
    assert missing(today=last) == []
    assert missing() == [key]
    assert missing(counted(target, whole=False)) == [key]
    for edge in (target - days, target, last):
        assert missing(counted(edge)) == []
    for beyond in (target - days - 1, last + 1):
        assert missing(counted(beyond)) == [key]
    assert missing(left=last) == []
    assert missing(left=last + 1) == [key]


def test_another_schedule_is_another_question():
    """The key names the window, so that a closed question is not taken for the new one."""
    target, days = WINDOWS["W4"]
    found = derive(given(1, day(3)), today=target + days + 4)
    assert keys(found, QueryRule.BLOOD_COUNT_MISSING) == [
        f"blood_count_missing:W4:{day(target + days + 3)}"
    ]


@pytest.mark.parametrize(("ago", "asks"), [(27, True), (28, False)])
@pytest.mark.parametrize(
    ("investigational", "rule"),
    [(True, QueryRule.CAR_T_INVESTIGATIONAL), (None, QueryRule.CAR_T_KIND_UNKNOWN)],
)
def test_a_car_t_of_fewer_than_28_days_asks(ago, asks, investigational, rule):
    """An investigational product asks what counts, an unknown one asks what it is (C27)."""
    product = {"car_t_day": day(-ago), "car_t_was_investigational": investigational}
    found = derive(facts=with_subject(**product))
    assert keys(found, rule) == ([f"{rule}:E17:{day(-ago)}"] if asks else [])
    assert {each.rule for each in found} <= {rule}
    for each in found:
        assert (each.record_type, each.field) == ("subject", "car_t_was_investigational")


@pytest.mark.parametrize(("product", "on"), [(False, day(-27)), (True, None), (None, None)])
def test_a_known_or_missing_car_t_asks_nothing_about_e17(product, on):
    """A marketed product is none of E17, and without a day another criterion is open."""
    facts = with_subject(car_t_day=on, car_t_was_investigational=product)
    assert derive(facts=facts) == ()


def test_a_study_drug_without_half_life_asks_for_it():
    """Until the half-life is stated; 28 days before the infusion are not enough to know."""
    drug = eligible.medication(MedicationClass.INVESTIGATIONAL_DRUG, day(-40), day(-40))
    (found,) = derive(facts=replace(ELIGIBLE, medications=(drug,)))
    assert found.key == f"half_life_unknown:{drug.id}"
    assert (found.record_type, found.field) == ("concomitant_medication", "half_life_days")
    known = replace(drug, half_life_days=Decimal(1))
    assert derive(facts=replace(ELIGIBLE, medications=(known,))) == ()


def test_a_qtcf_that_its_parts_do_not_give_asks():
    """QT 400 ms at an RR of one second is 400 ms, whatever else was written down."""
    wrong = eligible.assessment(AssessmentKind.ECG, qt_ms=400, rr_ms=1000, qtcf_ms=440)
    (found,) = derive(facts=with_assessment(wrong))
    assert (found.rule, found.record_id) == (QueryRule.QTCF_DISAGREES, wrong.id)


@pytest.mark.parametrize(
    ("onset", "causality", "asks"),
    [
        (0, None, True),
        (1, None, True),
        (-1, None, False),
        (0, Causality.UNRELATED, False),
        (0, Causality.POSSIBLE, False),
    ],
)
def test_an_event_under_treatment_needs_a_relation(onset, causality, asks):
    """From the day of the first infusion on; before it nothing can be related."""
    made = event(onset_day=day(onset), causality=causality)
    found = derive(given(1, FIRST_INFUSION), events=(made,), today=1)
    assert keys(found, QueryRule.CAUSALITY_MISSING) == (["causality_missing:event"] if asks else [])


def test_without_an_infusion_no_relation_is_asked_for():
    """Planned or empty infusions begin no treatment."""
    made = event(causality=None)
    empty = replace(given(1, FIRST_INFUSION), volume_ml=Decimal(0))
    for infusion in (planned(1, FIRST_INFUSION), cancelled(1, FIRST_INFUSION), empty):
        assert keys(derive(infusion, events=(made,)), QueryRule.CAUSALITY_MISSING) == []


@pytest.mark.parametrize(("today", "asks"), [(0, False), (1, True)])
def test_a_started_infusion_needs_its_volume_by_the_next_day(today, asks):
    """On its day it may still run; from the next day on it counts as not given."""
    started = replace(given(1, FIRST_INFUSION), volume_ml=None)
    found = keys(derive(started, today=today), QueryRule.VOLUME_MISSING)
    assert found == (["volume_missing:infusion-1"] if asks else [])
    dropped = replace(started, cancelled=True)
    for settled in (dropped, given(1, FIRST_INFUSION), planned(1, FIRST_INFUSION)):
        assert keys(derive(settled, today=today), QueryRule.VOLUME_MISSING) == []


@pytest.mark.parametrize(
    ("number", "asks"),
    [(SCHEDULE.follow_up_days, True), (SCHEDULE.follow_up_days + 1, False), (40, True)],
)
def test_a_death_needs_its_event_until_the_safety_follow_up_ends(number, asks):
    """Its last day counts; a fatal event answers it, one of grade four does not."""
    infusion = given(1, FIRST_INFUSION)

    def asked(*events: AdverseEvent) -> list[str]:
        found = derive(infusion, events=events, today=number, left=number, died=number)
        return keys(found, QueryRule.DEATH_WITHOUT_EVENT)

    assert asked() == (["death_without_event:exit"] if asks else [])
    assert asked(event(grade=4)) == asked()
    assert asked(event(grade=5)) == []


def test_a_death_before_consent_has_no_event():
    """Events are collected from consent on (C31), treated or not."""
    consented = ELIGIBLE.subject.consent_day
    assert consented is not None
    late, never = (with_subject(consent_day=day) for day in (consented, None))
    number = (consented - FIRST_INFUSION).days
    for facts, on, asks in ((late, number, True), (late, number - 1, False), (never, 0, False)):
        found = keys(derive(facts=facts, died=on), QueryRule.DEATH_WITHOUT_EVENT)
        assert found == (["death_without_event:exit"] if asks else [])


@settings(max_examples=60, deadline=None)
@property_of(
    st.sets(st.integers(0, 80), max_size=6),
    st.integers(-30, 120),
    st.sampled_from([True, False, None]),
    st.integers(1, 60),
)
def test_keys_are_unique_sorted_and_never_name_the_future(seen, today, product, ago):
    """Whatever is recorded, each question is asked once, and none about a day to come."""
    found = derive(
        *([given(1, FIRST_INFUSION)] if today >= 0 else []),
        facts=with_subject(car_t_day=day(-ago), car_t_was_investigational=product),
        performed=tuple(counted(number) for number in sorted(seen)),
        today=today,
    )
    names = [each.key for each in found]
    assert names == sorted(set(names))
    for each in found:
        assert each.key.startswith(f"{each.rule}:")
        assert each.text.endswith((".", "?"))
        assert each.day is None or each.day < day(max(today, 0))
