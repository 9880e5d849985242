"""Every cell of the 3 + 3 table, at each level of the ladder."""

import pytest

from app.domain.escalation_steps import LadderAction
from tests.domain.ladder_cases import (
    UP_TO,
    advise,
    facts,
    standing,
    summary,
)

# One letter per number of DLTs, from 0: enrol to three (e), go up (u), second cohort (x),
# enrol to six (s), toxic (t).
TABLE = {
    0: "e",
    1: "ee",
    2: "eet",
    3: "uxtt",
    4: "ssttt",
    5: "sstttt",
    6: "uuttttt",
}
CELLS = [
    (evaluable, dlts, letter) for evaluable, row in TABLE.items() for dlts, letter in enumerate(row)
]
PASSED = (3, 0)
BELOW = {"A": (), "B": (PASSED,), "C": (PASSED, PASSED)}


def expected(level: str, evaluable: int, letter: str):
    """Translate a letter of the table into the action, its level and its target."""
    toxic = LadderAction.STOP_TRIAL if level == "A" else LadderAction.STOP_LEVEL
    if letter == "u":
        return {
            "A": (LadderAction.ESCALATE, "A", "B"),
            "B": (LadderAction.ESCALATE, "B", "C"),
            "C": (LadderAction.LEVEL_TOLERATED, "C", None),
        }[level]
    action = {"e": LadderAction.ENROL, "x": LadderAction.EXPAND_TO_SIX, "t": toxic}.get(letter)
    return action or LadderAction.ENROL, level, None


@pytest.mark.parametrize("level", ["A", "B", "C"])
@pytest.mark.parametrize(("evaluable", "dlts", "letter"), CELLS)
def test_the_decision_table(level, evaluable, dlts, letter):
    """Every cell of the 3 + 3 table, at the lowest, a middle and the top level."""
    steps = UP_TO[level]
    if evaluable > 3 or letter == "s":
        steps = (*steps, f"expand_to_six {level}")
    advice = advise(facts(*BELOW[level], (evaluable, dlts)), *steps)
    assert summary(advice) == expected(level, evaluable, letter)
    assert advice.permitted
    slots = {"e": 3 - evaluable, "s": 6 - evaluable}.get(letter, 0)
    assert advice.slots_open_now == slots
    assert standing(advice, level).dosing_blocked is (letter == "t")


def test_the_second_cohort_is_offered_once_it_is_approved():
    """After the decision a level with 1/3 takes three more."""
    advice = advise(facts((3, 1)), "expand_to_six A")
    assert summary(advice) == (LadderAction.ENROL, "A", None)
    assert advice.slots_open_now == 3


@pytest.mark.parametrize("dlts", [0, 1])
def test_a_fourth_result_without_the_decision_asks_for_the_second_cohort(dlts):
    """A replaced subject who counts after all makes four; then it takes six to decide."""
    advice = advise(facts((4, dlts)))
    assert summary(advice) == (LadderAction.EXPAND_TO_SIX, "A", None)


def test_a_reversed_dlt_leaves_three_of_three_tolerated():
    """0/3 goes up, even if the second cohort had been approved for a DLT taken back since."""
    advice = advise(facts((3, 0)), "expand_to_six A")
    assert summary(advice) == (LadderAction.ESCALATE, "A", "B")
