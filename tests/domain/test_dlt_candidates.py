"""Which adverse events have to be adjudicated."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import CandidateReason, DltFacts, dlt_candidates, window
from app.domain.dlt_rules import (
    CytopeniaExclusion,
    DltRules,
    Relatedness,
)
from app.domain.facts import AdverseEvent
from app.domain.vocabulary import Causality
from tests.domain.dlt_cases import (
    LEVELS,
    NOON,
    RULES,
    course,
    event,
    given_infusion,
)


def reasons(facts: DltFacts, rules: DltRules = RULES) -> tuple[CandidateReason, ...]:
    """Give why the only event is a candidate; empty when it is none."""
    candidates = dlt_candidates(facts, window(facts, rules), rules)
    return candidates[0].reasons if candidates else ()


def reasons_of(happened: AdverseEvent, rules: DltRules = RULES) -> tuple[CandidateReason, ...]:
    """Give why one event of a subject on level A is a candidate."""
    return reasons(replace(course("A"), events=(happened,)), rules)


@pytest.mark.parametrize(
    ("offset", "expected"), [(-1, False), (0, True), (27, True), (28, True), (29, False)]
)
def test_only_events_of_the_window_are_candidates(offset, expected):
    """The first infusion's day and the last day of the window both belong to it."""
    before = {"baseline_grade": 3} if offset < 0 else {}
    assert bool(reasons_of(event(offset, **before))) is expected


@pytest.mark.parametrize(("grade", "expected"), [(2, False), (3, True), (4, True)])
def test_candidates_have_at_least_grade_3(grade, expected):
    """Grade 3 is the first that limits the dose."""
    assert bool(reasons_of(event(grade=grade))) is expected


@pytest.mark.parametrize(
    ("causality", "expected"),
    [
        (Causality.DEFINITE, True),
        (Causality.PROBABLE, True),
        (Causality.POSSIBLE, True),
        (Causality.UNLIKELY, False),
        (Causality.UNRELATED, False),
        (None, True),
    ],
)
def test_candidates_are_possibly_related_or_not_attributed(causality, expected):
    """A missing attribution counts as related."""
    assert bool(reasons_of(event(causality=causality))) is expected


def test_a_missing_attribution_can_be_configured_away():
    """Whether a missing attribution counts is part of the rule set."""
    strict = Relatedness(causalities=(Causality.DEFINITE,), missing_counts=False)
    assert reasons_of(event(causality=None), replace(RULES, relatedness=strict)) == ()


@pytest.mark.parametrize("term", [*RULES.cytopenia.terms, *RULES.cytopenia.sequelae])
@pytest.mark.parametrize(("baseline", "expected"), [(4, False), (3, True), (None, True)])
def test_a_cytopenia_is_excluded_only_at_its_baseline_grade(term, baseline, expected):
    """A grade 4 that was grade 4 at baseline is no news; an unknown baseline is for a person."""
    happened = event(term=term, grade=4, baseline_grade=baseline)
    assert bool(reasons_of(happened)) is expected


def test_cytopenias_can_be_excluded_altogether():
    """The stricter reading excludes every low count, but a sequela only at its baseline grade."""
    cytopenia = replace(RULES.cytopenia, exclusion=CytopeniaExclusion.ALWAYS)
    rules = replace(RULES, cytopenia=cytopenia)
    assert reasons_of(event(term="Anemia", baseline_grade=1), rules) == ()
    assert reasons_of(event(term="Febrile neutropenia", baseline_grade=None), rules)


def test_another_event_at_its_baseline_grade_stays_a_candidate():
    """Only cytopenias and their sequelae are excused by the baseline."""
    assert reasons_of(event(term="Hypertension", baseline_grade=3))


@pytest.mark.parametrize(
    ("disease", "excused"),
    [
        (Causality.DEFINITE, True),
        (Causality.PROBABLE, True),
        (Causality.POSSIBLE, False),
        (Causality.UNLIKELY, False),
        (Causality.UNRELATED, False),
        (None, False),
    ],
)
def test_a_death_not_clearly_due_to_the_disease_is_a_candidate(disease, excused):
    """Grade 5 needs adjudication whatever its attribution, unless the disease caused it."""
    happened = event(grade=5, causality=Causality.UNRELATED, causality_disease=disease)
    expected = () if excused else (CandidateReason.DEATH_NOT_DUE_TO_DISEASE,)
    assert reasons_of(happened) == expected


def test_what_blames_the_disease_is_configured():
    """A stricter protocol excuses a death only where the disease is its definite cause."""
    rules = replace(RULES, disease_related=(Causality.DEFINITE,))
    happened = event(grade=5, causality=Causality.UNRELATED, causality_disease=Causality.PROBABLE)
    assert reasons_of(happened, rules) == (CandidateReason.DEATH_NOT_DUE_TO_DISEASE,)


