"""The audit trail as it is read: operations, and every row that each of them wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import invalid
from app.models import Base, Change, Fact, Operation, Record, Study
from app.schemas.audit import ChangeView
from app.services.access import Actor
from app.services.paging import Page, PageRequest, page, read_cursor, write_cursor
from app.services.role_matrix import Area
from app.services.trail_scope import hidden_kinds, is_own_only, shown_entries

_MODELS = [mapper.class_ for mapper in Base.registry.mappers]
_FACTS = sorted(
    (model for model in _MODELS if issubclass(model, Fact)), key=lambda model: model.__tablename__
)
RECORD_TYPES = sorted(
    model.__tablename__ for model in _MODELS if issubclass(model, (Fact, Record, Study))
)
# What the database keeps count with says nothing about a change.
_BOOKKEEPING = {"version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilter:
    """Which operations are wanted; None does not filter, both instants are included."""

    actor: UUID | None = None
    command: str | None = None
    record_id: UUID | None = None
    request_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes are wanted; None does not filter."""

    operation_id: UUID | None = None
    record_type: str | None = None
    record_id: UUID | None = None


def _own_record(model: Any, operation_id: Any, record_id: Any) -> Select[Any]:
    """Select rows that never change as the inserts that they were.

    Each column has one type in all tables, so that the database takes conditions into each and
    leaves out what a query does not ask for.
    """
    return select(
        model.study_id.label("study_id"),
        operation_id.label("operation_id"),
        literal(model.__tablename__, Text).label("record_type"),
        record_id.label("record_id"),
        cast(0, BigInteger).label("number"),
        literal("insert", Text).label("action"),
        cast(null(), JSONB).label("old"),
        func.to_jsonb(model.__table__.table_valued(), type_=JSONB).label("new"),
        model.recorded_at.label("recorded_at"),
    )


def _entries() -> Any:
    """Put the trail of changing rows and the rows that never change into one table.

    The study itself names no operation: it came with the first one.
    """
    first = (
        select(Operation.id)
        .where(Operation.study_id == Study.study_id)
        .order_by(Operation.id)
        .limit(1)
        .scalar_subquery()
    )
    changes = select(
        Change.study_id,
        Change.operation_id,
        Change.table_name,
        Change.record_id,
        Change.id,
        Change.action,
        Change.old,
        Change.new,
        Change.recorded_at,
    )
    facts = [_own_record(model, model.operation_id, model.id) for model in _FACTS]
    study = _own_record(Study, first, Study.study_id)
    return union_all(study, *facts, changes).subquery("entry")


_ENTRY = _entries().c
# Of one operation in the order of its rows, of one row in the order of its changes.
_KEY = (_ENTRY.operation_id, _ENTRY.record_id, _ENTRY.number)


async def list_operations(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: OperationFilter
) -> Page:
    """List a page of operations, oldest first."""
    conditions = {
        Operation.actor_id: only.actor,
        Operation.command: only.command,
        Operation.request_id: only.request_id,
    }
    query = select(Operation).where(
        Operation.study_id == actor.study_id,
        *(column == value for column, value in conditions.items() if value is not None),
    )
    if only.start is not None:
        query = query.where(Operation.recorded_at >= only.start)
    for end in (only.end, wanted.moment):
        if end is not None:
            query = query.where(Operation.recorded_at <= end)
    if only.record_id is not None:
        wrote = and_(_ENTRY.record_id == only.record_id, shown_entries(actor, _ENTRY))
        query = query.where(Operation.id.in_(_writers(actor, wrote)))
    query = query.where(shown_operations(actor))
    return await page(session, query, Operation.id, wanted)


