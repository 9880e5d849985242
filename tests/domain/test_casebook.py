"""Casebooks: every sequence of acts keeps to the states, and nobody unlocks alone."""

from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.casebook import (
    ROLES,
    CasebookAction,
    CasebookState,
    Person,
    Standing,
    closed,
    step,
)
from app.domain.errors import DomainError, ErrorKind
from app.domain.vocabulary import Role

PI, DM = Role.PRINCIPAL_INVESTIGATOR, Role.DATA_MANAGER
# Two persons of each role that acts, one who is both, and one who is neither.
PEOPLE = (
    Person(UUID(int=1), PI), Person(UUID(int=2), PI), Person(UUID(int=3), DM),
    Person(UUID(int=4), DM), Person(UUID(int=5), PI), Person(UUID(int=5), DM),
    Person(UUID(int=6), Role.MONITOR),
)  # fmt: skip
MOVES = tuple(product(CasebookAction, PEOPLE))


def refusal(standing: Standing, action: CasebookAction, by: Person) -> str | None:
    """Give the code of a refusal, None where the step can be taken."""
    try:
        step(standing, action, by)
    except DomainError as error:
        return error.code
    return None


def reachable() -> set[Standing]:
    """Find every standing that any sequence of acts leads to."""
    found, new = {Standing()}, {Standing()}
    while new:
        after = {
            step(standing, *move)
            for standing in new
            for move in MOVES
            if refusal(standing, *move) is None
        }
        new = after - found
        found |= new
    return found


def test_every_state_can_be_reached_and_no_request_outlives_the_lock():
    """A request to unlock stands only beside a locked casebook, whoever asked."""
    found = reachable()
    assert {standing.state for standing in found} == set(CasebookState)
    asked = {standing for standing in found if standing.asked is not None}
    assert {standing.state for standing in asked} == {CasebookState.LOCKED}
    assert {standing.asked for standing in asked} == {p for p in PEOPLE if p.role in (PI, DM)}


def test_a_casebook_is_locked_from_signed_only_and_signed_by_the_investigator_only():
    """Over all steps from all standings there is no other way into these states."""
    for standing, (action, by) in product(reachable(), MOVES):
        if refusal(standing, action, by) is not None:
            continue
        after = step(standing, action, by).state
        if after is CasebookState.LOCKED and standing.state is not CasebookState.LOCKED:
            assert (standing.state, action, by.role) == (
                CasebookState.SIGNED, CasebookAction.LOCK, DM,
            )  # fmt: skip
        if after is CasebookState.SIGNED:
            assert (action, by.role) == (CasebookAction.SIGN, PI)


def test_nobody_opens_a_locked_casebook_alone():
    """Over all steps, locked is left by approval of another person of the other role only."""
    left = 0
    for standing, (action, by) in product(reachable(), MOVES):
        if standing.state is not CasebookState.LOCKED or refusal(standing, action, by):
            continue
        if step(standing, action, by).state is not CasebookState.LOCKED:
            left += 1
            assert action is CasebookAction.APPROVE_UNLOCK
            assert standing.asked is not None
            assert standing.asked.id != by.id
            assert {standing.asked.role, by.role} == {PI, DM}
    assert left > 0


@settings(max_examples=100)
@given(st.lists(st.sampled_from(MOVES), max_size=30))
def test_any_sequence_of_acts_ends_in_a_reachable_standing(moves):
    """A refused act changes nothing, and what the others lead to is one of the known standings."""
    standing, known = Standing(), reachable()
    for move in moves:
        if refusal(standing, *move) is None:
            standing = step(standing, *move)
        assert standing in known


@pytest.mark.parametrize("action", CasebookAction)
def test_each_act_is_of_its_roles(action):
    """Whoever has another role is refused before the state is looked at."""
    for standing, by in product(reachable(), PEOPLE):
        assert (refusal(standing, action, by) == "role_not_allowed") == (
            by.role not in ROLES[action]
        )


def test_a_request_is_answered_once():
    """A second request waits for the first one's answer, and without one there is none to give."""
    locked = Standing(CasebookState.LOCKED)
    for action in (CasebookAction.APPROVE_UNLOCK, CasebookAction.REJECT_UNLOCK):
        assert refusal(locked, action, PEOPLE[0]) == "unlock_not_requested"
    asked = step(locked, CasebookAction.REQUEST_UNLOCK, PEOPLE[2])
    assert refusal(asked, CasebookAction.REQUEST_UNLOCK, PEOPLE[0]) == "unlock_requested"
    assert refusal(asked, CasebookAction.APPROVE_UNLOCK, PEOPLE[3]) == "unlock_two_persons"
    assert step(asked, CasebookAction.REJECT_UNLOCK, PEOPLE[2]) == locked
    assert step(asked, CasebookAction.APPROVE_UNLOCK, PEOPLE[0]) == Standing()


@pytest.mark.parametrize(
    "state", [state for state in CasebookState if state is not CasebookState.OPEN]
)
def test_a_closed_casebook_says_its_state_and_what_to_do(state):
    """The refusal names the state and ends with a way out."""
    error = closed(state)
    assert error.kind is ErrorKind.LOCKED
    assert error.code == "casebook_locked"
    assert [reason.code for reason in error.reasons] == [state.value]
    assert state.value in error.message
    assert error.message.endswith("before the change.")


def test_a_step_from_elsewhere_names_the_state():
    """The refusal of a step that does not fit tells where the casebook stands."""
    with pytest.raises(DomainError) as refused:
        step(Standing(), CasebookAction.LOCK, PEOPLE[2])
    assert refused.value.kind is ErrorKind.CONFLICT
    assert [reason.code for reason in refused.value.reasons] == ["open"]
