"""What may be recorded about a subject: nothing of the future, after death or consent's end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.disposition import EndDays, check_observation, end_days
from app.domain.errors import DomainError, invalid, not_found
from app.domain.facts import Disposition as DispositionFact
from app.models import Disposition, Subject
from app.services import evidence_mapping as to_fact
from app.services.access import Actor


@dataclass(frozen=True, slots=True)
class Observable:
    """A subject as far as it limits what may be recorded."""

    birth_year: int
    ends: EndDays
    zone: ZoneInfo

    def check(self, at: datetime, field: str, now: datetime) -> None:
        """Refuse an instant that cannot be; raise DomainError, naming the field.

        Results from before the consent are taken: a disease's history is older than the trial.
        """
        day = to_fact.local_day(at, self.zone)
        if at > now:
            raise invalid("future_moment", f"{field} lies in the future.", f"/{field}")
        if day.year < self.birth_year:
            raise invalid("before_birth", f"{field} lies before the subject's birth.", f"/{field}")
        check_observation(day, self.ends)


async def observable_subjects(
    session: AsyncSession, actor: Actor, subject_ids: Collection[UUID]
) -> dict[UUID, Observable]:
    """Find which of the subjects are of this study, with what was recorded of their leaving.

    The shared lock keeps a disposition out until the commit; it would not see what is recorded
    here, as this would not see it.
    """
    subjects = await session.execute(
        select(Subject.id, Subject.birth_year)
        .where(Subject.study_id == actor.study_id, Subject.id.in_(subject_ids))
        .order_by(Subject.id)
        .with_for_update(read=True)
    )
    dispositions: defaultdict[UUID, list[DispositionFact]] = defaultdict(list)
    query = select(Disposition).where(
        Disposition.study_id == actor.study_id,
        Disposition.subject_id.in_(subject_ids),
        Disposition.retracted.is_(False),
    )
    for row in await session.scalars(query):
        dispositions[row.subject_id].append(to_fact.disposition(row))
    zone = ZoneInfo(actor.time_zone)
    return {
        subject_id: Observable(birth_year, end_days(dispositions[subject_id]), zone)
        for subject_id, birth_year in subjects
    }


async def check_observed(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    moments: Mapping[str, datetime | None],
    now: datetime,
) -> None:
    """Refuse moments, by field of the body, at which nothing can have been observed.

    Raises not_found when the subject is not of this study.
    """
    found = (await observable_subjects(session, actor, [subject_id])).get(subject_id)
    if found is None:
        raise not_found("subject")
    try:
        for field, at in moments.items():
            if at is not None:
                found.check(at, field, now)
    except DomainError as error:
        raise error.below("/body") from error
