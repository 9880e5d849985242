"""The fixture people of development: one for every role, two for the committee."""

from __future__ import annotations

from app.core.security import DEVELOPMENT_ISSUER
from app.domain.vocabulary import Role
from app.services.studies import Person

_ORGANISATION = "Development"


def fixture_subject(role: Role, second: bool = False) -> str:
    """Return the token subject of a role's fixture person."""
    return f"{role.value}-2" if second else role.value


def fixture_people() -> tuple[Person, ...]:
    """Return the fixture people, the principal investigator first."""
    people = [_person(role, fixture_subject(role)) for role in Role]
    second = _person(Role.SAFETY_COMMITTEE, fixture_subject(Role.SAFETY_COMMITTEE, second=True))
    return (*people, second)


def _person(role: Role, subject: str) -> Person:
    name = subject.replace("_", " ").replace("-", " ").capitalize()
    return Person(DEVELOPMENT_ISSUER, subject, f"{name} (development)", _ORGANISATION, (role,))
