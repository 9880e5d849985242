"""DLT adjudications: signed on the version of the event that was judged, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.dlt_standing import RETRACTED, DltState
from app.domain.errors import conflict
from app.models import AdverseEvent, DltAdjudication, Principal
from app.schemas.dlt_adjudications import AdjudicationCreate
from app.services.access import Actor
from app.services.adverse_event_conclusions import DLT_TABLES, dlt_course
from app.services.evidence import Scope, load_subjects
from app.services.history import as_of, fetch, lock
from app.services.locks import share_study
from app.services.paging import Page, PageRequest, page
from app.services.protocols import active_protocol


@dataclass(frozen=True, slots=True)
class SignedAdjudication:
    """An adjudication's row beside the name of who signed it."""

    row: DltAdjudication
    adjudicated_by_name: str

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the adjudication's."""
        return getattr(self.row, name)


async def list_adjudications(
    session: AsyncSession, actor: Actor, event_id: UUID, wanted: PageRequest
) -> Page:
    """List a page of the adjudications of an event, the first signed first; raise not_found."""
    await fetch(session, AdverseEvent, actor.study_id, event_id, wanted.moment)
    entity = as_of(DltAdjudication, actor.study_id, wanted.moment)
    query = select(entity).where(
        entity.study_id == actor.study_id, entity.adverse_event_id == event_id
    )
    found = await page(session, query, entity.id, wanted)
    people = select(Principal.id, Principal.display_name).where(
        Principal.study_id == actor.study_id,
        Principal.id.in_({row.adjudicated_by for row in found.items}),
    )
    names = {person.id: person.display_name for person in await session.execute(people)}
    return Page(
        [SignedAdjudication(row, names[row.adjudicated_by]) for row in found.items], found.next
    )


async def adjudicate(
    session: AsyncSession, actor: Actor, event_id: UUID, answer: AdjudicationCreate, now: datetime
) -> SignedAdjudication:
    """Sign whether an event is dose-limiting.

    Raises conflict if the event was changed since it was judged, or if nothing proposes it as
    dose-limiting; an investigator who disagrees declares it first.
    """
    await share_study(session, actor.study_id)
    event = await lock(session, AdverseEvent, actor.study_id, event_id, None)
    if answer.adverse_event_version != event.version:
        raise conflict(
            "stale_adjudication",
            "The event was changed after the version you judged; read it again and judge that.",
        )
    await _check_candidate(session, actor, event, now)
    row = DltAdjudication(
        study_id=actor.study_id,
        id=new_id(),
        adverse_event_id=event.id,
        adjudicated_by=actor.principal_id,
        **answer.model_dump(),
    )
    session.add(row)
    await session.flush()
    return SignedAdjudication(row, actor.display_name)


async def _check_candidate(
    session: AsyncSession, actor: Actor, event: AdverseEvent, now: datetime
) -> None:
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, event.subject_id)
    (evidence,) = await load_subjects(session, scope, DLT_TABLES)
    standing = dlt_course(evidence, protocol.rules).standings.get(str(event.id), RETRACTED)
    if standing.state is DltState.NOT_A_CANDIDATE:
        raise conflict(
            "not_a_candidate",
            "Nothing proposes this event as dose-limiting; see why, and if it is to be judged all"
            " the same, declare it with investigator_declared_dlt.",
            standing.reasons,
        )
