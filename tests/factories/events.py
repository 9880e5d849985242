"""Adverse events and their adjudications, as rows."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.ids import new_id
from app.models import AdverseEvent, DltAdjudication
from tests.conftest import Api
from tests.factories.rows import at, writing


async def adverse_event(api: Api, subject: dict[str, Any], day: date, **changes: Any) -> UUID:
    """Record a related reaction of grade 3, which is proposed as dose-limiting."""
    content = {
        "term": "Infusion related reaction",
        "soc": "Injury, poisoning and procedural complications",
        "ctcae_version": "5.0",
        "grade": 3,
        "onset_at": at(day, 12),
        "aware_at": at(day, 13),
        "seriousness": [],
        "causality": "probable",
        "action_taken": "none",
        "outcome": "recovered",
    }
    keys = {"id": new_id(), "subject_id": UUID(subject["id"])}
    async with writing(api) as (session, actor):
        session.add(AdverseEvent(study_id=actor.study_id, **keys, **(content | changes)))
    return keys["id"]


async def adjudicate(api: Api, event_id: UUID, is_dlt: bool) -> None:
    """Sign whether the event, as it stands, is dose-limiting."""
    async with writing(api) as (session, actor):
        event = AdverseEvent.study_id == actor.study_id, AdverseEvent.id == event_id
        session.add(
            DltAdjudication(
                study_id=actor.study_id,
                adverse_event_id=event_id,
                adverse_event_version=await session.scalar(
                    select(AdverseEvent.version).where(*event)
                ),
                is_dlt=is_dlt,
                rationale="Judged.",
                adjudicated_by=actor.principal_id,
            )
        )


async def dose_limiting_event(api: Api, subject: dict[str, Any], day: date) -> UUID:
    """Give a subject a dose-limiting toxicity: an event and the signed yes."""
    event_id = await adverse_event(api, subject, day)
    await adjudicate(api, event_id, is_dlt=True)
    return event_id
