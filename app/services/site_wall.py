"""The wall between the sites of a study: who is bound to sites sees only what is theirs.

It stands twice. Every query of a bound session gets the condition of its tables here, and the
database's policies say the same once more (migration 0007). What counts over the whole study is
read through the one gap, `across_sites`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, case, cast, event, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from app.models import (
    AdverseEvent,
    Base,
    Change,
    DltAdjudication,
    InboundMessage,
    InboxItem,
    Operation,
    RoleGrant,
    Sender,
    Subject,
    SubjectIdentifier,
)

Sites = frozenset[UUID]
_KEY = "sites"
# A record that names a site, a subject or a sender is of the site of that.
_MODELS = {mapper.class_: mapper.columns for mapper in Base.registry.mappers}
_OF_SITE = (Subject, SubjectIdentifier, Sender)
_OF_MESSAGE = (InboundMessage, InboxItem)
_OF_SUBJECT = [
    model
    for model, columns in _MODELS.items()
    if "subject_id" in columns and model not in (*_OF_SITE, *_OF_MESSAGE)
]
_OF_SENDER = [
    model
    for model, columns in _MODELS.items()
    if "sender_id" in columns and model not in _OF_MESSAGE
]


async def bind_to_sites(session: AsyncSession, sites: Sites | None) -> None:
    """Show the session from now on only what is of these sites; None shows the whole study.

    The transaction has entered its study, which took down the database's wall of whoever was
    before.
    """
    session.info[_KEY] = sites
    if sites is not None:
        await _set(session, sites)


def bound_sites(session: AsyncSession) -> Sites | None:
    """Return the sites that a session is bound to, None for the whole study."""
    sites: Sites | None = session.info.get(_KEY)
    return sites


@asynccontextmanager
async def across_sites(session: AsyncSession) -> AsyncIterator[None]:
    """See the whole study for a count or a conclusion that would be wrong on a part of it.

    Whoever reads so shows nobody a record of another site.
    """
    sites = bound_sites(session)
    if sites is None:
        yield
        return
    session.info[_KEY] = None
    await _set(session, None)
    try:
        yield
    except DBAPIError:
        # The transaction is over, or back at a savepoint from before the gap was opened.
        session.info[_KEY] = sites
        raise
    except BaseException:
        await bind_to_sites(session, sites)
        raise
    await bind_to_sites(session, sites)


async def _set(session: AsyncSession, sites: Sites | None) -> None:
    """Tell the database's policies, until the transaction ends."""
    value = "{" + ",".join(sorted(map(str, sites))) + "}" if sites is not None else ""
    await session.execute(select(func.set_config("app.site_ids", value, True)))


@event.listens_for(Session, "do_orm_execute")
def _filter(state: ORMExecuteState) -> None:
    """Put the condition of every table into the query of a bound session."""
    sites = state.session.info.get(_KEY)
    if sites is not None:
        state.statement = state.statement.options(*_conditions(sites))


def _conditions(sites: Sites) -> list[Any]:
    """Say of every table what a query shows to whoever is bound to these sites."""
    subjects, senders = _of_sites(Subject, sites), _of_sites(Sender, sites)
    event = AdverseEvent.__table__.alias("own_event")
    events = select(event.c.id).where(event.c.subject_id.in_(subjects))
    messages = _messages(sites, senders)
    conditions: dict[Any, ColumnElement[bool]] = {
        **{model: model.site_id.in_(sites) for model in _OF_SITE},
        **{model: _named_or_none(model.subject_id, subjects) for model in _OF_SUBJECT},
        **{model: model.sender_id.in_(senders) for model in _OF_SENDER},
        DltAdjudication: DltAdjudication.adverse_event_id.in_(events),
        InboundMessage: InboundMessage.id.in_(messages),
        InboxItem: InboxItem.message_id.in_(messages),
        Change: _changes(subjects, senders, messages),
    }
    return [with_loader_criteria(model, condition) for model, condition in conditions.items()]


def _named_or_none(column: Any, own: Select[tuple[UUID]]) -> ColumnElement[bool]:
    """Say that a column names one of the own; where it may be empty, empty is nobody's."""
    named: ColumnElement[bool] = column.in_(own)
    return or_(column.is_(None), named) if column.nullable else named


def _of_sites(model: type[Subject | Sender], sites: Sites) -> Select[tuple[UUID]]:
    """Select the ids of a site's rows by the plain table, whose query nothing is added to."""
    table = model.__table__.alias(f"own_{model.__tablename__}")
    return select(table.c.id).where(table.c.site_id.in_(sites))


def _messages(sites: Sites, senders: Select[tuple[UUID]]) -> Select[tuple[UUID]]:
    """Select the messages of the sites' senders, and what the sites' own people uploaded."""
    message = InboundMessage.__table__.alias("own_message")
    writer, grant = Operation.__table__.alias("writer"), RoleGrant.__table__.alias("writers_grant")
    people = select(grant.c.principal_id).where(grant.c.site_id.in_(sites))
    uploads = select(writer.c.id).where(writer.c.actor_id.in_(people))
    is_upload = and_(message.c.sender_id.is_(None), message.c.operation_id.in_(uploads))
    return select(message.c.id).where(or_(message.c.sender_id.in_(senders), is_upload))


def _changes(
    subjects: Select[tuple[UUID]], senders: Select[tuple[UUID]], messages: Select[tuple[UUID]]
) -> ColumnElement[bool]:
    """Say whose changes are shown: those of records of the sites, and of what no site has."""
    return case(
        (Change.table_name == Subject.__tablename__, Change.record_id.in_(subjects)),
        (Change.table_name == Sender.__tablename__, Change.record_id.in_(senders)),
        (Change.table_name == InboxItem.__tablename__, _named("message_id").in_(messages)),
        else_=and_(
            func.coalesce(_named("subject_id").in_(subjects), True),
            func.coalesce(_named("sender_id").in_(senders), True),
        ),
    )


def _named(column: str) -> ColumnElement[UUID]:
    """Return the id that the changed row has in a column."""
    return cast(func.jsonb_extract_path_text(Change.new, column), Uuid)
