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

from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    and_,
    case,
    cast,
    event,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from app.models import (
    AdverseEvent,
    BagMovement,
    Base,
    Casebook,
    Change,
    Cohort,
    DeviationNote,
    DltAdjudication,
    GrantConfirmation,
    GrantEnd,
    InboundMessage,
    InboxItem,
    Infusion,
    Operation,
    ProductBag,
    ProductLot,
    ProtocolActivation,
    ProtocolVersion,
    RangeRetraction,
    Redaction,
    RedactionRequest,
    ReferenceRange,
    ReportedDeviation,
    RoleGrant,
    Sender,
    Signature,
    Site,
    Study,
    Subject,
    SubjectIdentifier,
    UnlockRequest,
    UnlockVerdict,
    VaultAccess,
)

Sites = frozenset[UUID]
_KEY = "sites"
# A record that names a site, a subject or a sender is of the site of that.
_MODELS = {mapper.class_: mapper.columns for mapper in Base.registry.mappers}
_OF_SITE: tuple[Any, ...] = (Subject, SubjectIdentifier, Sender, RoleGrant, RedactionRequest)
_OF_MESSAGE = (InboundMessage, InboxItem, VaultAccess)
_OF_GRANT = (GrantConfirmation, GrantEnd)
# These are of a subject, or without one of a site, or of the whole study.
_OF_EITHER = (DeviationNote, ReportedDeviation)
# What belongs to no site and is shown at each; whatever else has none is for the whole study.
_OF_NO_SITE: tuple[type[Base], ...] = (
    Cohort,
    ProductLot,
    ProtocolActivation,
    ProtocolVersion,
    RangeRetraction,
    ReferenceRange,
    Site,
    Study,
)
_OF_SUBJECT = [
    model
    for model, columns in _MODELS.items()
    if "subject_id" in columns and model not in (*_OF_SITE, *_OF_MESSAGE)
]
_OF_EVENT = [model for model, columns in _MODELS.items() if "adverse_event_id" in columns]
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


def tables_of_sites() -> frozenset[str]:
    """Name the tables of which a bound session sees what is its sites' own, or is of no site."""
    walled = (model for model in _conditions(frozenset()) if model is not Change)
    return frozenset(model.__tablename__ for model in (*walled, *_OF_NO_SITE, ProductBag))


@event.listens_for(Session, "do_orm_execute")
def _filter(state: ORMExecuteState) -> None:
    """Put the condition of every table into the query of a bound session."""
    sites = state.session.info.get(_KEY)
    if sites is not None:
        walls = _conditions(sites).items()
        state.statement = state.statement.options(
            *(with_loader_criteria(model, condition) for model, condition in walls)
        )


def _conditions(sites: Sites) -> dict[Any, ColumnElement[bool]]:
    """Say of every table what a query shows to whoever is bound to these sites."""
    subjects, senders = _of_sites(Subject, sites), _of_sites(Sender, sites)
    messages = _messages(sites, senders)
    conditions: dict[Any, ColumnElement[bool]] = {
        **{model: model.site_id.in_(sites) for model in _OF_SITE},
        **{model: _named_or_none(model.subject_id, subjects) for model in _OF_SUBJECT},
        **{model: _of_subject_or_site(model, subjects, sites) for model in _OF_EITHER},
        **{model: model.sender_id.in_(senders) for model in _OF_SENDER},
        **{model: model.grant_id.in_(_of_sites(RoleGrant, sites)) for model in _OF_GRANT},
        **_of_casebooks(subjects),
        **{model: model.adverse_event_id.in_(_of(AdverseEvent, subjects)) for model in _OF_EVENT},
        BagMovement: _named_or_none(BagMovement.infusion_id, _of(Infusion, subjects)),
        InboundMessage: InboundMessage.id.in_(messages),
        InboxItem: InboxItem.message_id.in_(messages),
        VaultAccess: or_(
            VaultAccess.subject_id.in_(subjects), VaultAccess.message_id.in_(messages)
        ),
        Redaction: Redaction.request_id.in_(_of_sites(RedactionRequest, sites)),
        Change: changes_of(Change.table_name, Change, sites),
    }
    return conditions


def _of_casebooks(subjects: Select[tuple[UUID]]) -> dict[Any, ColumnElement[bool]]:
    """Say whose unlocking is shown: that of the casebooks of these subjects."""
    casebooks = _of(Casebook, subjects)
    return {
        UnlockRequest: UnlockRequest.casebook_id.in_(casebooks),
        UnlockVerdict: UnlockVerdict.request_id.in_(_unlocks(casebooks)),
    }


