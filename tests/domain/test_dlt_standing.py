"""How one event stands as a possible dose-limiting toxicity, in words."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.dlt_standing import DltState, standings
from app.domain.vocabulary import Causality
from tests.domain.dlt_cases import NOON, RULES, adjudication, course, day, event


def standing(happened, *adjudications, level="A", given_count=None):
    """Tell how one event of a subject stands."""
    facts = replace(course(level, given_count), events=(happened,), adjudications=adjudications)
    return standings(facts, RULES)["ae-1"]


def codes(found) -> list[str]:
    """Give the codes of the reasons."""
    return [reason.code for reason in found.reasons]


def test_a_candidate_is_pending_until_signed():
    """Then it is what was signed, with the adjudication's id."""
    assert standing(event()).state is DltState.PENDING
    yes, no = standing(event(), adjudication(True)), standing(event(), adjudication(False))
    assert (yes.state, yes.adjudication_id) == (DltState.DLT, "adj-1")
    assert no.state is DltState.NOT_DLT
    assert codes(yes) == codes(no) == ["severe_and_related"]


def test_a_changed_event_is_stale():
    """Also where nothing proposes it any more but the old answer was yes."""
    changed = standing(event(version=2), adjudication(False))
    assert (changed.state, changed.stale) == (DltState.PENDING, True)
    lowered = standing(event(grade=2, version=2), adjudication(True))
    assert (lowered.state, codes(lowered)) == (DltState.PENDING, ["signed", "adjudication_stale"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grade": 2}, "grade_too_low"),
        ({"causality": Causality.UNRELATED}, "not_related"),
        ({"term": "Anemia", "baseline_grade": 3}, "there_before"),
        ({"onset_day": day(29)}, "outside_window"),
    ],
)
def test_what_is_not_proposed_says_why(changes, code):
    """The first condition that fails is named, with the window it was held against."""
    found = standing(event(**changes))
    assert (found.state, codes(found)) == (DltState.NOT_A_CANDIDATE, [code])
    assert (found.window_start, found.window_end) == (day(0), day(28))


def test_a_transient_reaction_is_marked_but_not_exempt():
    """A grade 3 reaction that resolved within a day is adjudicated all the same."""
    reaction = event(0, term="Infusion related reaction", end_at=NOON + timedelta(hours=2))
    found = standing(reaction)
    assert (found.state, found.transient) == (DltState.PENDING, True)


def test_before_the_first_infusion_nothing_is_proposed():
    """Even a declared event is none yet."""
    found = standing(event(investigator_declared_dlt=True), given_count=0)
    assert (found.state, codes(found)) == (DltState.NOT_A_CANDIDATE, ["not_dosed"])
    assert found.window_end is None


def test_while_infusions_are_to_come_the_window_is_projected():
    """After one of two infusions the second counts as given a week later."""
    assert standing(event(), level="B", given_count=1).window_end == day(35)
