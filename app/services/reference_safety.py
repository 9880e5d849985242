"""The reference safety information: versions of what is expected, each in force once signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.ctcae.terms import DICTIONARY_VERSION, Term, find_term
from app.domain.errors import invalid
from app.domain.expectedness import (
    ReferenceEntry,
    ReferenceVersion,
    check_entries,
    version_in_force,
)
from app.domain.signing import Meaning
from app.models import ReferenceSafetyInformation, Signature
from app.schemas.reference_safety import ReferenceCreate
from app.services.access import Actor
from app.services.evidence_mapping import local_day
from app.services.history import as_of, fetch, rows

RECORD_TYPE = ReferenceSafetyInformation.__tablename__
# A signature that says "reviewed" or "authored" puts nothing into force.
_PUTS_IN_FORCE = (Meaning.APPROVED, Meaning.RESPONSIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceStanding:
    """A version's row beside when it was signed and from which local day on it counts."""

    row: ReferenceSafetyInformation
    signed_at: datetime | None
    counts_from: date | None
    in_force: bool

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the version's."""
        return getattr(self.row, name)


async def list_references(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None
) -> list[ReferenceStanding]:
    """List the versions, the first added first; the one that counts at `at` is in force."""
    found = (await session.scalars(rows(ReferenceSafetyInformation, actor.study_id, past))).all()
    return await _standings(session, actor, found, (at, past))


async def read_reference(
    session: AsyncSession, actor: Actor, reference_id: UUID, at: datetime, past: datetime | None
) -> ReferenceStanding:
    """Read one version; raise not_found."""
    await fetch(session, ReferenceSafetyInformation, actor.study_id, reference_id, past)
    found = await list_references(session, actor, at, past)
    return next(each for each in found if each.row.id == reference_id)


async def create_reference(
    session: AsyncSession, actor: Actor, wanted: ReferenceCreate
) -> ReferenceStanding:
    """Add a version; it counts for nothing until the principal investigator approves it.

    Raises invalid for an unknown term, a repeated one, and a grade that the term lacks.
    """
    entries = [
        (replace(entry, term=term.name), frozenset(term.grades))
        for place, entry in enumerate(_entries(wanted))
        for term in (_term(entry.term, place),)
    ]
    check_entries(entries)
    latest = await session.scalar(
        select(func.max(ReferenceSafetyInformation.number)).where(
            ReferenceSafetyInformation.study_id == actor.study_id
        )
    )
    row = ReferenceSafetyInformation(
        study_id=actor.study_id,
        id=new_id(),
        number=(latest or 0) + 1,
        effective_on=wanted.effective_on,
        title=wanted.title,
        entries=[
            {"term": entry.term, "max_expected_grade": entry.max_expected_grade}
            for entry, _ in entries
        ],
    )
    session.add(row)
    await session.flush()
    return ReferenceStanding(row=row, signed_at=None, counts_from=None, in_force=False)


async def reference_versions(
    session: AsyncSession, study_id: UUID, zone: ZoneInfo, past: datetime | None
) -> tuple[ReferenceVersion, ...]:
    """Read the versions as the rules judge by them, known at `past` (None is now)."""
    found = (await session.scalars(rows(ReferenceSafetyInformation, study_id, past))).all()
    signed = await _signed_at(session, study_id, past)
    return tuple(_version(row, signed.get(row.id), zone) for row in found)


async def _standings(
    session: AsyncSession,
    actor: Actor,
    found: Sequence[ReferenceSafetyInformation],
    when: tuple[datetime, datetime | None],
) -> list[ReferenceStanding]:
    at, past = when
    zone = ZoneInfo(actor.time_zone)
    signed = await _signed_at(session, actor.study_id, past)
    versions = {row.id: _version(row, signed.get(row.id), zone) for row in found}
    current = version_in_force(versions.values(), local_day(at, zone))
    return [
        ReferenceStanding(
            row=row,
            signed_at=signed.get(row.id),
            counts_from=versions[row.id].counts_from,
            in_force=current is not None and versions[row.id].number == current.number,
        )
        for row in found
    ]


async def _signed_at(
    session: AsyncSession, study_id: UUID, past: datetime | None
) -> dict[UUID, datetime]:
    """Tell when each version was first approved."""
    entity = as_of(Signature, study_id, past)
    query = (
        select(entity.record_id, func.min(entity.recorded_at).label("first"))
        .where(
            entity.study_id == study_id,
            entity.record_type == RECORD_TYPE,
            entity.meaning.in_(_PUTS_IN_FORCE),
        )
        .group_by(entity.record_id)
    )
    return {row.record_id: row.first for row in await session.execute(query)}


def _version(
    row: ReferenceSafetyInformation, signed_at: datetime | None, zone: ZoneInfo
) -> ReferenceVersion:
    return ReferenceVersion(
        number=row.number,
        effective_on=row.effective_on,
        signed_on=local_day(signed_at, zone) if signed_at else None,
        entries=tuple(ReferenceEntry(**entry) for entry in row.entries),
    )


def _entries(wanted: ReferenceCreate) -> list[ReferenceEntry]:
    return [
        ReferenceEntry(term=entry.term, max_expected_grade=entry.max_expected_grade)
        for entry in wanted.entries
    ]


def _term(name: str, place: int) -> Term:
    term = find_term(name)
    if term is None:
        raise invalid(
            "unknown_term",
            f"CTCAE v{DICTIONARY_VERSION} has no such term; find it with"
            " GET /studies/{study}/ctcae/terms.",
            f"/body/entries/{place}/term",
        )
    return term
