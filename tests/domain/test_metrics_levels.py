"""Enrolment, toxicity and exposure of each level, counted by hand."""

from dataclasses import replace
from decimal import Decimal

from app.domain.metrics_levels import exposures, level_enrolments, level_toxicities
from app.domain.outcomes import OutcomeRules
from app.domain.vocabulary import CohortPhase, DispositionEvent
from tests.domain.dlt_cases import (
    LEVELS,
    adjudication,
    course,
    event,
    given_infusion,
    left,
    planned_infusion,
)
from tests.domain.metrics_cases import enrolled
from tests.protocol_data import section

OUTCOMES = section("outcomes", OutcomeRules)
NAMES = tuple(LEVELS)


def trial():
    """Enrol on A: evaluable, with a DLT, replaced, in the window, undecided, not dosed yet."""
    severe = replace(course("A"), events=(event(),))
    return [
        enrolled(course("A")),
        enrolled(replace(severe, adjudications=(adjudication(is_dlt=True),))),
        enrolled(
            replace(course("A"), dispositions=(left(DispositionEvent.WITHDREW_CONSENT, 10),)),
            replaced=True,
        ),
        enrolled(course("A"), as_of=20),
        enrolled(severe),
        enrolled(replace(course("A"), infusions=(planned_infusion(1, 0),))),
    ]


def test_every_enrolled_subject_is_in_one_state():
    """Six on A, five of them treated; the five states add up to the six."""
    found = level_enrolments(trial(), NAMES)
    assert [(x.level, x.phase) for x in found] == [(name, "escalation") for name in NAMES]
    lowest = found[0]
    assert (lowest.enrolled, lowest.treated, lowest.replaced) == (6, 5, 1)
    assert lowest.not_dosed == lowest.in_window == lowest.unresolved == lowest.not_evaluable == 1
    assert lowest.evaluable == 2
    assert (found[1].enrolled, found[2].enrolled) == (0, 0)


def test_an_expansion_is_shown_once_it_has_subjects():
    """The expansion of B is a row of its own, after the levels of the escalation."""
    subjects = [*trial(), enrolled(course("B"), phase=CohortPhase.EXPANSION)]
    found = level_enrolments(subjects, NAMES)
    assert [(x.level, x.phase.value, x.enrolled) for x in found] == [
        ("A", "escalation", 6),
        ("B", "escalation", 0),
        ("C", "escalation", 0),
        ("B", "expansion", 1),
    ]


def test_toxicities_are_counted_among_the_evaluable():
    """One DLT among two evaluable subjects, and one event to be adjudicated."""
    lowest, middle, _ = level_toxicities(trial(), NAMES, OUTCOMES)
    assert (lowest.treated, lowest.open_items) == (5, 1)
    assert (lowest.dlts.events, lowest.dlts.n, lowest.dlts.rate) == (1, 2, Decimal("0.5"))
    assert (middle.dlts.n, middle.dlts.rate) == (0, None)


def test_a_level_without_toxicity_has_the_published_limits():
    """0 of 3 evaluable subjects: up to 70.76 %."""
    lowest, *_ = level_toxicities([enrolled(course("A"))] * 3, NAMES, OUTCOMES)
    assert (lowest.dlts.lower, round(lowest.dlts.upper, 4)) == (0, Decimal("0.7076"))


def test_exposure_adds_up_what_was_started():
    """Two of four infusions on C, one without its cells yet; one of a subject of B started."""
    on_c = replace(course("C"), infusions=(given_infusion(1, 0), given_infusion(2, 7, cells=None)))
    on_b = replace(course("B"), infusions=(given_infusion(1, 0), planned_infusion(2, 7)))
    waiting = replace(course("B"), infusions=(planned_infusion(1, 0),))
    found = exposures([enrolled(on_c), enrolled(on_b), enrolled(waiting)], NAMES)
    assert [
        (x.level, x.treated, x.infusions_planned, x.infusions_started, x.infusions_without_cells)
        for x in found
    ] == [("A", 0, 0, 0, 0), ("B", 1, 2, 1, 0), ("C", 1, 4, 2, 1)]
    assert [x.cells for x in found] == [0, 120_000_000, 120_000_000]


def test_an_infusion_of_no_volume_treats_nobody():
    """Started and stopped before any product entered: not in the safety set."""
    stopped = replace(course("A"), infusions=(given_infusion(1, 0, volume_ml=Decimal(0)),))
    subject = enrolled(stopped)
    assert (subject.treated, subject.first_infusion_day) == (False, None)
    assert exposures([subject], NAMES)[0].treated == 0
