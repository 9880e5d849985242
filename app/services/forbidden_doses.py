"""Which of a subject's infusions began against the ladder, as it was known at that moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Reason
from app.domain.forbidden_dosing import ForbiddenDose
from app.services.access import Actor
from app.services.escalation import dosing_refusals
from app.services.evidence import SubjectEvidence
from app.services.history import apart
from app.services.ladder import read_ladder


async def forbidden_doses(
    session: AsyncSession, actor: Actor, evidence: SubjectEvidence, past: datetime | None
) -> tuple[ForbiddenDose, ...]:
    """Find the infusions that began while nobody was to be dosed on the subject's level.

    What was known is read as of the start, or as of the enrolment where that was recorded later,
    because nothing of this subject was known before.
    """
    place = evidence.place
    if place is None:
        return ()
    refusals: dict[datetime, tuple[Reason, ...]] = {}
    found = []
    for infusion in evidence.infusions:
        if infusion.started_at is None:
            continue
        known = max(infusion.started_at, place.at)
        if known not in refusals:
            async with apart(session) as reader:
                ladder = await read_ladder(reader, actor, known, min(known, past or known))
            refusals[known] = dosing_refusals(ladder, place.dose_level, place.phase)
        if refusals[known]:
            found.append(ForbiddenDose(infusion=infusion, reasons=refusals[known]))
    return tuple(found)
