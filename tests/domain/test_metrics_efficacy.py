"""Response rates of a handful of subjects, counted by hand."""

from decimal import Decimal

from app.domain.metrics_efficacy import alternative_rates, reading_rates
from app.domain.outcomes import OutcomeRules
from tests.domain.metrics_cases import treated
from tests.domain.response_cases import (
    FAIR,
    GOOD,
    LOW,
    RULES,
    disposition,
    medication,
    panel,
    panels,
    series,
    transfusion,
)
from tests.protocol_data import section

OUTCOMES = section("outcomes", OutcomeRules)
LEVELS = ("A", "B", "C")


def rates_of(subjects, week=4, mode="at", anchor="last"):
    """Pick one reading's groups by level."""
    found = next(
        entry
        for entry in reading_rates(subjects, LEVELS, RULES, OUTCOMES)
        if (entry.week, entry.mode, entry.anchor) == (week, mode, anchor)
    )
    return {group.level: group for group in found.groups}


def shares(rates):
    """Show complete, partial and overall responders, and among how many."""
    kinds = (rates.complete_response, rates.partial_response, rates.overall_response)
    assert len({kind.n for kind in kinds}) == 1
    return tuple(kind.events for kind in kinds), kinds[0].n


def trial():
    """Treat a CR, a PR, an NR, one without a count (NE), one not due and one pending."""
    return [
        treated("A", panels({21: GOOD, 28: GOOD})),
        treated("A", panels({21: FAIR, 28: FAIR})),
        treated("A", panels({21: LOW, 28: LOW})),
        treated("B", panels({7: LOW})),
        treated("B", panels({7: LOW}), as_of=10),
        treated("B", panels({28: FAIR}), as_of=28),
    ]


def test_everybody_treated_is_in_the_denominator_and_in_one_category():
    """1 CR and 1 PR of 6 treated; of the 5 whose week is due."""
    groups = rates_of(trial())
    everybody = groups[None]
    assert everybody.treated == 6
    assert everybody.categories == {
        "CR": 1, "PR": 1, "NR": 1, "NE": 1, "pending": 1, "not_due": 1,
    }  # fmt: skip
    among_treated, among_due = everybody.rates
    assert (among_treated.denominator, among_due.denominator) == ("treated", "due")
    assert shares(among_treated) == ((1, 1, 2), 6)
    assert shares(among_due) == ((1, 1, 2), 5)
    assert among_treated.overall_response.rate == Decimal("0.33333333")


def test_levels_are_counted_apart():
    """Two of three on A respond, none of three on B; nobody was on C, which has no rate."""
    groups = rates_of(trial())
    assert list(groups) == [None, "A", "B", "C"]
    assert shares(groups["A"].rates[0]) == ((1, 1, 2), 3)
    assert shares(groups["B"].rates[0]) == ((0, 0, 0), 3)
    assert shares(groups["B"].rates[1]) == ((0, 0, 0), 2)
    assert groups["C"].treated == 0
    assert groups["C"].rates[0].overall_response.rate is None


def test_a_confirmed_response_counts_while_a_better_one_is_pending():
    """A PR whose first count of a CR waits for the next one is a PR until then."""
    subject = treated("A", panels({14: FAIR, 21: FAIR, 28: GOOD}), as_of=28)
    group = rates_of([subject])[None]
    assert group.categories["pending"] == 1
    assert shares(group.rates[0]) == ((0, 1, 1), 1)


def test_all_four_readings_are_there_and_one_is_primary():
    """Two weeks in four readings; at, from the last infusion, is the registered one."""
    found = reading_rates(trial(), LEVELS, RULES, OUTCOMES)
    assert len(found) == 8
    assert [(x.week, x.mode, x.anchor) for x in found if x.primary] == [
        (4, "at", "last"),
        (8, "at", "last"),
    ]


def test_readings_differ():
    """A response of days 7 to 20 is within week 4, but not at week 4."""
    subjects = [treated("A", panels({7: GOOD, 14: GOOD, 20: LOW, 28: LOW}))]
    assert shares(rates_of(subjects)[None].rates[0]) == ((0, 0, 0), 1)
    assert shares(rates_of(subjects, mode="within")[None].rates[0]) == ((1, 0, 1), 1)


def test_alternatives_stand_beside_the_counted_reading():
    """Red cells block neutrophils only under any; platelets from 150 count only under all."""
    start = panel(-1, "0.3", "150", "62")
    subjects = [
        treated("A", start, series("ANC", {24: "0.8", 28: "0.8"}), transfusion(26)),
        treated("A", start, series("PLT", {24: "165", 28: "165"})),
        treated("B", panels({21: FAIR, 28: FAIR}), medication("g_csf", 20, end=28)),
    ]
    found = alternative_rates(subjects, RULES, OUTCOMES)
    assert [
        (x.lineage_rule, x.transfusion_scope, x.counts_confounded, x.differing) for x in found
    ] == [
        ("below_cr", "lineage", True, 1),
        ("all", "any", True, 1),
        ("all", "lineage", True, 2),
        ("below_cr", "any", False, 1),
    ]
    assert [shares(x.weeks[0].rates[0]) for x in found] == [
        ((0, 2, 2), 3),
        ((0, 2, 2), 3),
        ((0, 3, 3), 3),
        ((0, 0, 0), 3),
    ]
    assert [[week.week for week in x.weeks] for x in found] == [[4, 8]] * 4


def test_an_alternative_counts_what_is_confirmed():
    """Pending a CR, the PR counts under the other rules as it does under the configured ones."""
    subject = treated("A", panels({14: FAIR, 21: FAIR, 28: GOOD}), as_of=28)
    for entry in alternative_rates([subject], RULES, OUTCOMES):
        assert shares(entry.weeks[0].rates[0]) == ((0, 1, 1), 1)


def test_nobody_treated_gives_the_same_tables_without_rates():
    """Before the first infusion every table is there, with nobody in it."""
    assert all(
        group.treated == 0 and group.rates[0].overall_response.rate is None
        for entry in reading_rates([], LEVELS, RULES, OUTCOMES)
        for group in entry.groups
    )
    assert [x.differing for x in alternative_rates([], RULES, OUTCOMES)] == [0, 0, 0, 0]


def test_a_subject_who_left_is_due_and_not_evaluable():
    """Who withdrew before week 4 cannot show a response and stays in both denominators."""
    gone = treated("A", panels({7: LOW}), disposition("withdrew_consent", 9), as_of=10)
    group = rates_of([gone])[None]
    assert group.categories["NE"] == 1
    assert [shares(rates) for rates in group.rates] == [((0, 0, 0), 1), ((0, 0, 0), 1)]
