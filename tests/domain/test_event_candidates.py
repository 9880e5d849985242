"""Which results are proposed as events: worse than before treatment, and not on record."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from app.domain.event_candidates import event_candidates
from app.domain.facts import AdverseEvent, LabResult
from app.domain.quantities import Comparator, Measurement
from app.domain.vocabulary import LabStatus
from tests.domain.dlt_cases import NOON, day, event, given_infusion, planned_infusion

INFUSIONS = (given_infusion(1, 0),)
ANC = "Neutrophil count decreased"


def lab(offset: int, value: str, analyte: str = "ANC", **changes) -> LabResult:
    """Make a result taken an hour before noon of a day counted from the first infusion."""
    made = LabResult(
        id=f"{analyte}{offset}",
        analyte=analyte,
        measurement=Measurement(Decimal(value)),
        at=NOON + timedelta(days=offset, hours=-1),
        day=day(offset),
    )
    return replace(made, **changes)


def on_record(grade: int, offset: int = 10, **changes) -> AdverseEvent:
    """Make an event of low neutrophils."""
    return event(offset, term=ANC, grade=grade, **changes)


def candidates(*labs: LabResult, events: tuple[AdverseEvent, ...] = (), infusions=INFUSIONS):
    """List the candidates of one subject without medication."""
    return event_candidates(infusions, labs, (), events)


def test_a_worsened_result_is_proposed_once_with_its_evidence():
    """Grade 3 before, then 4, 3 and 4: one candidate, first seen and worst on day 7."""
    (found,) = candidates(lab(-2, "0.8"), lab(7, "0.4"), lab(9, "0.9"), lab(14, "0.3"))
    assert (found.term, found.analyte) == (ANC, "ANC")
    assert (found.baseline_grade, found.grade, found.grade_max) == (3, 4, 4)
    assert found.onset_at == found.worst_at == NOON + timedelta(days=7, hours=-1)
    assert found.evidence == ("ANC7", "ANC14")
    assert found.adverse_event_id is None


def test_the_worst_result_is_named_apart_from_the_first():
    """Onset is where it began, the grade that of the worst."""
    (found,) = candidates(lab(7, "1.2"), lab(14, "0.4"))
    assert (found.baseline_grade, found.grade) == (0, 4)
    assert found.worst_at - found.onset_at == timedelta(days=7)


def test_what_is_no_worse_than_before_is_not_proposed():
    """A subject enters with a low count; the same grade again is no event (C23)."""
    assert candidates(lab(-2, "0.8"), lab(7, "0.6")) == ()


def test_before_the_first_infusion_nothing_is_proposed():
    """Nor on its day before it began, nor without an infusion, nor for a planned one."""
    assert candidates(lab(-5, "1.2"), lab(-2, "0.4")) == ()
    assert candidates(lab(-5, "1.2"), lab(0, "0.4")) == ()
    assert candidates(lab(7, "0.4"), infusions=()) == ()
    assert candidates(lab(7, "0.4"), infusions=(planned_infusion(1, 0),)) == ()


def test_only_usable_results_are_looked_at():
    """A preliminary result and one entered in error propose nothing."""
    assert candidates(lab(7, "0.4", status=LabStatus.PRELIMINARY)) == ()
    assert candidates(lab(7, "0.4", status=LabStatus.ENTERED_IN_ERROR)) == ()


def test_an_event_of_that_grade_covers_the_result():
    """Whatever its onset, an event that had not ended is the same episode."""
    assert candidates(lab(7, "0.4"), events=(on_record(4),)) == ()
    still = on_record(4, 3, end_at=NOON + timedelta(days=7))
    assert candidates(lab(7, "0.4"), events=(still,)) == ()


def test_an_event_of_a_lower_grade_is_named():
    """The result says that the event got worse."""
    (found,) = candidates(lab(7, "0.4"), events=(on_record(3),))
    assert (found.grade, found.adverse_event_id) == (4, "ae-1")


def test_an_event_that_had_ended_covers_nothing_later():
    """The same abnormality after recovery is a new event."""
    ended = on_record(4, 3, end_at=NOON + timedelta(days=6))
    (found,) = candidates(lab(7, "0.4"), events=(ended,))
    assert found.adverse_event_id is None


def test_an_event_of_another_term_covers_nothing():
    """Terms are compared, not organ classes."""
    assert len(candidates(lab(7, "0.4"), events=(event(term="Febrile neutropenia"),))) == 1


def test_only_what_is_certain_of_a_bound_is_compared():
    """Below 0.4 is grade 4 for certain, below 1.2 at least grade 2."""
    below = Measurement(Decimal("1.2"), Comparator.LT)
    (found,) = candidates(lab(7, "0", measurement=below))
    assert (found.grade, found.grade_max) == (2, 4)
    assert candidates(lab(7, "0", measurement=below), events=(on_record(2),)) == ()


def test_terms_are_proposed_apart():
    """Two analytes are two candidates, each against its own baseline."""
    found = candidates(lab(-2, "0.8"), lab(7, "0.4"), lab(7, "40", analyte="PLT"))
    assert {(each.term, each.grade) for each in found} == {
        (ANC, 4),
        ("Platelet count decreased", 3),
    }


def test_an_infusion_without_its_volume_has_begun():
    """What got worse after it is proposed, against what was there before it, not after it."""
    unfiled = replace(given_infusion(1, 0), volume_ml=None, cells=None)
    labs = lab(-2, "0.8"), lab(3, "0.3"), lab(8, "0.3")
    for infusions in ((unfiled,), (unfiled, given_infusion(2, 7)), INFUSIONS):
        (found,) = candidates(*labs, infusions=infusions)
        assert (found.baseline_grade, found.grade, found.evidence) == (3, 4, ("ANC3", "ANC8"))
    empty = replace(unfiled, volume_ml=Decimal(0))
    assert candidates(*labs, infusions=(empty,)) == ()
