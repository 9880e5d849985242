"""Queries as they are read: those of people, and those of rules with what was recorded on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.domain.queries import PENDING, QueryAction, QueryOrigin, QueryStatus, standing
from app.domain.vocabulary import Role
from app.models import Operation, Query, QueryMessage
from app.services.access import Actor
from app.services.history import as_of
from app.services.paging import Page, PageRequest, bad_cursor, read_cursor, write_cursor
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.query_findings import Findings, Raised, derive_all
from app.services.role_matrix import Area, Right, allows

# The cell laboratory answers for its product and sees nothing of the clinic.
_SHOWN_TYPES = {Role.CELL_LABORATORY: frozenset({"infusion", "product_bag"})}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFilter:
    """Which queries are wanted; None does not filter."""

    subject_id: UUID | None = None
    status: QueryStatus | None = None
    origin: QueryOrigin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Who said what, when and in which role; a query's own text is said with no action."""

    action: QueryAction | None
    text: str
    by: UUID | None
    by_name: str
    role: Role
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEntry:
    """A query as it stands; of one that nobody has taken up yet nothing is recorded."""

    id: UUID
    subject_id: UUID
    subject_number: str
    record_type: str
    record_id: UUID | None
    field: str | None
    day: date | None
    text: str
    origin: QueryOrigin
    rule_key: str | None
    status: QueryStatus
    answered_by: UUID | None = None
    closed_by: UUID | None = None
    opened: Said | None = None
    messages: tuple[Said, ...] = ()
    version: int = 0
    protocol_version: int
    protocol_digest: str
    as_of: datetime

    @property
    def is_pending(self) -> bool:
        """Tell whether the query waits for somebody."""
        return self.status in PENDING


async def list_queries(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: QueryFilter, at: datetime
) -> Page:
    """List a page of queries by subject; of each subject the recorded ones come first."""
    found = await read_queries(session, actor, at, wanted.moment, only)
    start = _after(found, wanted.cursor)
    items = found[start : start + wanted.limit]
    more = len(found) > start + wanted.limit
    shown = await with_messages(session, actor, items, wanted.moment)
    return Page(shown, write_cursor(items[-1].id.bytes) if more else None)


async def read_queries(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None, only: QueryFilter
) -> list[QueryEntry]:
    """Read the queries that are wanted and the actor works with, without what was said on them."""
    found = await all_queries(session, actor, at, past, only)
    return [entry for entry, site_id in found if _is_shown(actor, entry, site_id)]


