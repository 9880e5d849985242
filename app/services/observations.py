"""What may be recorded about a subject: nothing of the future, after death or consent's end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.casebook import CasebookState, closed
from app.domain.disposition import (
    FATAL,
    EndDays,
    check_observation,
    end_days,
    with_implied_death,
)
from app.domain.errors import DomainError, invalid, not_found
from app.domain.facts import AdverseEvent as FatalEvent
from app.domain.facts import Disposition as DispositionFact
from app.models import AdverseEvent, Casebook, Disposition, Subject
from app.services import evidence_mapping as to_fact
from app.services.access import Actor

# Put together once, as every sending asks.
_SHARED = (
    select(Subject.id, Subject.birth_year)
    .where(
        Subject.study_id == bindparam("study_id"),
        Subject.id == bindparam("subject_ids", type_=ARRAY(Uuid())).any_(),
    )
    .order_by(Subject.id)
    .with_for_update(read=True)
)
_LEFT = select(Disposition).where(
    Disposition.study_id == bindparam("study_id"),
    Disposition.subject_id == bindparam("subject_ids", type_=ARRAY(Uuid())).any_(),
    Disposition.retracted.is_(False),
)
_FATAL = select(AdverseEvent).where(
    AdverseEvent.study_id == bindparam("study_id"),
    AdverseEvent.subject_id == bindparam("subject_ids", type_=ARRAY(Uuid())).any_(),
    AdverseEvent.grade == FATAL,
    AdverseEvent.retracted.is_(False),
)
_CLOSED = select(Casebook.subject_id, Casebook.state).where(
    Casebook.study_id == bindparam("study_id"),
    Casebook.subject_id == bindparam("subject_ids", type_=ARRAY(Uuid())).any_(),
    Casebook.state != CasebookState.OPEN,
)


@dataclass(frozen=True, slots=True)
class Observable:
    """A subject as far as it limits what may be recorded."""

    birth_year: int
    ends: EndDays
    zone: ZoneInfo
    casebook: CasebookState = CasebookState.OPEN

    def check_open(self) -> None:
        """Refuse whatever would change a closed casebook; raise DomainError, naming the state."""
        if self.casebook is not CasebookState.OPEN:
            raise closed(self.casebook)

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

    The shared lock keeps a disposition out until the commit, and the closing of a casebook; they
    would not see what is recorded here, as this would not see them.
    """
    given = {"study_id": actor.study_id, "subject_ids": list(subject_ids)}
    subjects = await session.execute(_SHARED, given)
    dispositions: defaultdict[UUID, list[DispositionFact]] = defaultdict(list)
    # Another statement, as only one that begins once the lock is held sees who left before.
    for row in await session.scalars(_LEFT, given):
        dispositions[row.subject_id].append(to_fact.disposition(row))
    zone = ZoneInfo(actor.time_zone)
    fatal: defaultdict[UUID, list[FatalEvent]] = defaultdict(list)
    for event in await session.scalars(_FATAL, given):
        fatal[event.subject_id].append(to_fact.adverse_event(event, zone, event.grade))

    states = {row.subject_id: row.state for row in await session.execute(_CLOSED, given)}

    def ends(subject_id: UUID) -> EndDays:
        left = tuple(dispositions[subject_id])
        return end_days(with_implied_death(left, fatal[subject_id]))

    return {
        subject_id: Observable(
            birth_year, ends(subject_id), zone, states.get(subject_id, CasebookState.OPEN)
        )
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
