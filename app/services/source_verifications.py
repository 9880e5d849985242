"""Source verification: what monitors held against the source, and how much of it still stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.domain.errors import conflict
from app.domain.signing import VersionChange
from app.domain.source_verification import Verification, check_items, stale_items
from app.models import (
    Attestation,
    Change,
    LabResult,
    Operation,
    SourceVerification,
    StudyRecord,
)
from app.services.access import Actor
from app.services.history import as_of
from app.services.lab_versions import is_current
from app.services.paging import Page, PageRequest, page
from app.services.subject_records import RECORD_MODELS, fetch_of_subject

# What is never changed is superseded; this is said of the older one.
_SUPERSEDED: Mapping[type[StudyRecord], tuple[str, str]] = {
    LabResult: (
        "result_superseded",
        "This result was corrected; verify the version that counts.",
    ),
    Attestation: (
        "answer_superseded",
        "This criterion was answered anew; verify the latest answer.",
    ),
}
# Records that never change are verified in their only version.
ONLY_VERSION = 1
Changes = Mapping[UUID, list[VersionChange]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationFilter:
    """Which verifications are wanted; None does not filter."""

    subject_id: UUID | None = None
    record_type: str | None = None
    record_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedVerification:
    """A verification with who made it, and which of its fields have changed since."""

    row: SourceVerification
    verified_by: UUID | None
    verified_by_name: str
    stale_fields: list[str]

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the verification's."""
        return getattr(self.row, name)

    @property
    def stale(self) -> bool:
        """Tell whether anything that was verified has changed."""
        return bool(self.stale_fields)


async def list_verifications(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: VerificationFilter
) -> Page:
    """List a page of verifications, the first made first."""
    entity = as_of(SourceVerification, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    for name in ("subject_id", "record_type", "record_id"):
        value = getattr(only, name)
        if value is not None:
            query = query.where(getattr(entity, name) == value)
    found = await page(session, query, entity.id, wanted)
    return Page(await _checked(session, actor, found.items, wanted.moment), found.next)


async def verify_source(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any]
) -> CheckedVerification:
    """Record that fields of a record, None being all, say what the source says.

    Raises invalid for what has no source, not_found, and conflict for a record that is in another
    version than the one that was verified, retracted or superseded.
    """
    record_type, record_id = values["record_type"], values["record_id"]
    fields = check_items(record_type, values["fields"])
    record, subject_id = await fetch_of_subject(
        session, actor, RECORD_MODELS[record_type], record_id
    )
    await _check_live(session, actor, record, values["record_version"])
    row = SourceVerification(
        study_id=actor.study_id,
        subject_id=subject_id,
        record_type=record_type,
        record_id=record_id,
        record_version=values["record_version"],
        fields=list(fields),
    )
    session.add(row)
    await session.flush()
    (made,) = await _checked(session, actor, [row], None)
    return made


async def _check_live(session: AsyncSession, actor: Actor, record: Any, version: int) -> None:
    if getattr(record, "version", ONLY_VERSION) != version:
        raise conflict(
            "record_changed",
            "The record is in another version than the one that you verified; read it again.",
        )
    if getattr(record, "retracted", False):
        raise conflict(
            "record_retracted",
            "A retracted record counts for nothing; verify the one that was recorded instead.",
        )
    if not await _standing(session, actor, type(record), [record.id], None):
        raise conflict(*_SUPERSEDED[type(record)])


async def _standing(
    session: AsyncSession,
    actor: Actor,
    model: type[StudyRecord],
    ids: Collection[UUID],
    past: datetime | None,
) -> set[UUID]:
    """Find which of these records of a table still count."""
    entity = as_of(model, actor.study_id, past)
    query = select(entity.id).where(
        entity.study_id == actor.study_id, entity.id.in_(ids), *counting(model, entity, past)
    )
    return set(await session.scalars(query))


def counting(
    model: type[StudyRecord], entity: Any, past: datetime | None
) -> list[ColumnElement[bool]]:
    """Say that a record counts: it is not retracted, and no later one took its place."""
    conditions: list[ColumnElement[bool]] = []
    if hasattr(model, "retracted"):
        conditions.append(entity.retracted.is_(False))
    if model is LabResult:
        conditions.append(is_current(entity, past))
    if model is Attestation:
        conditions.append(_is_latest(entity, past))
    return conditions


def _is_latest(entity: Any, past: datetime | None) -> ColumnElement[bool]:
    """Keep the answers to a criterion after which none was given until `past` (None is now)."""
    later = aliased(Attestation, name="later_answer")
    conditions = [
        later.study_id == entity.study_id,
        later.subject_id == entity.subject_id,
        later.criterion == entity.criterion,
        later.id > entity.id,
    ]
    if past is not None:
        conditions.append(later.recorded_at <= past)
    return ~exists().where(*conditions)


async def _checked(
    session: AsyncSession,
    actor: Actor,
    rows: Collection[SourceVerification],
    past: datetime | None,
) -> list[CheckedVerification]:
    changes = await changes_of(session, actor, {row.record_id for row in rows}, past)
    standing: set[UUID] = set()
    for record_type in {row.record_type for row in rows}:
        ids = [row.record_id for row in rows if row.record_type == record_type]
        standing |= await _standing(session, actor, RECORD_MODELS[record_type], ids, past)
    query = select(Operation).where(
        Operation.study_id == actor.study_id, Operation.id.in_({row.operation_id for row in rows})
    )
    writers = {each.id: each for each in await session.scalars(query)}
    return [
        CheckedVerification(
            row=row,
            verified_by=writers[row.operation_id].actor_id,
            verified_by_name=writers[row.operation_id].actor_name,
            stale_fields=_stale(row, changes.get(row.record_id, []), row.record_id in standing),
        )
        for row in rows
    ]


def _stale(row: SourceVerification, changes: list[VersionChange], stands: bool) -> list[str]:
    """List the fields that changed, in their order; of a record that counts no more all have."""
    made = Verification(row.record_version, frozenset(row.fields))
    stale = stale_items(made, changes) if stands else made.items
    return [field for field in row.fields if field in stale]


async def changes_of(
    session: AsyncSession, actor: Actor, record_ids: Collection[UUID], past: datetime | None
) -> Changes:
    """Read which fields each change of these records touched, and to which version it led."""
    query = select(Change.record_id, Change.old, Change.new).where(
        Change.study_id == actor.study_id,
        Change.record_id.in_(record_ids),
        Change.action == "update",
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    found: defaultdict[UUID, list[VersionChange]] = defaultdict(list)
    for record_id, old, new in await session.execute(query.order_by(Change.id)):
        differing = frozenset(name for name in new if old.get(name) != new[name])
        found[record_id].append(VersionChange(new["version"], differing))
    return found
