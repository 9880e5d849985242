"""Queries: which steps lead where, who may take them, and what a rule's query is without cause."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import DomainError, ErrorKind
from app.domain.queries import (
    PENDING,
    QueryAction,
    QueryOrigin,
    QueryStatus,
    check_part,
    check_two_persons,
    next_status,
    standing,
)

OPEN, ANSWERED, CLOSED, CANCELLED, RESOLVED = QueryStatus
ANSWER, CLOSE, REOPEN, CANCEL = QueryAction
# Written by hand from the life of a query; all else is refused.
ALLOWED = {
    (OPEN, ANSWER): ANSWERED,
    (OPEN, CANCEL): CANCELLED,
    (ANSWERED, ANSWER): ANSWERED,
    (ANSWERED, CLOSE): CLOSED,
    (ANSWERED, REOPEN): OPEN,
    (ANSWERED, CANCEL): CANCELLED,
    (CLOSED, REOPEN): OPEN,
    (CANCELLED, REOPEN): OPEN,
}


@pytest.mark.parametrize("action", QueryAction)
@pytest.mark.parametrize("status", QueryStatus)
def test_every_step_leads_where_it_should_or_is_refused(status, action):
    """Twenty cells: eight lead somewhere, the others say in a sentence what can be done."""
    if (status, action) in ALLOWED:
        assert next_status(status, action) is ALLOWED[status, action]
        return
    with pytest.raises(DomainError) as refusal:
        next_status(status, action)
    assert (refusal.value.kind, refusal.value.code) == (ErrorKind.CONFLICT, "query_state")
    assert refusal.value.message.endswith(".")


@given(st.lists(st.sampled_from(QueryAction), max_size=12))
def test_nothing_is_closed_without_an_answer(actions):
    """Whatever is tried in whatever order, a query is closed only from answered."""
    status = OPEN
    for action in actions:
        before = status
        try:
            status = next_status(status, action)
        except DomainError:
            continue
        assert status is not RESOLVED
        if status is CLOSED:
            assert before is ANSWERED


@given(st.sampled_from(QueryStatus), st.sampled_from(QueryOrigin), st.booleans())
def test_only_a_waiting_query_of_a_rule_is_resolved_with_its_cause(recorded, origin, stands):
    """What people asked or settled stays as it is, with or without a cause."""
    found = standing(recorded, origin, stands)
    if origin is QueryOrigin.RULE and not stands and recorded in PENDING:
        assert found is RESOLVED
    else:
        assert found is recorded


@pytest.mark.parametrize("action", QueryAction)
@pytest.mark.parametrize("asks", [True, False])
def test_each_side_has_its_part(action, asks):
    """Who asks never answers, who answers does nothing else."""
    if asks == (action is not ANSWER):
        check_part(action, asks)
        return
    with pytest.raises(DomainError) as refusal:
        check_part(action, asks)
    assert refusal.value.kind is ErrorKind.FORBIDDEN
    assert refusal.value.code == ("role_does_not_answer" if asks else "role_does_not_close")


@pytest.mark.parametrize("status", QueryStatus)
def test_an_end_takes_another_person(status):
    """Whoever answered neither closes nor cancels; anybody else may, and nothing else is held."""
    check_two_persons(status, has_answered=False)
    if status not in (CLOSED, CANCELLED):
        check_two_persons(status, has_answered=True)
        return
    with pytest.raises(DomainError) as refusal:
        check_two_persons(status, has_answered=True)
    assert (refusal.value.kind, refusal.value.code) == (ErrorKind.FORBIDDEN, "two_persons")
