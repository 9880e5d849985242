"""Dose-limiting toxicity: the window, the candidates and the adjudication."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dlt import CandidateReason, DltFacts, adjudicate, dlt_candidates, window
from app.domain.dlt_rules import (
    CytopeniaExclusion,
    DltRules,
    EvaluabilityRules,
    Relatedness,
    WindowAnchor,
)
from app.domain.dosing import DoseLevel
from app.domain.facts import AdverseEvent, Disposition, DltAdjudication, Infusion
from app.domain.vocabulary import Causality, DispositionEvent
from tests.protocol_data import section

RULES = section("dlt", DltRules)
START = date(2026, 1, 5)
NOON = datetime(2026, 1, 5, 4, tzinfo=UTC)
CELLS = Decimal(120_000_000)
LEVELS = {
    name: DoseLevel(
        name=name, planned_infusions=count, interval_days=7, cells_per_kg=Decimal(2_000_000)
    )
    for name, count in (("A", 1), ("B", 2), ("C", 4))
}


def day(offset: int) -> date:
    """Give a day counted from the first infusion."""
    return START + timedelta(days=offset)


def given_infusion(number: int, offset: int, **changes) -> Infusion:
    """Make an infusion that was given in full."""
    return replace(
        Infusion(
            id=f"inf-{number}",
            number=number,
            planned_day=day(offset),
            planned_cells=CELLS,
            started_at=NOON + timedelta(days=offset),
            day=day(offset),
            volume_ml=Decimal(120),
            cells=CELLS,
        ),
        **changes,
    )


def planned_infusion(number: int, offset: int, **changes) -> Infusion:
    """Make an infusion that is still to be given."""
    return replace(
        Infusion(id=f"inf-{number}", number=number, planned_day=day(offset), planned_cells=CELLS),
        **changes,
    )


def course(level: str, given_count: int | None = None) -> DltFacts:
    """Make a subject who received the level's first infusions on time."""
    planned = LEVELS[level].planned_infusions
    count = planned if given_count is None else given_count
    infusions = tuple(given_infusion(n + 1, 7 * n) for n in range(count))
    return DltFacts(level=LEVELS[level], infusions=infusions)


def event(offset: int = 10, **changes) -> AdverseEvent:
    """Make a severe event that may be related."""
    base = AdverseEvent(
        id="ae-1",
        term="Hypertension",
        soc="Vascular disorders",
        grade=3,
        onset_at=NOON + timedelta(days=offset),
        onset_day=day(offset),
        causality=Causality.POSSIBLE,
    )
    return replace(base, **changes)


def adjudication(is_dlt: bool, version: int = 1, number: int = 1) -> DltAdjudication:
    """Make a signed adjudication; a higher number is later."""
    return DltAdjudication(
        id=f"adj-{number}",
        adverse_event_id="ae-1",
        adverse_event_version=version,
        is_dlt=is_dlt,
        at=NOON + timedelta(days=20 + number),
    )


def left(kind: DispositionEvent, offset: int) -> Disposition:
    """Make a disposition."""
    return Disposition(id="dis-1", event=kind, day=day(offset))


def reasons(facts: DltFacts, rules: DltRules = RULES) -> tuple[CandidateReason, ...]:
    """Give why the only event is a candidate; empty when it is none."""
    candidates = dlt_candidates(facts, window(facts, rules), rules)
    return candidates[0].reasons if candidates else ()


def reasons_of(happened: AdverseEvent, rules: DltRules = RULES) -> tuple[CandidateReason, ...]:
    """Give why one event of a subject on level A is a candidate."""
    return reasons(replace(course("A"), events=(happened,)), rules)


# The window


@pytest.mark.parametrize(("level", "end"), [("A", 28), ("B", 35), ("C", 49)])
def test_window_ends_28_days_after_the_last_infusion(level, end):
    """The window runs to day 28, 35 and 49 for levels A, B and C."""
    observed = window(course(level), RULES)
    assert observed.start_day == START
    assert observed.end_day == observed.projected_end_day == day(end)
    assert observed.evidence == tuple(
        f"inf-{n + 1}" for n in range(LEVELS[level].planned_infusions)
    )


@pytest.mark.parametrize("level", ["A", "B", "C"])
def test_window_anchored_at_the_first_infusion_ends_on_day_28(level):
    """With the anchor at the first infusion every level has the same 28 days."""
    observed = window(course(level), replace(RULES, window_anchor=WindowAnchor.FIRST))
    assert observed.end_day == day(28)


def test_window_anchored_at_the_first_infusion_is_fixed_before_the_last():
    """Infusions to come do not open the end of a window anchored at the first."""
    observed = window(course("C", 1), replace(RULES, window_anchor=WindowAnchor.FIRST))
    assert observed.end_day == observed.projected_end_day == day(28)


def test_an_exclusive_boundary_ends_the_window_one_day_earlier():
    """A boundary that does not belong to the window makes day 27 the last."""
    observed = window(course("A"), replace(RULES, window_end_inclusive=False))
    assert observed.end_day == day(27)


