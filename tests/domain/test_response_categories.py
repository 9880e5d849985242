"""Categories of a subject: CR of all lineages, PR of any, what is pending, and its evidence."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.response_endpoints import CategoryReason
from app.domain.response_flags import Confounder
from app.domain.response_rules import LineageRule, ResponseDate
from tests.domain.response_cases import (
    FAIR,
    GOOD,
    LOW,
    RULES,
    category,
    day,
    disposition,
    endpoint,
    lab,
    panel,
    panels,
    respond,
    series,
    simulate,
    spans,
    transfusion,
)

START = panels({})


def test_complete_response_needs_all_lineages_in_the_same_two_panels():
    """CR is joined by and: each lineage alone twice, at different times, is none (C12)."""
    assert category(respond(panels({24: GOOD, 28: GOOD})), 4) == "CR"
    staggered = {24: ("1.5", "100", "99"), 28: GOOD, 35: ("1.4", "100", "100")}
    assert category(respond(panels(staggered)), 4) == "PR"


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.integers(1, 60),
        st.tuples(*(st.sampled_from(pair) for pair in zip(LOW, GOOD, strict=True))),
        max_size=6,
    ),
    st.integers(0, 2),
)
def test_no_complete_response_while_one_lineage_never_reaches_its_limit(values, kept_low):
    """Whatever the other two do, CR of the subject needs the third."""
    capped = {
        number: tuple(LOW[i] if i == kept_low else value for i, value in enumerate(panel_values))
        for number, panel_values in values.items()
    }
    response = respond(panels(capped))
    assert response.complete.episodes == ()
    assert response.best.category != "CR"
    assert all(entry.standing.category != "CR" for entry in response.endpoints)


PANELS = st.dictionaries(
    st.integers(1, 30),
    st.fixed_dictionaries(
        {},
        optional={
            "ANC": st.sampled_from(["1.5", "1.4", ">1.4"]),
            "PLT": st.sampled_from(["100", "99", ">100"]),
            "HGB": st.sampled_from(["100", "99"]),
        },
    ).filter(bool),
    max_size=8,
)


@settings(max_examples=150)
@given(PANELS, st.lists(st.integers(-8, 35), max_size=2, unique=True))
def test_complete_response_agrees_with_a_day_by_day_simulation(panels_by_day, blood):
    """Complete panels and broken incomplete ones, read a second way."""
    failing = {"1.4", ">1.4", "99"}
    met = {}
    for number, counts in panels_by_day.items():
        if failing & set(counts.values()):
            met[number] = False
        elif len(counts) == 3:
            met[number] = True
    labs = tuple(
        lab(analyte, number, value)
        for number, counts in panels_by_day.items()
        for analyte, value in counts.items()
    )
    response = respond(START, labs, tuple(transfusion(number) for number in blood))
    assert spans(response.complete) == simulate(met, set(blood))


def test_incomplete_panel_is_skipped_unless_a_value_in_it_fails():
    """Two lineages that hold say nothing about the third; one that fails breaks CR."""
    skipped = (panels({24: GOOD, 28: GOOD}), lab("ANC", 26, "1.5"))
    assert category(respond(*skipped), 4) == "CR"
    broken = (panels({24: GOOD, 28: GOOD}), lab("ANC", 26, "1.4"))
    assert respond(*broken).complete.episodes == ()
    unknown = (panels({24: GOOD, 28: GOOD}), lab("ANC", 26, ">1.0"))
    assert respond(*unknown).complete.episodes == ()


def test_incomplete_panel_neither_begins_nor_confirms_complete_response():
    """A panel without haemoglobin is not one of the two."""
    two_of_three = (lab("ANC", 28, "1.5"), lab("PLT", 28, "100"))
    assert respond(panels({24: GOOD}), two_of_three).complete.episodes == ()


def test_one_lineage_is_enough_for_partial_response():
    """Meeting any of the conditions is PR, in the same lineage at both tests (C12)."""
    assert category(respond(panels({24: FAIR, 28: FAIR})), 4) == "PR"
    crossed = panels({24: FAIR, 28: ("0.3", "22", "62"), 35: LOW})
    assert category(respond(crossed), 4) == "NR"
    rules = replace(RULES, same_lineage=False)
    standing = endpoint(respond(crossed, rules=rules), 4).standing
    assert standing.category == "PR"
    assert standing.evidence[-1] == "ANC24"
    assert "PLT24" not in standing.evidence


def test_crossed_lineages_skip_panels_that_cannot_tell():
    """With same_lineage=false an incomplete panel without an increase says nothing."""
    rules = replace(RULES, same_lineage=False)
    labs = (panels({24: FAIR, 28: ("0.3", "22", "62")}), lab("HGB", 26, "62"))
    assert category(respond(*labs, rules=rules), 4) == "PR"
    failed = panels({24: FAIR, 26: LOW, 28: FAIR})
    assert category(respond(failed, rules=rules), 4) == "pending"


def test_pending_may_be_settled_by_a_later_test():
    """The week's count met CR; whether it is one is known at the next count."""
    first = panels({28: GOOD})
    waiting = endpoint(respond(first), 4).standing
    assert (waiting.category, waiting.confirmed, waiting.reason, waiting.final) == (
        "pending",
        "NR",
        CategoryReason.AWAITING_CONFIRMATION,
        False,
    )
    assert category(respond(panels({28: GOOD, 35: GOOD})), 4) == "CR"
    assert category(respond(panels({28: GOOD, 35: FAIR})), 4) == "PR"
    assert category(respond(panels({28: GOOD, 35: LOW})), 4) == "NR"
    assert category(respond(first, disposition("died", 30)), 4) == "NR"


