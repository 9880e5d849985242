"""Roles granted at the console: once, to people old and new, and always on record."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.core.database import Database
from app.core.migration import migrate
from app.domain.errors import DomainError
from app.domain.vocabulary import Role
from app.models import Operation, Principal, ProtocolActivation, RoleGrant, Study
from app.services.access import grants_of
from app.services.console_grants import grant_roles
from app.services.studies import Person
from tests.conftest import NOW, STUDY

ISSUER = "https://id.hospital.example"


def person(*roles: Role) -> Person:
    """A person whom the study may not know yet."""
    return Person(ISSUER, "8f3c", "Dr. Example", "Example Hospital", roles)


async def roles_held(session, now=NOW) -> set[Role]:
    """The roles of that person in the study."""
    return {held.role for held in await grants_of(session, (ISSUER, "8f3c"), STUDY, now)}


async def test_a_new_person_gets_the_role(session):
    """The person becomes known and holds the role from now on."""
    assert await grant_roles(session, STUDY, person(Role.MONITOR), "root", NOW)
    assert await roles_held(session) == {Role.MONITOR}
    assert await roles_held(session, NOW - timedelta(seconds=1)) == set()


async def test_the_same_grant_again_changes_nothing(session):
    """Repeating a grant writes no row."""
    await grant_roles(session, STUDY, person(Role.MONITOR), "root", NOW)
    before = await session.scalar(select(func.count()).select_from(Operation))
    assert not await grant_roles(session, STUDY, person(Role.MONITOR), "root", NOW)
    assert await session.scalar(select(func.count()).select_from(Operation)) == before
    grants = (
        select(func.count())
        .select_from(RoleGrant)
        .join(Principal, RoleGrant.principal_id == Principal.id)
        .where(Principal.issuer == ISSUER)
    )
    assert await session.scalar(grants) == 1


async def test_a_known_person_gets_a_further_role(session):
    """A second role is added to the same person."""
    await grant_roles(session, STUDY, person(Role.MONITOR), "root", NOW)
    assert await grant_roles(session, STUDY, person(Role.AUDITOR), "root", NOW)
    assert await roles_held(session) == {Role.MONITOR, Role.AUDITOR}


async def test_a_grant_says_which_operator_gave_it(session):
    """The trail names the account at the console and no person of the study."""
    await grant_roles(session, STUDY, person(Role.MONITOR), "root", NOW)
    query = select(Operation).where(Operation.command == "grant_roles")
    operation = (await session.scalars(query)).one()
    assert (operation.actor_id, operation.actor_name, operation.role) == (None, "root", "operator")
    assert "root" in operation.reason


async def test_an_unknown_study_is_refused(session):
    """A key that is neither there nor shipped is an error, not a new study."""
    with pytest.raises(DomainError, match="study"):
        await grant_roles(session, "NCT00000000", person(Role.MONITOR), "root", NOW)


async def test_the_shipped_study_is_set_up_with_its_first_person(empty_url):
    """On an empty database the first grant sets up the study, under its first protocol version."""
    database = Database(empty_url, role=None)
    await migrate(database.engine)
    async with database.session() as session:
        assert await grant_roles(session, STUDY, person(Role.ADMINISTRATOR), "root", NOW)
        assert (await session.scalars(select(Study.key))).all() == [STUDY]
        assert await session.scalar(select(func.count()).select_from(ProtocolActivation)) == 1
        assert await roles_held(session) == {Role.ADMINISTRATOR}
    await database.close()