def test_there_is_no_window_before_the_first_infusion():
    """A subject who was never dosed has no window and no candidates."""
    facts = DltFacts(
        level=LEVELS["B"], infusions=(planned_infusion(1, 0),), events=(event(grade=5),)
    )
    assert window(facts, RULES) is None
    assert dlt_candidates(facts, None, RULES) == ()


def test_the_end_is_only_projected_while_infusions_are_to_come():
    """After the first of four infusions the end is projected from the interval."""
    observed = window(course("C", 1), RULES)
    assert observed.end_day is None
    assert observed.anchor_day is None
    assert observed.projected_end_day == day(49)
    assert not observed.is_over(day(365))


def test_a_later_plan_moves_the_projected_end():
    """A planned day later than the interval says moves the projection."""
    facts = course("B", 1)
    facts = replace(facts, infusions=(*facts.infusions, planned_infusion(2, 12)))
    assert window(facts, RULES).projected_end_day == day(40)


def test_a_delayed_infusion_moves_the_window():
    """The window counts from when the last infusion was given, not planned."""
    facts = replace(course("B", 1), infusions=(given_infusion(1, 0), given_infusion(2, 9)))
    assert window(facts, RULES).end_day == day(37)


@pytest.mark.parametrize(
    "exit_event", [DispositionEvent.WITHDREW_TREATMENT, DispositionEvent.PREGNANCY]
)
def test_an_early_stop_counts_from_the_last_started_infusion(exit_event):
    """A subject who stops after two of four infusions is observed to day 35 (C10)."""
    facts = replace(course("C", 2), dispositions=(left(exit_event, 10),))
    observed = window(facts, RULES)
    assert observed.end_day == day(35)
    assert observed.evidence == ("inf-1", "inf-2", "dis-1")


def test_cancelled_infusions_are_not_waited_for():
    """When the remaining infusions are cancelled, the last started one is the last."""
    facts = course("C", 2)
    cancelled = tuple(planned_infusion(n, 7 * n, cancelled=True) for n in (3, 4))
    facts = replace(facts, infusions=(*facts.infusions, *cancelled))
    assert window(facts, RULES).end_day == day(35)


def test_an_infusion_without_any_volume_is_not_the_last():
    """An infusion stopped before any product entered the subject does not count (C10)."""
    empty = given_infusion(2, 7, volume_ml=Decimal(0), cells=Decimal(0), cancelled=True)
    facts = replace(course("B", 1), infusions=(given_infusion(1, 0), empty))
    assert window(facts, RULES).end_day == day(28)


def test_a_started_infusion_without_recorded_volume_opens_the_window():
    """Reactions during an infusion are seen before somebody files the volume."""
    facts = DltFacts(
        level=LEVELS["A"],
        infusions=(given_infusion(1, 0, volume_ml=None, cells=None),),
        events=(event(0),),
    )
    assert window(facts, RULES).end_day == day(28)
    assert reasons(facts) == (CandidateReason.SEVERE_AND_RELATED,)


# The candidates


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
    ("related_to_disease", "expected"),
    [(True, ()), (False, (CandidateReason.DEATH_NOT_DUE_TO_DISEASE,))]
    + [(None, (CandidateReason.DEATH_NOT_DUE_TO_DISEASE,))],
)
def test_a_death_not_clearly_due_to_the_disease_is_a_candidate(related_to_disease, expected):
    """Grade 5 needs adjudication whatever its attribution, unless the disease caused it."""
    happened = event(grade=5, causality=Causality.UNRELATED, related_to_disease=related_to_disease)
    assert reasons_of(happened) == expected


def test_a_related_death_due_to_the_disease_is_still_severe_and_related():
    """A death that is both related and disease-related is a candidate by its attribution."""
    happened = event(grade=5, related_to_disease=True)
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


# The adjudication


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


# The rule set


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


# Properties


@given(
    level=st.sampled_from("ABC"),
    delays=st.lists(st.integers(0, 10), min_size=4, max_size=4),
    days=st.integers(1, 60),
)
@settings(max_examples=100)
def test_the_window_holds_exactly_its_days(level, delays, days):
    """From the first infusion to the last plus the length, and not one day more."""
    planned = LEVELS[level].planned_infusions
    offsets = [7 * n + sum(delays[1 : n + 1]) for n in range(planned)]
    infusions = tuple(given_infusion(n + 1, offset) for n, offset in enumerate(offsets))
    observed = window(
        DltFacts(level=LEVELS[level], infusions=infusions), replace(RULES, window_days=days)
    )
    end = offsets[-1] + days
    assert [observed.holds(day(offset)) for offset in (-1, 0, end, end + 1)] == [
        False,
        True,
        True,
        False,
    ]
    assert not observed.is_over(day(end))
    assert observed.is_over(day(end + 1))


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