def test_pending_complete_response_keeps_the_confirmed_partial_one():
    """PR is already certain while CR waits."""
    standing = endpoint(respond(panels({24: FAIR, 28: GOOD})), 4).standing
    assert (standing.category, standing.confirmed) == ("pending", "PR")
    assert standing.since_day == day(24)


def test_pending_needs_a_start_date_in_the_past():
    """Dated from the confirming test, a response cannot have begun yet."""
    rules = replace(RULES, response_date=ResponseDate.CONFIRMING)
    assert category(respond(panels({28: GOOD}), rules=rules), 4) == "NR"


def test_no_lineage_below_its_limit_is_not_evaluable():
    """Who starts above every limit cannot respond."""
    normal = panel(-1, "2", "150", "120")
    response = respond(normal, panel(24, *GOOD), panel(28, *GOOD))
    assert endpoint(response, 4).standing.reason is CategoryReason.NO_EVALUABLE_LINEAGE
    assert (response.best.category, response.time_to_response) == ("NE", None)


def test_increase_only_in_a_lineage_above_its_limit_is_flagged():
    """Platelets from 150 to 165 are no response under below_cr, but are one under all."""
    labs = (*panel(-1, "0.3", "150", "62"), *series("PLT", {24: "165", 28: "165"}))
    standing = endpoint(respond(labs), 4).standing
    assert standing.category == "NR"
    (flag,) = standing.flags
    assert flag.code is Confounder.PR_ONLY_IN_NON_EVALUABLE_LINEAGE
    assert flag.evidence == ("PLT-1", "PLT24", "PLT28")
    rules = replace(RULES, lineage_rule=LineageRule.ALL)
    counted = endpoint(respond(labs, rules=rules), 4).standing
    assert (counted.category, counted.flags) == ("PR", ())


def test_evidence_names_what_was_looked_at():
    """A response names its two tests and its baseline; none names the counts looked at."""
    response = respond(START, series("ANC", {24: "0.8", 28: "0.8"}))
    assert endpoint(response, 4).standing.evidence == (
        *("ANC-1", "PLT-1", "HGB-1", "ANC28"),
        "ANC24",
    )
    none = respond(START, series("ANC", {24: "0.3", 28: "0.4"}))
    assert set(endpoint(none, 4).standing.evidence) == {"ANC-1", "PLT-1", "HGB-1", "ANC28"}
    assert {"ANC24", "ANC28"} <= set(endpoint(none, 4, "within").standing.evidence)
    assert {"ANC24", "ANC28"} <= set(none.best.evidence)


@pytest.mark.parametrize(
    ("extra", "as_of", "expected"),
    [
        ((), 400, ("not_due", False)),
        ((disposition("died", 2),), 400, ("NE", True)),
        (panel(5, *LOW), 400, ("NR", False)),
        ((*panel(5, *GOOD), *panel(9, *GOOD)), 400, ("CR", False)),
        ((*panel(5, *GOOD), *panel(9, *GOOD), disposition("died", 9)), 400, ("CR", True)),
        ((*panel(95, *FAIR), *panel(99, *FAIR)), 98, ("pending", False)),
        ((*panel(95, *FAIR), *panel(99, *FAIR)), 400, ("PR", False)),
    ],
)
def test_best_is_over_all_counts_so_far(extra, as_of, expected):
    """The best category includes late responses and is final once observation has ended."""
    best = respond(START, extra, as_of=as_of).best
    assert (best.category.value, best.final) == expected