async def all_queries(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None, only: QueryFilter
) -> list[tuple[QueryEntry, UUID]]:
    """Read all queries that are wanted with their sites, whatever roles work with them."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    findings = await derive_all(session, actor, protocol, at, past, only.subject_id)
    entity = as_of(Query, actor.study_id, past)
    query = select(entity).where(entity.study_id == actor.study_id)
    if only.subject_id is not None:
        query = query.where(entity.subject_id == only.subject_id)
    rows = {row.id: row for row in await session.scalars(query.order_by(entity.id))}
    recorded = [recorded_entry(row, findings, protocol, at) for row in rows.values()]
    derived = [
        derived_entry(id_, raised, findings, protocol, at)
        for id_, raised in findings.raised.items()
        if id_ not in rows
    ]
    # Sorting keeps the order of the recorded ones, and of the keys.
    entries = sorted((*recorded, *derived), key=lambda entry: entry.subject_number)
    return [(entry, findings.sites[entry.subject_id]) for entry in entries if _wanted(entry, only)]


async def read_query(
    session: AsyncSession, actor: Actor, query_id: UUID, at: datetime, past: datetime | None
) -> QueryEntry:
    """Read one query with all that was said on it; raise not_found."""
    known = select(Query.subject_id).where(Query.study_id == actor.study_id, Query.id == query_id)
    only = QueryFilter(subject_id=await session.scalar(known))
    for entry in await read_queries(session, actor, at, past, only):
        if entry.id == query_id:
            (shown,) = await with_messages(session, actor, [entry], past)
            return shown
    raise not_found("query")


def recorded_entry(
    row: Query, findings: Findings, protocol: ActiveProtocol, at: datetime
) -> QueryEntry:
    """Show a recorded query as it stands; its words are those it was taken up with."""
    raised = findings.raised.get(row.id)
    return QueryEntry(
        id=row.id,
        subject_id=row.subject_id,
        subject_number=findings.numbers[row.subject_id],
        record_type=row.record_type,
        record_id=row.record_id,
        field=row.field,
        day=raised.finding.day if raised else None,
        text=row.text,
        origin=row.origin,
        rule_key=row.rule_key,
        status=standing(row.status, row.origin, raised is not None),
        answered_by=row.answered_by,
        closed_by=row.closed_by,
        version=row.version,
        **protocol.basis(at),
    )


def derived_entry(
    id_: UUID, raised: Raised, findings: Findings, protocol: ActiveProtocol, at: datetime
) -> QueryEntry:
    """Show what a rule asks and nobody has taken up."""
    finding = raised.finding
    return QueryEntry(
        id=id_,
        subject_id=raised.subject_id,
        subject_number=findings.numbers[raised.subject_id],
        record_type=finding.record_type,
        record_id=UUID(finding.record_id),
        field=finding.field,
        day=finding.day,
        text=finding.text,
        origin=QueryOrigin.RULE,
        rule_key=finding.key,
        status=QueryStatus.OPEN,
        **protocol.basis(at),
    )


def _is_shown(actor: Actor, entry: QueryEntry, site_id: UUID) -> bool:
    """Tell whether a query is about what the actor's roles work with."""
    return any(
        entry.record_type in _SHOWN_TYPES.get(role, {entry.record_type})
        for role in actor.roles
        if allows(role, Area.QUERY, Right.READ) and actor.holds(role, site_id)
    )


async def with_messages(
    session: AsyncSession, actor: Actor, entries: Collection[QueryEntry], past: datetime | None
) -> list[QueryEntry]:
    """Add who opened each recorded query, and what was said on it, oldest first."""
    ids = [entry.id for entry in entries]
    opened: dict[UUID, Said] = {}
    query = (
        select(Query.id, Query.text, Query.origin, Operation)
        .join(Operation, _wrote(Query))
        .where(Query.study_id == actor.study_id, Query.id.in_(ids))
    )
    for id_, text, origin, operation in await session.execute(query):
        if origin is QueryOrigin.PERSON:
            opened[id_] = _said(None, text, operation)
    said = await _messages(session, actor, ids, past)
    return [
        replace(entry, opened=opened.get(entry.id), messages=tuple(said[entry.id]))
        for entry in entries
    ]


async def _messages(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID], past: datetime | None
) -> defaultdict[UUID, list[Said]]:
    entity = as_of(QueryMessage, actor.study_id, past)
    query = (
        select(entity, Operation)
        .join(Operation, _wrote(entity))
        .where(entity.study_id == actor.study_id, entity.query_id.in_(ids))
        .order_by(entity.id)
    )
    said: defaultdict[UUID, list[Said]] = defaultdict(list)
    for message, operation in await session.execute(query):
        said[message.query_id].append(_said(message.action, message.text, operation))
    return said


def _wrote(entity: Any) -> ColumnElement[bool]:
    """Return the condition that an operation recorded a row."""
    wrote: ColumnElement[bool] = (Operation.study_id == entity.study_id) & (
        Operation.id == entity.operation_id
    )
    return wrote


def _said(action: QueryAction | None, text: str, operation: Operation) -> Said:
    return Said(
        action=action,
        text=text,
        by=operation.actor_id,
        by_name=operation.actor_name,
        role=Role(operation.role),
        at=operation.recorded_at,
    )


def _wanted(entry: QueryEntry, only: QueryFilter) -> bool:
    return only.status in (None, entry.status) and only.origin in (None, entry.origin)


def _after(entries: Sequence[QueryEntry], cursor: str | None) -> int:
    """Find the place after the last item of the page before; raise invalid if it is gone."""
    if cursor is None:
        return 0
    last = UUID(bytes=read_cursor(cursor, 16))
    for place, entry in enumerate(entries, start=1):
        if entry.id == last:
            return place
    raise bad_cursor()