def _unlocks(casebooks: Select[tuple[UUID]]) -> Select[tuple[UUID]]:
    """Select the requests to open some casebooks."""
    request = UnlockRequest.__table__.alias("own_request")
    return select(request.c.id).where(request.c.casebook_id.in_(casebooks))


def _of(
    model: type[AdverseEvent | Casebook | Infusion], subjects: Select[tuple[UUID]]
) -> Select[tuple[UUID]]:
    """Select the ids of what is recorded of subjects, by the plain table."""
    table = model.__table__.alias(f"own_{model.__tablename__}")
    return select(table.c.id).where(table.c.subject_id.in_(subjects))


def _of_subject_or_site(
    model: Any, subjects: Select[tuple[UUID]], sites: Sites
) -> ColumnElement[bool]:
    """Say that a row is of one of these subjects or sites; what names neither is every site's."""
    own_site = or_(model.site_id.is_(None), model.site_id.in_(sites))
    return and_(_named_or_none(model.subject_id, subjects), own_site)


def _named_or_none(column: Any, own: Select[tuple[UUID]]) -> ColumnElement[bool]:
    """Say that a column names one of the own; where it may be empty, empty is nobody's."""
    named: ColumnElement[bool] = column.in_(own)
    return or_(column.is_(None), named) if column.nullable else named


def _of_sites(
    model: type[Subject | Sender | RoleGrant | RedactionRequest], sites: Sites
) -> Select[tuple[UUID]]:
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


def changes_of(table_name: Any, row: Any, sites: Sites) -> ColumnElement[bool]:
    """Say which entries of the trail are shown: of the sites' records, and of what has no site.

    An entry names its table; its row has the record's id and its content. What is in no list here
    is not shown.
    """
    subjects, senders = _of_sites(Subject, sites), _of_sites(Sender, sites)
    messages, casebooks = _messages(sites, senders), _of(Casebook, subjects)
    of_subject = func.coalesce(_named(row, "subject_id").in_(subjects), false())
    holders: dict[type[Base], ColumnElement[bool]] = {
        **{model: true() for model in _OF_NO_SITE},
        **{model: _named(row, "site_id").in_(sites) for model in _OF_SITE},
        **{model: _named(row, "sender_id").in_(senders) for model in _OF_SENDER},
        **{model: _named(row, "grant_id").in_(_of_sites(RoleGrant, sites)) for model in _OF_GRANT},
        **{model: or_(of_subject, _is_of_own_site(row, sites)) for model in _OF_EITHER},
        DltAdjudication: _named(row, "adverse_event_id").in_(_of(AdverseEvent, subjects)),
        UnlockRequest: _named(row, "casebook_id").in_(casebooks),
        UnlockVerdict: _named(row, "request_id").in_(_unlocks(casebooks)),
        Redaction: _named(row, "request_id").in_(_of_sites(RedactionRequest, sites)),
        Subject: row.record_id.in_(subjects),
        Sender: row.record_id.in_(senders),
        InboundMessage: row.record_id.in_(messages),
        InboxItem: _named(row, "message_id").in_(messages),
        VaultAccess: or_(of_subject, _named(row, "message_id").in_(messages)),
        Signature: or_(of_subject, _is_of_nobody(row)),
        ProductBag: and_(*(_infusion_is_own(image, subjects) for image in (row.old, row.new))),
        BagMovement: _infusion_is_own(row.new, subjects),
    }
    return case(
        *((table_name == model.__tablename__, shown) for model, shown in holders.items()),
        else_=of_subject,
    )


def _is_of_own_site(row: Any, sites: Sites) -> ColumnElement[bool]:
    """Say that a row names no subject, and one of these sites or none."""
    site_id = _named(row, "site_id")
    return and_(_named(row, "subject_id").is_(None), or_(site_id.is_(None), site_id.in_(sites)))


def _is_of_nobody(row: Any) -> ColumnElement[bool]:
    """Say that a signature is on something of no site."""
    kind = func.jsonb_extract_path_text(row.new, "record_type")
    return kind.in_([model.__tablename__ for model in _OF_NO_SITE])


def _infusion_is_own(image: Any, subjects: Select[tuple[UUID]]) -> ColumnElement[bool]:
    """Say that a bag, as an image shows it, is for no infusion or for one of these subjects."""
    infusion_id = func.jsonb_extract_path_text(image, "infusion_id")
    return or_(infusion_id.is_(None), cast(infusion_id, Uuid).in_(_of(Infusion, subjects)))


def _named(row: Any, column: str) -> ColumnElement[UUID]:
    """Return the id that a row of the trail has in a column."""
    return cast(func.jsonb_extract_path_text(row.new, column), Uuid)
