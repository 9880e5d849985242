"""The study of development and its fixture people: one for every role, two for the committee."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.security import DEVELOPMENT_ISSUER
from app.domain.vocabulary import Role
from app.models import Study
from app.services.fixture_subjects import fixture_subject
from app.services.studies import SHIPPED_STUDY, Person, create_study, shipped_study

_ORGANISATION = "Development"
# Of the advisory lock that lets one process load at a time; it only has to be our own.
_LOADING = 72_123_351


def fixture_people() -> tuple[Person, ...]:
    """Return the fixture people, the principal investigator first."""
    people = [_person(role, fixture_subject(role)) for role in Role]
    second = _person(Role.SAFETY_COMMITTEE, fixture_subject(Role.SAFETY_COMMITTEE, second=True))
    return (*people, second)


def _person(role: Role, subject: str) -> Person:
    name = subject.replace("_", " ").replace("-", " ").capitalize()
    return Person(DEVELOPMENT_ISSUER, subject, f"{name} (development)", _ORGANISATION, (role,))


async def load_study(session: AsyncSession, now: datetime) -> bool:
    """Load the shipped study with the fixture people; tell whether it was not there before."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOADING})
    if await session.scalar(select(Study.study_id).where(Study.key == SHIPPED_STUDY)):
        return False
    new = shipped_study(fixture_people(), str(new_id()), "Study loaded for development.")
    await create_study(session, new, now)
    return True
