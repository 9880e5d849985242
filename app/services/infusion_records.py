"""What is recorded about a prescribed infusion: bags, times, amounts, or that it will not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.disposition import check_infusion, end_days
from app.domain.errors import DomainError, conflict, invalid, not_found
from app.domain.infusion_record import InfusionRecord, Interruption, check_order, check_record
from app.models import Infusion
from app.services.access import Actor
from app.services.bag_allocation import Allocation, free_bags, infuse_bags, replace_bags
from app.services.escalation import dosing_allowed, dosing_refusals
from app.services.history import apart, lock
from app.services.infusions import InfusionKey, InfusionWithConduct, read_infusion
from app.services.ladder import read_ladder
from app.services.prescriptions import Treatment, open_treatment, refuse_dosing, represcribe

# What only a prescriber changes, and signs.
ORDERED = {"planned_date", "weight_kg"}


async def change_infusion(
    session: AsyncSession,
    actor: Actor,
    key: InfusionKey,
    version: int,
    values: Mapping[str, Any],
    now: datetime,
) -> InfusionWithConduct:
    """Record what happened with an infusion, at any time after it.

    Departures from the protocol never block: they show as deviations. Raises invalid for what
    cannot have happened, conflict for a start that is not allowed or bags that cannot be used.
    """
    treatment = await open_treatment(session, actor, key.subject_id, now)
    row = await _lock_infusion(session, actor, key, version)
    values = dict(values)
    bag_ids = values.pop("bag_ids", None)
    started_at = _check_record(row, values, treatment, now)
    if started_at is not None and started_at != row.started_at:
        _check_day(started_at, treatment)
    if started_at is not None and row.started_at is None:
        await _check_dosing(session, actor, row, (treatment, started_at), now)
    if not ORDERED.isdisjoint(values):
        represcribe(actor, row, values, treatment)
    for name in values.keys() - ORDERED:
        setattr(row, name, values[name])
    await _settle_bags(session, bag_ids, Allocation(row, treatment.protocol, now))
    await session.flush()
    return await read_infusion(session, actor, key, now, None)


async def _lock_infusion(
    session: AsyncSession, actor: Actor, key: InfusionKey, version: int
) -> Infusion:
    found = await session.scalar(
        select(Infusion.id).where(
            Infusion.study_id == actor.study_id,
            Infusion.subject_id == key.subject_id,
            Infusion.number == key.number,
        )
    )
    if found is None:
        raise not_found("infusion")
    return await lock(session, Infusion, actor.study_id, found, version)


def _check_record(
    row: Infusion, values: Mapping[str, Any], treatment: Treatment, now: datetime
) -> datetime | None:
    """Check what the record will say once changed, and return its start.

    A start can be corrected but not taken back, because its bags are used.
    """
    if row.started_at is not None and values.get("started_at", row.started_at) is None:
        raise conflict(
            "start_is_final",
            "The infusion has started; correct the time, or record a volume of 0 and cancel it.",
        )
    names = [field.name for field in fields(InfusionRecord)]
    merged = {name: values.get(name, getattr(row, name)) for name in names}
    merged["interruptions"] = [_interruption(pause) for pause in merged["interruptions"]]
    record = InfusionRecord(**merged)
    try:
        check_record(record, now)
    except DomainError as error:
        raise error.below("/body") from None
    started_at = record.started_at
    cancelled = values.get("cancelled", row.cancelled)
    if cancelled and started_at is not None and record.volume_ml != 0:
        raise conflict(
            "cancelled_or_started",
            "An infusion that started can only be cancelled with a volume of 0.",
        )
    if not cancelled:
        check_order(row.number, started_at, treatment.evidence.infusions)
    return started_at


def _interruption(pause: Mapping[str, Any]) -> Interruption:
    return Interruption(began_at=_instant(pause["from"]), ended_at=_instant(pause.get("to")))


def _instant(value: Any) -> Any:
    """Read an instant of a request, or one that was kept as JSON."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _check_day(started_at: datetime, treatment: Treatment) -> None:
    """Refuse a start before consent or after the subject's treatment ended."""
    day = treatment.protocol.local_day(started_at)
    consent_day = treatment.evidence.subject.consent_day
    if consent_day is not None and day < consent_day:
        raise invalid(
            "start_before_consent",
            "An infusion cannot have started before consent.",
            "/body/started_at",
        )
    check_infusion(day, end_days(treatment.evidence.dispositions))


async def _check_dosing(
    session: AsyncSession,
    actor: Actor,
    row: Infusion,
    start: tuple[Treatment, datetime],
    now: datetime,
) -> None:
    """Refuse a start of today on a level where nobody may be dosed.

    A start of today is judged by what was known then: one before a DLT became known has happened
    and must be counted. A start of an earlier day is late entry and never refused; if it was not
    allowed, that shows as a deviation.
    """
    (treatment, started_at), place = start, start[0].place
    if treatment.protocol.local_day(started_at) < treatment.protocol.local_day(now):
        return
    reasons = await dosing_allowed(session, actor, place.dose_level, place.phase, now)
    if reasons and started_at < now:
        known = max(started_at, row.recorded_at)
        async with apart(session) as reader:
            ladder = await read_ladder(reader, actor, started_at, known)
        reasons = dosing_refusals(ladder, place.dose_level, place.phase)
    refuse_dosing(reasons)


async def _settle_bags(session: AsyncSession, bag_ids: Any, allocation: Allocation) -> None:
    """Bring the bags in line with the infusion: as named, infused when started, free if not."""
    row = allocation.infusion
    if bag_ids is not None:
        await replace_bags(session, bag_ids, allocation)
    if row.started_at is not None:
        await infuse_bags(session, allocation)
    elif row.cancelled:
        await free_bags(session, allocation)
