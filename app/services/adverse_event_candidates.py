"""Candidates for adverse events, derived from the laboratory results of all subjects."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.event_candidates import event_candidates
from app.models import ConcomitantMedication, Infusion, LabResult
from app.schemas.adverse_events import EventCandidateView
from app.services.access import Actor
from app.services.evidence import Scope, load_subjects
from app.services.protocols import active_protocol

_TABLES = (ConcomitantMedication, Infusion, LabResult)


async def list_candidates(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID | None,
    at: datetime,
    past: datetime | None,
) -> list[EventCandidateView]:
    """List the candidates of all subjects or of one, by subject and first sight."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    return [
        EventCandidateView(
            subject_id=evidence.subject_id,
            subject_number=evidence.subject.number,
            **asdict(candidate),
            **protocol.basis(at),
        )
        for evidence in await load_subjects(session, scope, _TABLES)
        if actor.sees(evidence.site_id)
        for candidate in event_candidates(
            evidence.infusions, evidence.labs, evidence.medications, evidence.events
        )
    ]