def test_a_related_death_due_to_the_disease_is_still_severe_and_related():
    """A death that is both related and disease-related is a candidate by its attribution."""
    happened = event(grade=5, causality_disease=Causality.DEFINITE)
    assert reasons_of(happened) == (CandidateReason.SEVERE_AND_RELATED,)


@pytest.mark.parametrize("offset", [-5, 10, 200])
def test_what_the_investigator_declares_is_a_candidate(offset):
    """A declared event is adjudicated whatever its grade, attribution and day."""
    happened = event(offset, grade=1, causality=Causality.UNRELATED, investigator_declared_dlt=True)
    assert reasons_of(happened) == (CandidateReason.DECLARED_BY_INVESTIGATOR,)


def test_all_reasons_are_named():
    """A declared, related death has three reasons."""
    assert reasons_of(event(grade=5, investigator_declared_dlt=True)) == tuple(CandidateReason)


@pytest.mark.parametrize(
    ("end_offset", "baseline", "expected"),
    [
        (None, 2, True),
        (None, None, True),
        (None, 3, False),
        (5, 2, True),
        (-1, 2, False),
        (-1, None, False),
    ],
)
def test_an_older_event_that_worsened_is_a_candidate(end_offset, baseline, expected):
    """An event from before counts unless it ended before or is known to be no worse."""
    end_at = None if end_offset is None else NOON + timedelta(days=end_offset)
    happened = event(-10, baseline_grade=baseline, end_at=end_at)
    assert bool(reasons_of(happened)) is expected


def test_an_older_event_counts_when_the_time_of_the_infusion_is_unknown():
    """Without the infusion's time nobody can say that the event ended before it."""
    infusion = given_infusion(1, 0, started_at=None)
    happened = event(-10, end_at=NOON - timedelta(days=1))
    facts = DltFacts(level=LEVELS["A"], infusions=(infusion,), events=(happened,))
    assert reasons(facts) == (CandidateReason.SEVERE_AND_RELATED,)


@pytest.mark.parametrize("term", ["Infusion related reaction", "Fever"])
@pytest.mark.parametrize(
    ("hours", "grade", "transient"),
    [(24, 3, True), (25, 3, False), (2, 4, False), (None, 3, False)],
)
def test_a_reaction_that_resolves_within_24_hours_stays_a_candidate(term, hours, grade, transient):
    """A short reaction is pointed out to the adjudicator but never exempt."""
    started = NOON
    end_at = None if hours is None else started + timedelta(hours=hours)
    happened = event(0, term=term, grade=grade, onset_at=started, end_at=end_at)
    facts = replace(course("A"), events=(happened,))
    (candidate,) = dlt_candidates(facts, window(facts, RULES), RULES)
    assert candidate.transient is transient


def test_other_events_are_never_transient():
    """Only the named reactions are pointed out."""
    happened = event(0, onset_at=NOON, end_at=NOON + timedelta(hours=1))
    facts = replace(course("A"), events=(happened,))
    (candidate,) = dlt_candidates(facts, window(facts, RULES), RULES)
    assert not candidate.transient


def test_candidates_come_in_order_of_onset():
    """The list is the same whatever order the events were filed in."""
    later, earlier = event(9, id="ae-a"), event(3, id="ae-b")
    facts = replace(course("A"), events=(later, earlier))
    found = dlt_candidates(facts, window(facts, RULES), RULES)
    assert [candidate.adverse_event_id for candidate in found] == ["ae-b", "ae-a"]


def test_while_infusions_are_to_come_the_window_excludes_no_later_event():
    """An open end keeps an event that follows a long delay."""
    facts = replace(course("C", 1), events=(event(100),))
    assert reasons(facts) == (CandidateReason.SEVERE_AND_RELATED,)


@given(
    grade=st.integers(1, 5),
    causality=st.sampled_from([*Causality, None]),
    baseline=st.sampled_from([None, 0, 1, 2, 3, 4]),
    term=st.sampled_from(["Anemia", "Febrile neutropenia", "Hypertension"]),
    offset=st.integers(0, 28),
)
@settings(max_examples=150)
def test_a_worse_grade_never_stops_an_event_from_being_a_candidate(
    grade, causality, baseline, term, offset
):
    """Raising the grade of a candidate keeps it a candidate."""
    happened = event(offset, grade=grade, causality=causality, baseline_grade=baseline, term=term)
    if reasons_of(happened):
        worse = replace(happened, grade=min(5, grade + 1))
        assert reasons_of(worse)
