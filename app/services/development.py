"""The study of development, its fixture people, and a laboratory system that may send at once.

There is one person for every role, and two for the committee.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.ids import new_id
from app.domain.shipped_profiles import SHIPPED_PROFILES
from app.domain.vocabulary import Role
from app.models import Principal, Sender, Study
from app.schemas.sender_profiles import profile_document
from app.services.access import Wish, authorize
from app.services.audit import begin_operation
from app.services.fixture_subjects import fixture_subject
from app.services.role_matrix import Area, Right
from app.services.sender_registry import NewSender, register_sender
from app.services.studies import SHIPPED_STUDY, SITE_CODE, Person, create_study, shipped_study

FIXTURE_SENDER = "LIS-01"

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
    # Whoever comes second waits for the first, however slow the machine is.
    await session.execute(text("SET LOCAL lock_timeout = 0"))
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOADING})
    known = await session.scalar(select(Study.study_id).where(Study.key == SHIPPED_STUDY))
    if known is None:
        new = shipped_study(fixture_people(), str(new_id()), "Study loaded for development.")
        await create_study(session, new, now)
    await _load_sender(session, now)
    return known is None


async def _load_sender(session: AsyncSession, now: datetime) -> None:
    """Register the fixture laboratory system as a sender where the study knows it without one."""
    identity = (DEVELOPMENT_ISSUER, fixture_subject(Role.LABORATORY_SYSTEM))
    bound = exists().where(
        Sender.study_id == Principal.study_id,
        or_(Sender.principal_id == Principal.id, Sender.code == FIXTURE_SENDER),
    )
    waiting = (
        select(Principal.id)
        .join(Study, Study.study_id == Principal.study_id)
        .where(
            Study.key == SHIPPED_STUDY,
            Principal.issuer == identity[0],
            Principal.subject == identity[1],
            ~bound,
        )
    )
    if await session.scalar(waiting) is None:
        return
    registrar = (DEVELOPMENT_ISSUER, fixture_subject(Role.DATA_MANAGER))
    wish = Wish(Area.SENDER, Right.CREATE, str(new_id()))
    actor = await authorize(session, registrar, SHIPPED_STUDY, wish, now)
    await begin_operation(session, actor, "create_sender", "Sender loaded for development.")
    new = NewSender(
        site=SITE_CODE,
        identity=identity,
        values={"code": FIXTURE_SENDER, "name": "Laboratory system", "rate_per_minute": 6000},
        profile=profile_document(SHIPPED_PROFILES["generic_oru"]),
    )
    await register_sender(session, actor, new, now)
