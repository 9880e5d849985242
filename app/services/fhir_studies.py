"""Studies as the FHIR façade reads them: where they stand, with the protocol in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.schemas.studies import StudySummary
from app.services.access import Wish, authorize, grants_of
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.role_matrix import Area, Right
from app.services.study_summary import read_summary


@dataclass(frozen=True, slots=True)
class StudyStanding:
    """Where a study stands, and the protocol in force."""

    summary: StudySummary
    protocol: ActiveProtocol


async def list_studies(
    session: AsyncSession, identity: tuple[str, str], request_id: str, now: datetime
) -> list[StudyStanding]:
    """Read the studies in which an identity has a role; all roles may see where a study stands."""
    held = await grants_of(session, identity, None, now)
    keys = dict.fromkeys(each.study.key for each in held)
    return [await read_study(session, identity, key, request_id, now) for key in keys]


async def read_study(
    session: AsyncSession, identity: tuple[str, str], key: str, request_id: str, now: datetime
) -> StudyStanding:
    """Read one study; raise not_found, also for one in which the identity has no role."""
    wish = Wish(Area.STUDY, Right.READ, request_id)
    actor = await authorize(session, identity, key, wish, now)
    summary = await read_summary(session, actor, now, None)
    return StudyStanding(summary, await active_protocol(session, actor.study_id, now))
