"""Consent, age and earlier treatment: the edges of every period."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.eligibility_evidence import EligibilityFacts, FlagCode
from app.domain.eligibility_rules import Outcome
from app.domain.eligibility_treatment import Period, PeriodUnit
from app.domain.facts import Medication
from app.domain.vocabulary import Disease, MedicationClass
from tests.domain.eligible_subject import (
    ELIGIBLE,
    FIRST_INFUSION,
    SCREENING,
    answer,
    criterion,
    judged,
    medication,
    with_answers,
    with_subject,
)

MET, NOT_MET, UNKNOWN = Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN
UNANSWERED = replace(ELIGIBLE, attestations=())


def _taken(*medications: Medication, facts: EligibilityFacts = UNANSWERED) -> EligibilityFacts:
    return replace(facts, medications=medications)


@pytest.mark.parametrize(("days", "outcome"), [(-1, MET), (0, MET), (1, NOT_MET)])
def test_consent_comes_before_screening(days, outcome):
    """I1: consent on the first screening day is in time, the day after it is not."""
    facts = with_subject(consent_day=SCREENING + timedelta(days=days))
    assert criterion(facts, "I1").outcome is outcome


def test_assessments_before_consent_are_flagged():
    """I1: consent may be in time and yet an assessment earlier; all of those are named."""
    facts = with_subject(consent_day=date(2026, 3, 3), screening_day=date(2026, 3, 3))
    flag = next(flag for flag in judged(facts).flags if flag.criterion == "I1")
    assert criterion(facts, "I1").outcome is MET
    assert flag.code is FlagCode.PROCEDURE_BEFORE_CONSENT
    assert flag.evidence == tuple(each.id for each in ELIGIBLE.assessments)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 110))
def test_age_at_consent(age):
    """I2: 18 is old enough, 17 is not."""
    assert criterion(with_subject(age_at_consent=age), "I2").outcome is (
        MET if age >= 18 else NOT_MET
    )


@pytest.mark.parametrize(
    ("birth_year", "outcome"), [(2007, MET), (2008, UNKNOWN), (2009, NOT_MET), (1950, MET)]
)
def test_a_birth_year_bounds_the_age(birth_year, outcome):
    """I2: consent in 2026; born in 2008 is 17 or 18 and so unknown."""
    facts = with_subject(age_at_consent=None, birth_year=birth_year)
    result = criterion(facts, "I2")
    assert result.outcome is outcome
    assert bool(result.note) is (outcome is UNKNOWN)


def test_age_without_consent_is_that_of_today():
    """I2: without a consent day the evaluation day stands in for it."""
    facts = with_subject(age_at_consent=None, birth_year=2008, consent_day=None)
    assert criterion(facts, "I2", today=date(2027, 1, 1)).outcome is MET


@pytest.mark.parametrize("disease", list(Disease))
def test_listed_diseases(disease):
    """I3: the three named diseases and no other."""
    expected = NOT_MET if disease is Disease.OTHER else MET
    assert criterion(with_subject(disease=disease), "I3").outcome is expected


EARLIEST = SCREENING - timedelta(days=30)


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (EARLIEST, UNKNOWN),
        (EARLIEST + timedelta(days=1), MET),
        (SCREENING, MET),
        (FIRST_INFUSION, MET),
        (FIRST_INFUSION + timedelta(days=1), UNKNOWN),
    ],
)
def test_other_therapy_within_a_month_before_screening(last, outcome):
    """E1 (C28): 30 days before screening passes, one day less excludes, during screening too."""
    given_ = medication(MedicationClass.ANTITUMOR_THERAPY, last)
    assert criterion(_taken(given_), "E1").outcome is outcome


def test_only_therapy_after_car_t_counts():
    """E1 (C28): what ended by the CAR-T day was preparation for it, and CAR-T itself is none."""
    car_t_day = SCREENING - timedelta(days=25)
    for days, outcome in ((-1, UNKNOWN), (0, UNKNOWN), (1, MET)):
        end = car_t_day + timedelta(days=days)
        given_ = medication(MedicationClass.ANTITUMOR_THERAPY, end - timedelta(days=2), end)
        facts = with_subject(_taken(given_), car_t_day=car_t_day)
        assert criterion(facts, "E1").outcome is outcome
        answered = with_answers(answer("E1", False), facts=facts)
        assert criterion(answered, "E1").outcome is (MET if outcome is MET else NOT_MET)


def test_therapy_with_unknown_car_t_day_is_unknown():
    """E1: nobody can tell whether it came after CAR-T."""
    given_ = medication(MedicationClass.ANTITUMOR_THERAPY, SCREENING)
    result = criterion(with_subject(_taken(given_), car_t_day=None), "E1")
    assert result.outcome is UNKNOWN
    assert result.evidence == (given_.id,)


def test_ongoing_therapy_counts_to_the_end():
    """E1: a therapy that goes on is recent however long ago it began."""
    given_ = medication(MedicationClass.ANTITUMOR_THERAPY, date(2025, 6, 1), ongoing=True)
    result = criterion(_taken(given_), "E1")
    assert (result.outcome, result.date) == (MET, FIRST_INFUSION)


@pytest.mark.parametrize(
    ("id_", "medication_class"),
    [("E14a", MedicationClass.LIVE_VACCINE), ("E17", MedicationClass.INVESTIGATIONAL_DRUG)],
)
@pytest.mark.parametrize(("days", "outcome"), [(27, MET), (28, UNKNOWN), (0, MET), (-1, UNKNOWN)])
def test_four_weeks_before_the_first_infusion(id_, medication_class, days, outcome):
    """E14a and E17: fewer than 28 days exclude; 28 days pass as far as the record goes."""
    given_ = medication(medication_class, FIRST_INFUSION - timedelta(days=days))
    assert criterion(_taken(given_), id_).outcome is outcome


@pytest.mark.parametrize(
    ("half_life", "days", "outcome"),
    [
        ("10", 49, MET),
        ("10", 50, UNKNOWN),
        ("10.1", 50, MET),
        ("1", 27, MET),
        ("1", 28, UNKNOWN),
    ],
)
def test_five_half_lives_if_longer(half_life, days, outcome):
    """E17: the longer of 28 days and 5 half-lives; a person confirms that there is no other."""
    given_ = medication(
        MedicationClass.INVESTIGATIONAL_DRUG,
        FIRST_INFUSION - timedelta(days=days),
        half_life_days=Decimal(half_life),
    )
    assert criterion(_taken(given_), "E17").outcome is outcome
    assert judged(_taken(given_)).flags == ()


def test_an_unknown_half_life_is_flagged():
    """E17: beyond 28 days the half-life decides; without it a person has to."""
    given_ = medication(MedicationClass.INVESTIGATIONAL_DRUG, FIRST_INFUSION - timedelta(days=60))
    facts = _taken(given_, facts=ELIGIBLE)
    assert criterion(facts, "E17").outcome is NOT_MET
    assert [(flag.code, flag.evidence) for flag in judged(facts).flags] == [
        (FlagCode.HALF_LIFE_UNKNOWN, (given_.id,))
    ]


@pytest.mark.parametrize(
    ("days", "investigational", "flagged"),
    [(27, True, True), (28, True, False), (27, False, False), (27, None, False)],
)
def test_investigational_car_t_is_a_question_not_a_failure(days, investigational, flagged):
    """C27: an investigational CAR-T less than 28 days ago is flagged and excludes nobody."""
    facts = with_subject(
        car_t_day=FIRST_INFUSION - timedelta(days=days),
        car_t_was_investigational=investigational,
    )
    assert criterion(facts, "E17").outcome is NOT_MET
    codes = [flag.code for flag in judged(facts).flags]
    assert codes == ([FlagCode.INVESTIGATIONAL_CAR_T] if flagged else [])


def test_unknown_car_t_day_raises_no_question():
    """C27: without a CAR-T day there is nothing to ask about."""
    facts = with_subject(car_t_day=None, car_t_was_investigational=True)
    assert judged(facts).flags == ()


@pytest.mark.parametrize(
    ("transplant", "outcome"),
    [
        (date(2025, 9, 9), NOT_MET),
        (date(2025, 9, 10), NOT_MET),
        (date(2025, 9, 11), MET),
        (FIRST_INFUSION + timedelta(days=30), MET),
    ],
)
def test_six_calendar_months_after_transplantation(transplant, outcome):
    """E13a: first infusion on 2026-03-10; exactly six months are enough, a day less is not."""
    facts = with_subject(allogeneic_transplant_day=transplant)
    assert criterion(facts, "E13a").outcome is outcome


def test_a_month_that_lacks_the_day_ends_on_its_last():
    """E13a: six months after 31 August are over on the last day of February."""
    facts = with_subject(allogeneic_transplant_day=date(2025, 8, 31))
    last = replace(facts, subject=replace(facts.subject, planned_first_infusion_day=None))
    assert criterion(last, "E13a", today=date(2026, 2, 27)).outcome is MET
    assert criterion(last, "E13a", today=date(2026, 2, 28)).outcome is NOT_MET


@settings(max_examples=60, deadline=None)
@given(st.dates(date(2000, 1, 1), date(2040, 12, 31)), st.integers(0, 40))
def test_periods(day, amount):
    """Days are exact both ways; months keep the day of the month or shorten it."""
    days = Period(amount=amount, unit=PeriodUnit.DAYS)
    assert days.after(day) - day == day - days.before(day) == timedelta(days=amount)
    months = Period(amount=amount, unit=PeriodUnit.MONTHS)
    for shifted, sign in ((months.after(day), 1), (months.before(day), -1)):
        assert (shifted.year - day.year) * 12 + shifted.month - day.month == sign * amount
        assert shifted.day == day.day or (
            shifted.day < day.day and (shifted + timedelta(days=1)).day == 1
        )