def shown_operations(actor: Actor, through: Area = Area.AUDIT) -> ColumnElement[bool]:
    """Say which operations somebody is shown: the own, and those that wrote what they may read.

    What only wrote records of other sites is their business, with its reasons. Who reads the whole
    study sees what wrote nothing, too.
    """
    own = Operation.actor_id == actor.principal_id
    wrote = Operation.id.in_(_writers(actor, shown_entries(actor, _ENTRY, through)))
    if actor.site_ids is not None or is_own_only(actor, through):
        return or_(own, wrote)
    hidden = hidden_kinds(actor, through)
    if not hidden:
        return true()
    of_others = _writers(actor, _ENTRY.record_type.in_(sorted(hidden)))
    return or_(own, Operation.id.not_in(of_others), wrote)


def _writers(actor: Actor, *wanted: ColumnElement[bool]) -> Select[tuple[UUID]]:
    """Select the operations that wrote what the actor sees, and is wanted."""
    return select(_ENTRY.operation_id).where(_ENTRY.study_id == actor.study_id, *wanted)


async def list_changes(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: ChangeFilter
) -> Page:
    """List a page of changes by operation; raises invalid for a type of record there is not."""
    if only.record_type not in (None, *RECORD_TYPES):
        known = ", ".join(RECORD_TYPES)
        raise invalid(
            "unknown_record_type", f"The types of records are {known}.", "/query/record_type"
        )
    # The keys first: the rows' contents are only written out for the one page.
    query = select(*_KEY).where(_ENTRY.study_id == actor.study_id)
    for name in ("operation_id", "record_type", "record_id"):
        value = getattr(only, name)
        if value is not None:
            query = query.where(_ENTRY[name] == value)
    query = query.where(shown_entries(actor, _ENTRY))
    if wanted.moment is not None:
        query = query.where(_ENTRY.recorded_at <= wanted.moment)
    if wanted.cursor is not None:
        query = query.where(tuple_(*_KEY) > _key(wanted.cursor))
    found = (await session.execute(query.order_by(*_KEY).limit(wanted.limit + 1))).all()
    keys = [tuple(key) for key in found[: wanted.limit]]
    more = len(found) > wanted.limit
    return Page(await _written(session, actor.study_id, keys), _cursor(keys[-1]) if more else None)


async def _written(
    session: AsyncSession, study_id: UUID, keys: Sequence[tuple[UUID, UUID, int]]
) -> list[ChangeView]:
    """Read what is behind the keys, with the operation of each."""
    query = (
        select(*_ENTRY)
        .where(
            _ENTRY.study_id == study_id,
            # Finds the rows by their primary keys; the tuple alone would read whole tables.
            _ENTRY.record_id.in_({record_id for _, record_id, _ in keys}),
            tuple_(*_KEY).in_(keys),
        )
        .order_by(*_KEY)
    )
    entries = (await session.execute(query)).all()
    writers = select(Operation).where(
        Operation.study_id == study_id,
        Operation.id.in_({operation_id for operation_id, _, _ in keys}),
    )
    operations = {operation.id: operation for operation in await session.scalars(writers)}
    return [_view(entry, operations[entry.operation_id]) for entry in entries]


def _view(entry: Any, operation: Operation) -> ChangeView:
    return ChangeView(
        operation_id=operation.id,
        actor_id=operation.actor_id,
        actor_name=operation.actor_name,
        role=operation.role,
        organisation=operation.organisation,
        command=operation.command,
        reason=operation.reason,
        request_id=operation.request_id,
        record_type=entry.record_type,
        record_id=entry.record_id,
        action=entry.action,
        changed_fields=_changed(entry.old or {}, entry.new or {}),
        old=entry.old,
        new=entry.new,
        recorded_at=entry.recorded_at,
    )


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """List the fields that differ; a field that is not there counts as empty."""
    names = (old.keys() | new.keys()) - _BOOKKEEPING
    return sorted(name for name in names if old.get(name) != new.get(name))


def _cursor(key: tuple[UUID, UUID, int]) -> str:
    operation_id, record_id, number = key
    return write_cursor(operation_id.bytes + record_id.bytes + number.to_bytes(8, "big"))


def _key(cursor: str) -> tuple[UUID, UUID, int]:
    raw = read_cursor(cursor, 40)
    number = int.from_bytes(raw[32:], "big", signed=True)
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), number
