"""Protocol versions: proposed as data, put into force by a signature, read by every conclusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.serialization import digest
from app.domain.errors import conflict, invalid, not_found
from app.domain.protocol import ProtocolDefinition
from app.models import Cohort, ProtocolActivation, ProtocolVersion, Study
from app.schemas.protocols import parse_definition, stored_definition
from app.services.access import Actor
from app.services.history import as_of
from app.services.locks import lock_study


@dataclass(frozen=True, slots=True)
class ActiveProtocol:
    """The version in force at a moment."""

    id: UUID
    number: int
    digest: str
    effective_from: date
    document: dict[str, Any]
    rules: ProtocolDefinition

    @property
    def definition(self) -> dict[str, Any]:
        """The document under the name it has on the wire."""
        return self.document

    def local_day(self, instant: datetime) -> date:
        """Return the study day of an instant."""
        return instant.astimezone(ZoneInfo(self.rules.study.time_zone)).date()

    def basis(self, at: datetime) -> dict[str, Any]:
        """Say what a conclusion drawn for the moment `at` rests on."""
        return {"protocol_version": self.number, "protocol_digest": self.digest, "as_of": at}


@dataclass(frozen=True, slots=True)
class VersionWithActivation:
    """A version and the signature on it, if any."""

    id: UUID
    number: int
    digest: str
    summary: str
    recorded_at: datetime
    effective_from: date | None
    activated_by: UUID | None


async def active_protocol(
    session: AsyncSession, study_id: UUID, at: datetime, past: datetime | None = None
) -> ActiveProtocol:
    """Return the version in force on the study day of `at`, as known at `past` (None is now).

    Raises conflict when none is in force yet.
    """
    version = as_of(ProtocolVersion, study_id, past)
    activation = as_of(ProtocolActivation, study_id, past)
    zone = await session.scalar(select(Study.time_zone).where(Study.study_id == study_id))
    day = at.astimezone(ZoneInfo(zone or "UTC")).date()
    found = (
        await session.execute(
            select(version, activation.effective_from)
            .join(
                activation,
                (activation.study_id == version.study_id)
                & (activation.protocol_version_id == version.id),
            )
            .where(version.study_id == study_id, activation.effective_from <= day)
            .order_by(activation.effective_from.desc(), version.number.desc())
            .limit(1)
        )
    ).first()
    if found is None:
        text = "activate one first" if past is None else "the study had not begun at that instant"
        raise conflict("no_protocol", f"No protocol version is in force: {text}.")
    return _in_force(*found)


@dataclass(frozen=True, slots=True)
class ProtocolCourse:
    """The versions that were ever put into force, with the signature on each, in one reading."""

    activated: Sequence[tuple[ProtocolVersion, ProtocolActivation]]

    def on(self, day: date) -> tuple[ActiveProtocol, ProtocolActivation] | None:
        """Return the version in force on a study day and what put it into force, or None."""
        begun = [each for each in self.activated if each[1].effective_from <= day]
        if not begun:
            return None
        row, signed = max(begun, key=lambda each: (each[1].effective_from, each[0].number))
        return _in_force(row, signed.effective_from), signed


async def protocol_course(
    session: AsyncSession, study_id: UUID, past: datetime | None
) -> ProtocolCourse:
    """Read all versions in force, as known at `past` (None is now), to ask of many days."""
    version = as_of(ProtocolVersion, study_id, past)
    activation = as_of(ProtocolActivation, study_id, past)
    query = select(version, activation).where(
        version.study_id == study_id,
        activation.study_id == study_id,
        activation.protocol_version_id == version.id,
    )
    return ProtocolCourse([(row, signed) for row, signed in await session.execute(query)])


def _in_force(row: ProtocolVersion, effective_from: date) -> ActiveProtocol:
    return ActiveProtocol(
        id=row.id,
        number=row.number,
        digest=row.digest,
        effective_from=effective_from,
        document=row.definition,
        rules=stored_definition(row.digest, row.definition),
    )


async def list_versions(
    session: AsyncSession, study_id: UUID, past: datetime | None = None
) -> list[VersionWithActivation]:
    """List all versions, oldest first, with their signatures, as known at `past` (None is now)."""
    version = as_of(ProtocolVersion, study_id, past)
    activation = as_of(ProtocolActivation, study_id, past)
    query = (
        select(version, activation)
        .outerjoin(
            activation,
            (activation.study_id == version.study_id)
            & (activation.protocol_version_id == version.id),
        )
        .where(version.study_id == study_id)
        .order_by(version.number)
    )
    return [_with_activation(row, signed) for row, signed in await session.execute(query)]


def _with_activation(
    row: ProtocolVersion, signed: ProtocolActivation | None
) -> VersionWithActivation:
    return VersionWithActivation(
        id=row.id,
        number=row.number,
        digest=row.digest,
        summary=row.summary,
        recorded_at=row.recorded_at,
        effective_from=signed.effective_from if signed else None,
        activated_by=signed.activated_by if signed else None,
    )


async def create_version(
    session: AsyncSession, actor: Actor, document: dict[str, Any], summary: str
) -> VersionWithActivation:
    """Propose a new version; it has no effect until it is activated."""
    rules = parse_definition(document)
    if rules.study.key != actor.study_key:
        raise invalid(
            "other_study",
            "The definition is for another study; its study.key must be this study's.",
            "/body/definition/study/key",
        )
    await _check_continuity(session, actor, rules)
    latest = await session.scalar(
        select(func.max(ProtocolVersion.number)).where(ProtocolVersion.study_id == actor.study_id)
    )
    row = ProtocolVersion(
        study_id=actor.study_id,
        id=new_id(),
        number=(latest or 0) + 1,
        definition=document,
        digest=digest(document),
        summary=summary,
    )
    session.add(row)
    await session.flush()
    return _with_activation(row, None)


async def _check_continuity(session: AsyncSession, actor: Actor, rules: ProtocolDefinition) -> None:
    """Refuse an amendment under which what was recorded could not be read any more."""
    if rules.study.time_zone != actor.time_zone:
        raise invalid(
            "other_time_zone",
            "The days of a study are counted in one zone; study.time_zone must stay.",
            "/body/definition/study/time_zone",
        )
    await lock_study(session, actor.study_id)
    used = set(
        await session.scalars(select(Cohort.dose_level).where(Cohort.study_id == actor.study_id))
    )
    if not used <= {level.name for level in rules.dosing.levels}:
        raise invalid(
            "level_in_use",
            "The definition leaves out a dose level that was opened; keep every such level.",
            "/body/definition/dosing/levels",
        )


async def activate_version(
    session: AsyncSession, actor: Actor, number: int, effective_from: date, reason: str
) -> VersionWithActivation:
    """Put a version into force from a study day on; a version is activated once.

    The definition is held against the levels in use once more: one may have been opened since.
    """
    row = await session.scalar(
        select(ProtocolVersion).where(
            ProtocolVersion.study_id == actor.study_id, ProtocolVersion.number == number
        )
    )
    if row is None:
        raise not_found("protocol version")
    await _check_continuity(session, actor, stored_definition(row.digest, row.definition))
    signed = ProtocolActivation(
        study_id=actor.study_id,
        id=new_id(),
        protocol_version_id=row.id,
        effective_from=effective_from,
        activated_by=actor.principal_id,
        reason=reason,
    )
    session.add(signed)
    await session.flush()
    return _with_activation(row, signed)
