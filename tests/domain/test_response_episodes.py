"""Episodes: pairs of tests, transfusions between them, ends, and a second opinion by simulation."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.response_episodes import EndReason
from app.domain.response_rules import ResponseDate, TransfusionScope
from app.domain.vocabulary import Lineage
from tests.domain.response_cases import (
    LOW,
    RULES,
    day,
    disposition,
    lab,
    lineage_of,
    panel,
    respond,
    series,
    simulate,
    spans,
    transfusion,
)

ANC, PLT, HGB = Lineage.NEUTROPHIL, Lineage.PLATELET, Lineage.HEMOGLOBIN
LINEAGE_SCOPE = replace(RULES, transfusion_scope=TransfusionScope.LINEAGE)


def platelets(values, *groups, **options):
    """Derive the platelet lineage from counts by day, from a baseline of 12."""
    return lineage_of(respond(series("PLT", {-1: "12", **values}), *groups, **options), PLT)


def test_two_consecutive_tests_begin_at_the_first():
    """The second test confirms; the response dates from the first (C14)."""
    (episode,) = platelets({7: "30", 14: "40"}).partial.episodes
    assert (episode.start_day, episode.confirmed_day, episode.end_day) == (day(7), day(14), None)
    assert episode.first_test_day == day(7)
    assert episode.evidence == ("PLT-1", "PLT7", "PLT14")
    assert episode.rule == "response.episode.pr"


def test_response_can_date_from_the_confirming_test():
    """With response_date=confirming the episode begins at the second test."""
    rules = replace(RULES, response_date=ResponseDate.CONFIRMING)
    assert spans(platelets({7: "30", 14: "40"}, rules=rules).partial) == [(14, None)]


def test_single_test_is_pending_until_the_next():
    """A first test is neither a response nor none, as long as another may come."""
    course = platelets({7: "30"}, as_of=13).partial
    assert (course.episodes, course.pending.first_test_day) == ((), day(7))
    assert course.pending.start_day == day(7)
    assert platelets({7: "30", 14: "12"}).partial.pending is None


def test_pending_has_no_start_day_when_the_confirming_test_gives_the_date():
    """The confirming test is still to come, so its day is unknown."""
    rules = replace(RULES, response_date=ResponseDate.CONFIRMING)
    assert platelets({7: "30"}, rules=rules).partial.pending.start_day is None


def test_nothing_is_pending_once_no_test_can_confirm():
    """After a death, or once a transfusion has come between, the test stays unconfirmed."""
    assert platelets({7: "30"}, disposition("died", 9)).partial.pending is None
    assert platelets({7: "30"}, transfusion(8)).partial.pending is None
    assert platelets({7: "30"}, transfusion(1)).partial.pending is None
    assert platelets({7: "30"}, transfusion(0)).partial.pending is not None


@pytest.mark.parametrize(
    ("number", "blocks"), [(-1, False), (0, False), (1, True), (7, True), (14, True), (15, False)]
)
def test_transfusion_between_7_days_before_and_the_second_test_blocks(number, blocks):
    """A transfusion 7 days before the first test is allowed, 6 days before is not (C15)."""
    found = spans(platelets({7: "30", 14: "40"}, transfusion(number)).partial)
    ends = {15: 15}.get(number)
    assert found == ([] if blocks else [(7, ends)])


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(-10, 60))
def test_transfusion_rule_is_exact_for_any_pair(first, gap, number):
    """For every pair of days the block is `first - 7 < transfusion <= second`."""
    course = platelets({first: "30", first + gap: "30"}, transfusion(number)).partial
    assert bool(course.episodes) is not (first - 7 < number <= first + gap)


def test_blocked_pair_leaves_its_second_test_free():
    """After a block, the next pair that is clear of the transfusion begins the response."""
    found = platelets({7: "30", 14: "30", 21: "30"}, transfusion(5)).partial
    assert spans(found) == [(14, None)]


def test_plasma_and_granulocytes_do_not_block():
    """The record names red cells and platelets only."""
    blood = (transfusion(8, "plasma"), transfusion(9, "granulocytes"))
    assert spans(platelets({7: "30", 14: "40"}, blood).partial) == [(7, None)]


@pytest.mark.parametrize(
    ("product", "blocked"),
    [
        ("red_cells", {HGB}),
        ("platelets", {PLT}),
        ("whole_blood", {HGB, PLT}),
    ],
)
def test_scope_lineage_blocks_only_the_lineage_of_the_product(product, blocked):
    """Under scope=lineage neutrophils are never blocked, and CR of the subject always is."""
    labs = (*panel(-1, *LOW), *panel(7, "2", "120", "110"), *panel(14, "2", "120", "110"))
    response = respond(labs, transfusion(10, product), rules=LINEAGE_SCOPE)
    assert {x.lineage for x in response.lineages if not x.response.episodes} == blocked
    assert response.complete.episodes == ()
    every = respond(labs, transfusion(10, product))
    assert all(not x.response.episodes for x in every.lineages)


def test_first_test_not_met_ends_and_a_new_episode_needs_a_new_pair():
    """One failing test ends the response (C17), and one good test does not bring it back."""
    course = platelets(
        {7: "30", 14: "40", 21: "15", 28: "30", 35: "20", 42: "30", 49: "30"}
    ).partial
    assert spans(course) == [(7, 21), (42, None)]
    first = course.episodes[0]
    assert (first.end_reason, first.end_evidence) == (
        EndReason.BELOW_CRITERIA,
        ("PLT-1", "PLT21"),
    )


def test_transfusion_ends_when_it_comes_before_the_failing_test():
    """The criteria include being free of transfusion, so a transfusion ends the response."""
    (episode,) = platelets({7: "30", 14: "40", 21: "15"}, transfusion(18)).partial.episodes
    assert (episode.end_day, episode.end_reason) == (day(18), EndReason.TRANSFUSION)
    assert episode.end_evidence == ("red_cells18",)


def test_failing_test_is_named_when_a_transfusion_follows_on_its_day():
    """A transfusion answers a low count: on one day the count is the reason."""
    (episode,) = platelets({7: "30", 14: "40", 21: "15"}, transfusion(21)).partial.episodes
    assert (episode.end_day, episode.end_reason) == (day(21), EndReason.BELOW_CRITERIA)


def test_unknown_value_never_counts_as_met():
    """A bound that cannot tell ends a response and confirms none, and is named as such."""
    course = platelets({7: "30", 14: "40", 21: ">20", 28: "40"}).partial
    (episode,) = course.episodes
    assert (episode.end_day, episode.end_reason) == (day(21), EndReason.UNDETERMINED_VALUE)
    assert spans(platelets({7: "30", 14: ">20", 21: "40"}).partial) == []


def test_two_values_of_one_day_are_not_two_tests():
    """A repeat, a correction or a second tube of the day cannot confirm the first."""
    labs = (lab("PLT", 7, "30"), lab("PLT", 7, "31", hour=20, name="repeat"))
    course = lineage_of(respond(lab("PLT", -1, "12"), labs, as_of=10), PLT).partial
    assert course.episodes == ()
    assert course.pending.evidence == ("PLT-1", "PLT7", "repeat")


def test_cr_does_not_imply_pr():
    """Neutrophils from 1.2 to 1.5 reach CR without the increase of 0.5 that PR asks for."""
    lineage = lineage_of(respond(series("ANC", {-1: "1.2", 7: "1.5", 14: "1.6"})), ANC)
    assert (spans(lineage.complete), spans(lineage.partial)) == ([(7, None)], [])
    assert spans(lineage.response) == [(7, None)]


def test_response_of_a_lineage_is_whichever_criterion_is_met():
    """From 92 the limit of 100 comes before the increase of 10, from 12 the increase does."""
    near = lineage_of(respond(series("PLT", {-1: "92", 7: "100", 14: "102", 21: "99"})), PLT)
    assert (spans(near.complete), spans(near.partial)) == ([(7, 21)], [])
    assert spans(near.response) == [(7, 21)]
    far = platelets({7: "22", 14: "120", 21: "21"})
    assert (spans(far.complete), spans(far.response)) == ([], [(7, 21)])


@pytest.mark.parametrize(
    ("analyte", "before", "met", "missed"),
    [
        ("ANC", "0.3", "0.8", "0.79"),
        ("PLT", "12", "22", "21.9"),
        ("HGB", "62", "77", "76.9"),
    ],
)
def test_increase_limits_include_equality(analyte, before, met, missed):
    """An increase of exactly 0.5, 10 or 15 is a partial response."""
    response = respond(series(analyte, {-1: before, 7: met, 14: met, 21: missed}))
    lineage = next(x for x in response.lineages if x.analyte == analyte)
    assert spans(lineage.partial) == [(7, 21)]


def test_tests_too_close_together_cannot_confirm_but_can_break():
    """With 7 days required, a test after 3 days must hold and the one after 7 confirms."""
    rules = replace(RULES, min_days_between_tests=7)
    assert spans(platelets({7: "30", 10: "30", 14: "30"}, rules=rules).partial) == [(7, None)]
    assert spans(platelets({7: "30", 10: "12", 14: "30"}, rules=rules).partial) == []
    close = platelets({7: "30", 10: "30"}, rules=rules).partial
    assert (close.episodes, close.pending.first_test_day) == ((), day(7))


def test_gap_may_be_limited():
    """By default missed visits do not matter; a configured gap forbids pairs further apart."""
    far = {7: "30", 70: "30"}
    assert spans(platelets(far).partial) == [(7, None)]
    rules = replace(RULES, confirmation_max_gap_days=62)
    assert spans(platelets(far, rules=rules).partial) == []
    assert spans(platelets({7: "30", 69: "30"}, rules=rules).partial) == [(7, None)]
    assert platelets({7: "30"}, rules=rules, as_of=69).partial.pending is not None
    assert platelets({7: "30"}, rules=rules, as_of=70).partial.pending is None


COUNTS = st.dictionaries(
    st.integers(1, 40), st.sampled_from(["12", "21", "22", "99", "100", ">20", "<200"]), max_size=14
)
DAYS = st.lists(st.integers(-8, 45), max_size=3)
PRODUCTS = st.sampled_from(["red_cells", "platelets", "whole_blood", "granulocytes"])
BLOOD = st.lists(st.tuples(st.integers(-8, 45), PRODUCTS), max_size=3, unique_by=lambda x: x[0])


VERDICTS = {
    "12": (False, False),
    "21": (False, False),
    "22": (False, True),
    "99": (False, True),
    "100": (True, True),
    ">20": (None, None),
    "<200": (None, None),
}


@settings(max_examples=200)
@given(COUNTS, BLOOD)
def test_episodes_agree_with_a_day_by_day_simulation(counts, blood):
    """Two ways of reading the rule agree on every small history."""
    lineage = platelets(counts, tuple(transfusion(*entry) for entry in blood))
    blocking = {number for number, product in blood if product != "granulocytes"}
    for position, course in enumerate((lineage.complete, lineage.partial)):
        met = {number: VERDICTS[value][position] for number, value in counts.items()}
        assert spans(course) == simulate(met, blocking)


@settings(max_examples=100)
@given(COUNTS, BLOOD, st.integers(41, 60), st.sampled_from(["12", "30", "120"]))
def test_later_test_keeps_the_starts_of_confirmed_episodes(counts, blood, number, value):
    """What is confirmed stays confirmed, whatever is measured later."""
    transfusions = tuple(transfusion(*entry) for entry in blood)
    before = platelets(counts, transfusions)
    after = platelets({**counts, number: value}, transfusions)
    for earlier, later in zip(
        (before.complete, before.partial, before.response),
        (after.complete, after.partial, after.response),
        strict=True,
    ):
        starts = [start for start, _ in spans(earlier)]
        assert [start for start, _ in spans(later)][: len(starts)] == starts
