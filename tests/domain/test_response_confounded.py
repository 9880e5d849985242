"""Response read with distrust: what remains when no flagged count shows a response."""

from app.domain.response_confounded import read_without_confounded
from tests.domain.response_cases import (
    FAIR,
    GOOD,
    LOW,
    RULES,
    category,
    day,
    facts,
    infusion,
    medication,
    panel,
    panels,
    respond,
    series,
    transfusion,
)


def trusted(week, *groups, as_of=400, mode="at", **bundle):
    """Give the category of one week when confounded counts show nothing."""
    readings = read_without_confounded(facts(*groups, **bundle), RULES, day(as_of))
    return next(
        entry.standing.category.value
        for entry in readings
        if (entry.reading.week, entry.reading.mode, entry.reading.anchor) == (week, mode, "last")
    )


def test_without_flags_nothing_changes():
    """A response that nothing can have moved is the same in both readings."""
    counts = panels({21: GOOD, 28: GOOD, 56: FAIR})
    response = respond(counts)
    assert read_without_confounded(facts(counts), RULES, day(400)) == response.endpoints
    assert (category(response, 4), category(response, 8)) == ("CR", "PR")


def test_a_count_under_a_growth_factor_shows_no_response():
    """G-CSF from day 20 to 28 makes both neutrophil counts doubtful, so the PR goes."""
    given = (panels({21: FAIR, 28: FAIR}), medication("g_csf", 20, end=28))
    assert category(respond(*given), 4) == "PR"
    assert trusted(4, *given) == "NR"


def test_a_response_that_was_sound_goes_when_the_week_s_count_is_doubtful():
    """Confirmed before the G-CSF, the neutrophils of day 28 itself were taken under it."""
    given = (panels({14: FAIR, 21: FAIR, 28: FAIR}), medication("g_csf", 27))
    assert category(respond(*given), 4) == "PR"
    assert trusted(4, *given) == "NR"
    assert trusted(4, *given, mode="within") == "PR"


def test_other_lineages_still_respond():
    """G-CSF says nothing about platelets: their PR remains."""
    counts = series("PLT", {21: "30", 28: "30"}) + series("ANC", {21: "0.9", 28: "0.9"})
    given = (panel(-1, *LOW), counts, medication("g_csf", 20, end=28))
    assert trusted(4, *given) == "PR"


def test_a_doubtful_baseline_takes_increases_but_not_values():
    """After a transfused baseline an increase shows nothing; 100 platelets are 100 platelets."""
    assert trusted(4, panels({21: FAIR, 28: FAIR}), transfusion(-4)) == "NR"
    assert category(respond(panels({21: FAIR, 28: FAIR}), transfusion(-4)), 4) == "PR"
    assert trusted(4, panels({21: GOOD, 28: GOOD}), transfusion(-4)) == "CR"


def test_a_lineage_without_baseline_keeps_its_values():
    """Haemoglobin without a baseline has no increase to lose; it may still complete a CR."""
    counts = panel(-1, *LOW)[:2] + panel(21, *GOOD) + panel(28, *GOOD)
    assert trusted(4, counts) == "CR"


def test_before_the_first_infusion_nothing_is_due():
    """Without treatment every reading is there and not due, as in the configured one."""
    given = facts(panels({21: GOOD}), infusions=(infusion(1, None),))
    readings = read_without_confounded(given, RULES, day(400))
    assert len(readings) == 8
    assert {x.standing.reason for x in readings} == {"not_treated"}
