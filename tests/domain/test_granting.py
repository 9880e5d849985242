"""Grants by the rules: what may be given, by whom, and where a grant stands."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.errors import DomainError
from app.domain.granting import (
    AdministratorGrant,
    GrantFacts,
    GrantStatus,
    check_administered,
    check_confirmation,
    check_granter,
    check_kind,
    check_revocation,
    check_training,
    check_validity,
    grant_status,
)
from app.domain.vocabulary import Role

NOW = datetime(2026, 6, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)
GIVER, TAKER, OTHER = (UUID(int=number) for number in (1, 2, 3))


def grant(**differing) -> GrantFacts:
    """A monitor's grant from yesterday on, given by an administrator."""
    facts = {
        "role": Role.MONITOR,
        "principal_id": TAKER,
        "granted_by": GIVER,
        "valid_from": NOW - DAY,
        "valid_until": None,
        "confirmed": False,
        "ended": False,
    }
    return GrantFacts(**facts | differing)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, GrantStatus.IN_FORCE),
        ({"valid_from": NOW}, GrantStatus.IN_FORCE),
        ({"valid_from": NOW + DAY}, GrantStatus.NOT_YET_VALID),
        ({"valid_until": NOW + DAY}, GrantStatus.IN_FORCE),
        ({"valid_until": NOW}, GrantStatus.EXPIRED),
        ({"ended": True}, GrantStatus.REVOKED),
        ({"role": Role.ADMINISTRATOR}, GrantStatus.PROPOSED),
        ({"role": Role.PRINCIPAL_INVESTIGATOR}, GrantStatus.PROPOSED),
        ({"role": Role.ADMINISTRATOR, "confirmed": True}, GrantStatus.IN_FORCE),
        ({"role": Role.ADMINISTRATOR, "granted_by": None}, GrantStatus.IN_FORCE),
        ({"role": Role.ADMINISTRATOR, "ended": True}, GrantStatus.REVOKED),
        ({"role": Role.ADMINISTRATOR, "valid_until": NOW}, GrantStatus.EXPIRED),
    ],
)
def test_where_a_grant_stands(facts, status):
    """A grant counts between its days, unless it was ended or waits for a second administrator."""
    assert grant_status(grant(**facts), NOW) is status


@pytest.mark.parametrize(
    ("begins", "ends", "code"),
    [
        (NOW - timedelta(seconds=1), None, "back_dated"),
        (NOW, NOW, "ends_too_early"),
        (NOW + DAY, NOW + DAY - timedelta(seconds=1), "ends_too_early"),
    ],
)
def test_no_grant_is_of_the_past_or_ends_before_it_begins(begins, ends, code):
    """Both are refused by name."""
    with pytest.raises(DomainError) as refused:
        check_validity(begins, ends, NOW)
    assert refused.value.code == code


def test_a_grant_may_begin_now_and_end_later():
    """The usual grant passes, open or not."""
    check_validity(NOW, None, NOW)
    check_validity(NOW, NOW + DAY, NOW)


def test_a_training_has_taken_place():
    """Today is early enough, tomorrow is not; none need be named."""
    check_training(None, date(2026, 6, 1))
    check_training(date(2026, 6, 1), date(2026, 6, 1))
    with pytest.raises(DomainError, match="future"):
        check_training(date(2026, 6, 2), date(2026, 6, 1))


def test_nobody_grants_to_themselves():
    """The same person on both sides is refused."""
    check_granter(TAKER, GIVER)
    with pytest.raises(DomainError) as refused:
        check_granter(GIVER, GIVER)
    assert refused.value.code == "own_grant"


@pytest.mark.parametrize("confirmer", [GIVER, TAKER])
def test_neither_of_the_two_concerned_confirms(confirmer):
    """Who proposed it and who is to get it are one person too few."""
    with pytest.raises(DomainError) as refused:
        check_confirmation(grant(role=Role.ADMINISTRATOR), confirmer, NOW)
    assert refused.value.code == "two_persons"


@pytest.mark.parametrize("facts", [{}, {"role": Role.ADMINISTRATOR, "ended": True}])
def test_only_a_proposed_grant_is_confirmed(facts):
    """One that needs no confirmation, or was turned down, does not take one."""
    with pytest.raises(DomainError) as refused:
        check_confirmation(grant(**facts), OTHER, NOW)
    assert refused.value.code == "nothing_to_confirm"


def test_a_second_administrator_confirms():
    """Somebody else may."""
    check_confirmation(grant(role=Role.PRINCIPAL_INVESTIGATOR), OTHER, NOW)


def test_what_has_ended_is_not_ended_again():
    """Revoked and expired grants stay as they are; a proposed one can be turned down."""
    check_revocation(grant(role=Role.ADMINISTRATOR), NOW)
    for ended in (grant(ended=True), grant(valid_until=NOW)):
        with pytest.raises(DomainError) as refused:
            check_revocation(ended, NOW)
        assert refused.value.code == "grant_ended"


MACHINE = Role.LABORATORY_SYSTEM


@pytest.mark.parametrize("role", [role for role in Role if role is not MACHINE])
def test_no_identity_is_a_person_and_a_machine(role):
    """Whichever comes first; of one kind there may be several."""
    for wanted, given in ((role, [MACHINE]), (MACHINE, [role]), (role, [Role.MONITOR, MACHINE])):
        with pytest.raises(DomainError) as refused:
            check_kind(wanted, given)
        assert refused.value.code == "person_and_system"
    check_kind(role, [])
    check_kind(role, [Role.MONITOR, Role.ADMINISTRATOR])
    check_kind(MACHINE, [MACHINE])


STUDY, SITE, SITE_TOO, ELSEWHERE = (
    AdministratorGrant(UUID(int=number), site)
    for number, site in enumerate((None, UUID(int=91), UUID(int=91), UUID(int=92)), 11)
)


@pytest.mark.parametrize(
    ("held", "ending", "allowed"),
    [
        ([STUDY], [STUDY], False),
        ([STUDY, SITE], [STUDY], False),
        ([STUDY, SITE], [SITE], True),
        ([STUDY, SITE], [STUDY, SITE], False),
        ([SITE], [SITE], False),
        ([SITE, ELSEWHERE], [SITE], False),
        ([SITE, SITE_TOO], [SITE], True),
        ([SITE, ELSEWHERE], [], True),
        ([SITE], [STUDY], True),
    ],
)
def test_somebody_administers_what_was_administered(held, ending, allowed):
    """The study, or the site: what ends leaves an administrator for the same, or for all."""
    ids = {each.id for each in ending}
    if allowed:
        check_administered(held, ids)
        return
    with pytest.raises(DomainError) as refused:
        check_administered(held, ids)
    assert refused.value.code == "last_administrator"
