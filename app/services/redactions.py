"""Lawful redaction: asked for by the investigator, carried out by a data manager.

The database's own function takes the value away, from the row, from its images in the trail, from
signed documents and kept answers, and lets nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.keyring import Keyring
from app.domain.errors import conflict, forbidden, not_found
from app.domain.redaction import NEVER_REDACTED, REDACTED, check_target, scrub
from app.models import Base, Operation, Redaction, RedactionRequest, Signature
from app.schemas.lists import Listing
from app.schemas.redactions import RedactionCreate, RedactionView
from app.services.access import Actor
from app.services.audit_trail import shown_operations
from app.services.history import as_of
from app.services.idempotency import rewrite_kept
from app.services.paging import PageRequest, page
from app.services.site_wall import across_sites

# It looks through every kept answer, which takes longer than a request may.
_TAKE_YOUR_TIME = text("SET LOCAL statement_timeout = '60s'")
_MODELS = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}


async def list_redactions(
    session: AsyncSession, actor: Actor, wanted: PageRequest
) -> Listing[RedactionView]:
    """List a page of requests, the first first, each with what became of it."""
    entity = as_of(RedactionRequest, actor.study_id, wanted.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    found = await page(session, query, entity.id, wanted)
    done = as_of(Redaction, actor.study_id, wanted.moment)
    carried_out = select(done).where(
        done.study_id == actor.study_id, done.request_id.in_([row.id for row in found.items])
    )
    by_request = {row.request_id: row for row in await session.scalars(carried_out)}
    items = [_view(row, by_request.get(row.id)) for row in found.items]
    return Listing[RedactionView](items=items, next=found.next)


async def request_redaction(
    session: AsyncSession, actor: Actor, wish: RedactionCreate
) -> RedactionView:
    """Ask for a redaction of a value that is there.

    Raises invalid for what is not free text, not_found for an absent record, and conflict where
    nothing is left to redact or a request waits already.
    """
    check_target(wish.record_type, wish.field)
    await _check_value(session, actor, wish)
    waiting = (
        select(RedactionRequest.id)
        .outerjoin(
            Redaction,
            (Redaction.study_id == RedactionRequest.study_id)
            & (Redaction.request_id == RedactionRequest.id),
        )
        .where(
            RedactionRequest.study_id == actor.study_id,
            RedactionRequest.record_type == wish.record_type,
            RedactionRequest.record_id == wish.record_id,
            RedactionRequest.field == wish.field,
            Redaction.id.is_(None),
        )
    )
    if await session.scalar(waiting) is not None:
        raise conflict("redaction_requested", "This redaction was asked for; it waits already.")
    row = RedactionRequest(
        study_id=actor.study_id,
        requested_by=actor.principal_id,
        record_type=wish.record_type,
        record_id=wish.record_id,
        field=wish.field,
        reason=wish.reason,
    )
    session.add(row)
    await session.flush()
    return _view(row, None)


async def _check_value(session: AsyncSession, actor: Actor, wish: RedactionCreate) -> None:
    """See that the record is there and that it holds, or held, a value in the field."""
    model = _MODELS[wish.record_type]
    image = func.to_jsonb(model.__table__.table_valued())
    path = wish.field.split(".")
    row = (
        await session.execute(
            select(image.op("#>>")(path), model.id).where(
                model.study_id == actor.study_id, model.id == wish.record_id
            )
        )
    ).one_or_none()
    if row is None or not await _is_of_sites(session, actor, wish):
        raise not_found(wish.record_type.replace("_", " "))
    if wish.record_type == Operation.__tablename__:
        await _check_operation(session, actor, wish.record_id)
    if row[0] == REDACTED:
        raise conflict("redacted_already", "This value was redacted already.")


async def _is_of_sites(
    session: AsyncSession, actor: Actor, target: RedactionCreate | RedactionRequest
) -> bool:
    """Tell whether a record is where the actor works; what is of no site is of the whole study."""
    asked = func.is_of_sites(actor.study_id, target.record_type, target.record_id)
    return bool(await session.scalar(select(asked)))


async def _check_operation(session: AsyncSession, actor: Actor, operation_id: UUID) -> None:
    command = await session.scalar(
        select(Operation.command).where(
            Operation.study_id == actor.study_id,
            Operation.id == operation_id,
            shown_operations(actor),
        )
    )
    if command is None:
        raise not_found("operation")
    if command in NEVER_REDACTED:
        raise forbidden(
            "never_redacted",
            "Who redacted what, and why, is never redacted: nobody could answer for it.",
        )


async def execute_redaction(
    session: AsyncSession, actor: Actor, request_id: UUID, keyring: Keyring
) -> RedactionView:
    """Carry out what another person asked for.

    Raises not_found, forbidden for who asked for it, and conflict when it was done before or the
    field holds nothing.
    """
    request = await session.scalar(
        select(RedactionRequest).where(
            RedactionRequest.study_id == actor.study_id, RedactionRequest.id == request_id
        )
    )
    if request is None or not await _is_of_sites(session, actor, request):
        raise not_found("redaction request")
    if request.requested_by == actor.principal_id:
        raise forbidden("two_persons", "A redaction is carried out by another person.")
    done = select(Redaction).where(
        Redaction.study_id == actor.study_id, Redaction.request_id == request_id
    )
    if await session.scalar(done) is not None:
        raise conflict("redacted_already", "This redaction was carried out already.")
    await session.execute(_TAKE_YOUR_TIME)
    gone = await session.scalar(select(func.redact(new_id(), request_id)))
    await _redact_answers(session, request, gone or [], keyring)
    return _view(request, await session.scalar(done))


async def _redact_answers(
    session: AsyncSession, request: RedactionRequest, gone: Sequence[str], keyring: Keyring
) -> None:
    """Take the values out of every answer that was kept since the record began and shows it.

    An answer may show an operation's reason without its id.
    """
    model = _MODELS[request.record_type]
    writer = model.id if model is Operation else model.operation_id
    began = select(Operation.recorded_at).where(
        Operation.study_id == request.study_id,
        Operation.id.in_(
            select(writer).where(model.study_id == request.study_id, model.id == request.record_id)
        ),
    )
    first = (await session.scalars(began)).one()
    shown = "" if model is Operation else str(request.record_id)

    def rewrite(body: str) -> str:
        return scrub(body, request.field, gone) if shown in body else body

    await rewrite_kept(session, keyring, first, rewrite)


async def lost_text(session: AsyncSession, signature: Signature) -> bool:
    """Tell whether a redaction took free text out of a signed document."""
    query = select(Redaction.id).where(
        Redaction.study_id == signature.study_id,
        Redaction.signatures.contains([str(signature.id)]),
    )
    async with across_sites(session):
        return await session.scalar(query.limit(1)) is not None


def _view(request: RedactionRequest, done: Redaction | None) -> RedactionView:
    view = RedactionView(
        id=request.id,
        record_type=request.record_type,
        record_id=request.record_id,
        field=request.field,
        reason=request.reason,
        requested_by=request.requested_by,
        requested_at=request.recorded_at,
    )
    if done is None:
        return view
    return view.model_copy(
        update={
            "executed_by": done.executed_by,
            "executed_at": done.recorded_at,
            "rows": len(done.scrubbed),
            "signatures": [UUID(each) for each in done.signatures],
        }
    )
