"""Participants with adverse events, counted by hand."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from app.domain.metrics_safety import (
    EventBasis,
    group_incidences,
    interest_incidences,
    safety_set,
    term_incidences,
    untreated,
)
from app.domain.outcomes import OutcomeRules
from app.domain.vocabulary import Causality, SeriousnessCriterion
from tests.domain.dlt_cases import (
    LEVELS,
    NOON,
    RULES,
    course,
    event,
    given_infusion,
    planned_infusion,
)
from tests.domain.metrics_cases import enrolled
from tests.protocol_data import section

OUTCOMES = section("outcomes", OutcomeRules)
HOSPITAL = frozenset({SeriousnessCriterion.HOSPITALIZATION})
DEATH = frozenset({SeriousnessCriterion.DEATH})
INFECTIONS = "Infections and infestations"
VASCULAR = "Vascular disorders"


def subject(level, *events):
    """Enrol a subject who received the whole level and had these events."""
    return enrolled(replace(course(level), events=events))


def safety(*subjects):
    """Make the safety set of these subjects."""
    return safety_set(subjects, tuple(LEVELS), RULES.relatedness, OUTCOMES)


def trial():
    """Treat four subjects: two events of one, one before treatment, a fatal one, none."""
    return safety(
        subject("A", event(grade=1), event(20, grade=3, seriousness=HOSPITAL)),
        subject("A", event(-2, term="Fever", soc="General", grade=2, causality=None)),
        subject(
            "B",
            event(term="Sepsis", soc=INFECTIONS, grade=5, seriousness=DEATH,
                  causality=Causality.UNRELATED),
        ),
        subject("B"),
    )  # fmt: skip


def of(incidences, basis):
    """Pick one basis."""
    return next(x for x in incidences if x.basis is basis)


def counts(incidence):
    """Show any, serious, severe and fatal participants, and among how many."""
    kinds = (incidence.any_grade, incidence.serious, incidence.grade_3_or_higher, incidence.fatal)
    assert len({kind.n for kind in kinds}) == 1
    return tuple(kind.events for kind in kinds), kinds[0].n


def test_participants_are_counted_once_at_the_worst_grade():
    """Grades 1 and 3 of one subject are one participant at grade 3."""
    everybody = group_incidences(trial())[0]
    assert (everybody.level, everybody.treated) == (None, 4)
    of_all = of(everybody.incidences, EventBasis.ALL)
    assert counts(of_all) == ((3, 2, 2, 1), 4)
    assert of_all.worst_grades == {1: 0, 2: 1, 3: 1, 4: 0, 5: 1}
    assert of_all.any_grade.rate == Decimal("0.75")


def test_events_are_counted_beside_participants():
    """Four events of three participants, of which two emerged and are related by default."""
    incidences = group_incidences(trial())[0].incidences
    assert [(x.events, x.any_grade.events) for x in incidences] == [(4, 3), (3, 2), (2, 1)]
    fever = next(x for x in term_incidences(trial()) if x.term == "Fever")
    assert [x.events for x in fever.incidences] == [1, 0, 0]


def test_both_numerators_of_the_record_are_there():
    """All events, those that emerged with treatment, and the related ones."""
    incidences = group_incidences(trial())[0].incidences
    assert [x.basis for x in incidences] == ["all", "treatment_emergent", "related"]
    assert counts(of(incidences, EventBasis.TREATMENT_EMERGENT)) == ((2, 2, 2, 1), 4)
    assert counts(of(incidences, EventBasis.RELATED)) == ((1, 1, 1, 0), 4)


def related(*events):
    """Count the participants with a related event, of one subject with these events."""
    incidences = group_incidences(safety(subject("A", *events)))[0].incidences
    return of(incidences, EventBasis.RELATED).any_grade.events


def test_related_is_at_least_possible_or_missing():
    """A missing attribution counts for what emerged with treatment only; a stated one always."""
    assert [related(event(causality=cause)) for cause in Causality] == [1, 1, 1, 0, 0]
    assert related(event(causality=None)) == 1
    assert related(event(-2, causality=None)) == 0
    assert related(event(-2, causality=None, baseline_grade=1)) == 1
    assert related(event(0, causality=None, onset_at=NOON - timedelta(hours=3))) == 1
    assert related(event(-2, causality=Causality.POSSIBLE)) == 1


def test_an_attempt_that_gave_nothing_begins_no_treatment():
    """What came between an empty start and the first infusion did not emerge with treatment."""
    facts = replace(
        course("A"),
        infusions=(given_infusion(1, 0, volume_ml=Decimal(0)), given_infusion(2, 9)),
    )
    incidences = [
        group_incidences(safety(enrolled(replace(facts, events=(event(on_day),)))))[0].incidences
        for on_day in (8, 9)
    ]
    found = [of(each, EventBasis.TREATMENT_EMERGENT).any_grade.events for each in incidences]
    assert found == [0, 1]


def test_levels_are_counted_apart():
    """Every level is there, also one that treated nobody."""
    found = {x.level: x for x in group_incidences(trial())}
    assert list(found) == [None, "A", "B", "C"]
    assert counts(found["A"].incidences[0]) == ((2, 1, 1, 0), 2)
    assert counts(found["B"].incidences[0]) == ((1, 1, 1, 1), 2)
    assert found["C"].treated == 0
    assert found["C"].incidences[0].any_grade.rate is None


def test_terms_stand_below_their_class():
    """Each class first, then its terms; a participant counts once in both."""
    two = safety(subject("A", event(), event(term="Thromboembolic event")), *[subject("B")] * 2)
    found = term_incidences(two)
    assert [(x.soc, x.term) for x in found] == [
        (VASCULAR, None),
        (VASCULAR, "Hypertension"),
        (VASCULAR, "Thromboembolic event"),
    ]
    assert [counts(x.incidences[0])[0] for x in found] == [(1, 0, 1, 0)] * 3
    assert [x.by_level for x in found] == [{"A": 1, "B": 0, "C": 0}] * 3


def test_the_levels_of_a_term_count_what_emerged():
    """The fever before treatment is listed, but is no treatment-emergent event of any level."""
    found = {x.term: x for x in term_incidences(trial())}
    assert set(found) == {None, "Fever", "Hypertension", "Sepsis"}
    assert found["Fever"].by_level == {"A": 0, "B": 0, "C": 0}
    assert counts(of(found["Fever"].incidences, EventBasis.ALL)) == ((1, 0, 0, 0), 4)
    assert found["Sepsis"].by_level == {"A": 0, "B": 1, "C": 0}


def test_classes_of_special_interest_follow_the_record():
    """An embolism counts in its class, whatever its organ class; the others are empty."""
    found = interest_incidences(safety(subject("A", event(term="Thromboembolic event"))))
    assert [x.special_interest.value for x in found] == [
        "infusion_reaction", "embolism", "viral_infection", "hepatic", "renal", "coagulation",
    ]  # fmt: skip
    assert [counts(x.incidences[1])[0][0] for x in found] == [0, 1, 0, 0, 0, 0]
    assert found[1].by_level == {"A": 1, "B": 0, "C": 0}


def test_the_safety_set_is_whoever_was_infused():
    """A subject who was never infused is outside, with the events counted apart."""
    waiting = replace(course("A"), infusions=(planned_infusion(1, 0),), events=(event(),))
    assert safety(enrolled(waiting)).participants == ()
    outside = untreated([(), (event(),), (event(seriousness=HOSPITAL), event())])
    assert (outside.with_events, outside.with_serious_events) == (2, 1)


def test_nobody_treated_gives_empty_tables():
    """Without participants there are no terms, and no rate anywhere."""
    assert term_incidences(safety()) == ()
    assert group_incidences(safety())[0].incidences[0].any_grade.rate is None
