"""What people write about deviations: reports of their own, changes to them, and notes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import forbidden, invalid, not_found
from app.domain.vocabulary import Role
from app.models import DeviationNote, ReportedDeviation, Subject
from app.schemas.deviations import DeviationNoteCreate, DeviationNoteView
from app.services.access import Actor
from app.services.deviation_records import (
    read_kept,
    seen_of,
    seen_of_reported,
    view_note,
)
from app.services.deviations import Basis, derive_of_subject
from app.services.evidence import Scope, load_subject
from app.services.evidence_mapping import local_day
from app.services.history import fetch, lock
from app.services.protocols import active_protocol
from app.services.record_sites import site_of
from app.services.sites import own_site

_INVESTIGATORS = frozenset({Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR})


async def report_deviation(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> ReportedDeviation:
    """Record a deviation that no rule sees: of a subject, else of a site or of the whole study.

    Raises invalid for a day to come and for a site that is not the actor's, or not_found.
    """
    if values["subject_id"] is not None:
        await fetch(session, Subject, actor.study_id, values["subject_id"])
    _check_day(values["day"], actor, now)
    recorded = {name: value for name, value in values.items() if name != "site"}
    site_id = await _site_of(session, actor, values)
    row = ReportedDeviation(study_id=actor.study_id, id=new_id(), site_id=site_id, **recorded)
    session.add(row)
    await session.flush()
    return row


async def _site_of(session: AsyncSession, actor: Actor, values: Mapping[str, Any]) -> UUID | None:
    """Find the site of a report: None for one of a subject, and for one of the whole study."""
    of_study = actor.site_ids is None and values["site"] is None
    if values["subject_id"] is not None or of_study:
        return None
    return await own_site(session, actor, values["site"])


async def read_reported(
    session: AsyncSession, actor: Actor, deviation_id: UUID, past: datetime | None
) -> ReportedDeviation:
    """Read one reported deviation, now or as it was; raise not_found."""
    return await fetch(session, ReportedDeviation, actor.study_id, deviation_id, past)


async def change_reported(
    session: AsyncSession,
    actor: Actor,
    key: tuple[UUID, int],
    values: Mapping[str, Any],
    now: datetime,
) -> ReportedDeviation:
    """Change the given fields of a reported deviation, read in the version of the key.

    Raises not_found, version_stale, invalid for a day to come, and forbidden for one of the whole
    study to whoever works for some sites.
    """
    row = await lock(session, ReportedDeviation, actor.study_id, *key)
    _check_reach(actor, row)
    if "day" in values:
        _check_day(values["day"], actor, now)
    for name, value in values.items():
        setattr(row, name, value)
    await session.flush()
    return row


def _check_reach(actor: Actor, row: ReportedDeviation) -> None:
    """Leave what is of the whole study to roles for that; what is of other sites is not seen."""
    if actor.site_ids is not None and row.subject_id is None and row.site_id is None:
        raise forbidden(
            "whole_study_only",
            "Your role is for some sites, and this deviation is of the whole study; let somebody"
            " with a role for the whole study write about it.",
        )


def _check_day(day: date, actor: Actor, now: datetime) -> None:
    if day > local_day(now, ZoneInfo(actor.time_zone)):
        raise invalid(
            "future_day",
            "A deviation cannot lie in the future; give the day on which it happened.",
            "/body/day",
        )


async def write_note(
    session: AsyncSession, actor: Actor, wish: DeviationNoteCreate, now: datetime
) -> DeviationNoteView:
    """Add a note to a deviation; nobody changes or removes one.

    Raises not_found for a deviation that is not derived and never was noted, and forbidden for an
    assessment by somebody who is no investigator there, and for what is of the whole study to
    whoever works for some sites.
    """
    row = DeviationNote(study_id=actor.study_id, id=new_id(), **wish.model_dump())
    if wish.deviation_id is not None:
        reported = await fetch(session, ReportedDeviation, actor.study_id, wish.deviation_id)
        _check_reach(actor, reported)
        row.subject_id, row.site_id = reported.subject_id, reported.site_id
        row.seen = seen_of_reported(reported)
    else:
        row.seen = await _look(session, actor, wish, now)
    if wish.assessment is not None and not await _is_investigator(session, actor, row):
        raise forbidden(
            "investigator_needed",
            "An investigator of the site assesses a deviation; leave the assessment out.",
        )
    session.add(row)
    await session.flush()
    return view_note(row, actor.display_name, actor.role)


async def _is_investigator(session: AsyncSession, actor: Actor, row: DeviationNote) -> bool:
    """Tell whether somebody is an investigator where the deviation is."""
    sites = actor.sites_as(_INVESTIGATORS)
    if sites is None:
        return True
    if row.subject_id is None:
        return row.site_id in sites
    return await site_of(session, actor.study_id, row.subject_id) in sites


async def _look(
    session: AsyncSession, actor: Actor, wish: DeviationNoteCreate, now: datetime
) -> dict[str, Any]:
    """Return how the derived deviation reads now, or read when it was noted last."""
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, wish.subject_id)
    evidence = await load_subject(session, scope)
    for deviation in await derive_of_subject(session, actor, evidence, Basis(protocol, now, None)):
        if deviation.key == wish.key:
            return seen_of(deviation)
    kept = await read_kept(session, actor, wish.subject_id, None)
    notes = kept.of((wish.subject_id, str(wish.key)))
    if not notes:
        raise not_found("deviation")
    return dict(notes[-1].seen)
