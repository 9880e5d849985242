"""What people do about queries: open one, answer, close, reopen, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from app.core.ids import new_id
from app.domain.errors import DomainError, ErrorKind, invalid, not_found
from app.domain.queries import (
    ENDED,
    QueryAction,
    QueryOrigin,
    QueryStatus,
    check_part,
    check_two_persons,
    next_status,
)
from app.models import Query, QueryMessage, Subject
from app.services.access import Actor
from app.services.history import fetch, lock
from app.services.locks import lock_subjects
from app.services.queries import QueryEntry, read_query
from app.services.record_sites import site_of
from app.services.role_matrix import Area, Right, allows
from app.services.subject_records import RECORD_MODELS, fetch_of_subject

_NOT_ASKED_ABOUT = frozenset({"study_id", "id", "subject_id", "operation_id", "recorded_at"})


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody does about the query that was read in a version, and what they say to it."""

    query_id: UUID
    version: int
    action: QueryAction
    text: str


async def create_query(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> QueryEntry:
    """Ask about a subject's records: all of a type, one, or one field.

    Raises not_found for a subject or record that is not here, invalid for an unknown type or field.
    """
    await fetch(session, Subject, actor.study_id, values["subject_id"])
    await _check_target(session, actor, values)
    row = Query(
        study_id=actor.study_id,
        id=new_id(),
        origin=QueryOrigin.PERSON,
        status=QueryStatus.OPEN,
        **values,
    )
    session.add(row)
    await session.flush()
    return await read_query(session, actor, row.id, now, None)


async def _asks(
    session: AsyncSession, actor: Actor, shown: QueryEntry, action: QueryAction
) -> bool:
    """Tell on which side somebody takes a step; who is on both takes the one that it needs."""
    site_id = await site_of(session, actor.study_id, shown.subject_id)
    sides = {
        allows(role, Area.QUERY, Right.CREATE)
        for role in actor.roles
        if allows(role, Area.QUERY, Right.UPDATE) and actor.holds(role, site_id)
    }
    return True in sides and not (action is QueryAction.ANSWER and False in sides)


async def _check_target(session: AsyncSession, actor: Actor, values: Mapping[str, Any]) -> None:
    model = RECORD_MODELS.get(values["record_type"])
    if model is None:
        names = ", ".join(RECORD_MODELS)
        raise invalid(
            "unknown_record_type",
            f"Queries are about {names}; name one of these.",
            "/body/record_type",
        )
    if values["record_id"] is not None:
        _, subject_id = await fetch_of_subject(session, actor, model, values["record_id"])
        if subject_id != values["subject_id"]:
            raise not_found(model.__tablename__.replace("_", " "))
    fields = [each.key for each in model.__table__.columns if each.key not in _NOT_ASKED_ABOUT]
    if values["field"] is not None and values["field"] not in fields:
        raise invalid(
            "unknown_field",
            f"The fields of this record are {', '.join(fields)}; name one, or null for all.",
            "/body/field",
        )


async def change_query(
    session: AsyncSession, actor: Actor, step: Step, now: datetime
) -> QueryEntry:
    """Take a step; what a rule asks is recorded with the first one.

    Raises not_found, forbidden for the other side's part or for ending what one answered,
    conflict where the step leads nowhere, and version_stale when somebody else was faster.
    """
    shown = await read_query(session, actor, step.query_id, now, None)
    check_part(step.action, await _asks(session, actor, shown, step.action))
    # Whoever takes up the same question of a rule waits here, and then finds the row.
    await lock_subjects(session, actor.study_id, [shown.subject_id])
    row = await _locked(session, actor, shown, step.version)
    status = next_status(shown.status, step.action)
    check_two_persons(status, actor.principal_id in row.answerers)
    _settle(row, status, step.action, actor)
    session.add(row)
    await session.flush()
    session.add(
        QueryMessage(
            study_id=row.study_id,
            id=new_id(),
            subject_id=row.subject_id,
            query_id=row.id,
            action=step.action,
            text=step.text,
        )
    )
    await session.flush()
    return await read_query(session, actor, row.id, now, None)


async def _locked(session: AsyncSession, actor: Actor, shown: QueryEntry, version: int) -> Query:
    """Return the row in the version that was read; a new one for what nobody has taken up."""
    if version != shown.version:
        raise DomainError(
            ErrorKind.VERSION_STALE,
            "stale_version",
            "Somebody took a step about this query after you read it; read it again.",
        )
    known = select(Query.id).where(Query.study_id == actor.study_id, Query.id == shown.id)
    if await session.scalar(known) is not None:
        return await lock(session, Query, actor.study_id, shown.id, version)
    return Query(
        study_id=actor.study_id,
        id=shown.id,
        subject_id=shown.subject_id,
        record_type=shown.record_type,
        record_id=shown.record_id,
        field=shown.field,
        text=shown.text,
        origin=QueryOrigin.RULE,
        rule_key=shown.rule_key,
        answerers=[],
    )


def _settle(row: Query, status: QueryStatus, action: QueryAction, actor: Actor) -> None:
    """Put the row where the step leads, with who answered and who ended it."""
    row.status = status
    # Another answer leaves the row as it was, and is a version of its own nevertheless.
    flag_modified(row, "status")
    row.closed_by = actor.principal_id if status in ENDED else None
    if action is QueryAction.ANSWER:
        row.answered_by = actor.principal_id
        row.answerers = list(dict.fromkeys((*row.answerers, actor.principal_id)))
    if status is QueryStatus.OPEN:
        row.answered_by = None
