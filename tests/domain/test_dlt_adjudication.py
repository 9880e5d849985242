"""What an adjudication decides, and the rules that cannot be meant."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.dlt import adjudicate, dlt_candidates, window
from app.domain.dlt_rules import (
    EvaluabilityRules,
)
from app.domain.facts import AdverseEvent, DltAdjudication
from tests.domain.dlt_cases import (
    RULES,
    adjudication,
    course,
    event,
)


def judged(happened: AdverseEvent, *adjudications: DltAdjudication):
    """Adjudicate one event of a subject on level A."""
    facts = replace(course("A"), events=(happened,), adjudications=adjudications)
    return adjudicate(facts, dlt_candidates(facts, window(facts, RULES), RULES))


def test_a_candidate_without_adjudication_is_pending():
    """The system only proposes."""
    status = judged(event())
    assert not status.dlts
    assert not status.not_dlt
    assert status.pending[0].adjudication_id is None
    assert not status.pending[0].stale


@pytest.mark.parametrize(("is_dlt", "where"), [(True, "dlts"), (False, "not_dlt")])
def test_a_signed_adjudication_decides(is_dlt, where):
    """Yes and no both close the candidate."""
    status = judged(event(), adjudication(is_dlt))
    (ruling,) = getattr(status, where)
    assert (ruling.adverse_event_id, ruling.adjudication_id) == ("ae-1", "adj-1")
    assert not status.pending


@pytest.mark.parametrize("is_dlt", [True, False])
def test_an_adjudication_of_an_older_version_is_pending_again(is_dlt):
    """A changed event has to be judged again, whatever the old answer was."""
    status = judged(event(version=2), adjudication(is_dlt, version=1))
    assert status.pending[0].stale
    assert not status.dlts
    assert not status.not_dlt


def test_the_latest_adjudication_counts():
    """A later answer on the same version replaces the earlier one."""
    assert judged(event(), adjudication(True), adjudication(False, number=2)).not_dlt
    assert judged(event(), adjudication(False, number=2), adjudication(True, number=3)).dlts


def test_a_dlt_whose_event_was_downgraded_stays_open():
    """Lowering a grade does not take a dose-limiting toxicity back; a person does."""
    status = judged(event(grade=2, version=2), adjudication(True, version=1))
    assert status.pending[0].stale


def test_a_signed_yes_counts_even_if_nothing_proposed_it():
    """A person may find a grade 2 event dose-limiting."""
    assert judged(event(grade=2), adjudication(True)).dlts


def test_an_event_that_is_no_candidate_needs_no_answer():
    """Neither an unremarkable event nor an old no on it is pending."""
    assert judged(event(grade=2)) == judged(event(grade=2, version=2), adjudication(False))


def test_an_adjudication_of_another_event_is_ignored():
    """Answers are matched by event."""
    other = replace(adjudication(False), adverse_event_id="ae-2")
    assert judged(event(), other).pending


@pytest.mark.parametrize(
    "changes", [{"window_days": 0}, {"min_grade": 0}, {"min_grade": 5, "fatal_grade": 4}]
)
def test_contradictory_rules_are_refused(changes):
    """A rule set that cannot be meant does not come into force."""
    with pytest.raises(ValueError, match=r"window|grades"):
        replace(RULES, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"min_infusion_fraction": Decimal(0)},
        {"min_cells_fraction": Decimal("1.01")},
        {"ends_observation": ()},
    ],
)
def test_contradictory_evaluability_rules_are_refused(changes):
    """Fractions must be fractions and the dead are not observed."""
    rules: EvaluabilityRules = RULES.evaluability
    with pytest.raises(ValueError, match=r"fractions|death"):
        replace(rules, **changes)


def test_the_narrowest_rules_are_accepted():
    """One day, any grade, and the whole dose can be meant."""
    rules = replace(RULES, window_days=1, min_grade=1, fatal_grade=1)
    whole = replace(rules.evaluability, min_infusion_fraction=Decimal(1))
    assert replace(rules, evaluability=whole).window_days == 1
