"""The inbox as people see it: what waits and why, from whom, and the message behind each item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring, UnreadableSecret
from app.domain.errors import Reason, conflict, invalid
from app.domain.inbound import Door, InboxKind, InboxReason, InboxStatus, because
from app.domain.sender_profile import SenderProfile
from app.models import InboundMessage, InboxItem, Sender
from app.services.access import Actor
from app.services.history import as_of, fetch
from app.services.inbound import Delivery, sealed_place
from app.services.lab_upload_rows import UploadRow
from app.services.paging import Page, PageRequest, page
from app.services.senders import CallingSender

# Whatever a list shows of a message; its bytes are read for one item at a time.
_HEAD = (
    InboundMessage.id,
    InboundMessage.door,
    InboundMessage.received_at,
    InboundMessage.size,
    InboundMessage.digest,
    InboundMessage.charset,
    InboundMessage.flags,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFilter:
    """Which items are wanted; `sender` is a code, None takes every value."""

    status: InboxStatus = InboxStatus.OPEN
    reason: InboxReason | None = None
    sender: str | None = None
    kind: InboxKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """An item beside its message and its sender's code (None: a person uploaded it)."""

    row: InboxItem
    message: Any
    sender: str | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the entry's."""
        return getattr(self.row, name)

    @property
    def reasons(self) -> list[Reason]:
        """Give the reasons with their sentences."""
        return [because(InboxReason(code)) for code in self.row.reasons]

    @property
    def received_at(self) -> datetime:
        """Give when the message came."""
        moment: datetime = self.message.received_at
        return moment

    @property
    def door(self) -> Door:
        """Give the way by which the message came."""
        return Door(self.message.door)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMessage:
    """A stored message as it came, with what it takes to read it again; never logged.

    `results` is how many results were counted when it came.
    """

    id: UUID
    door: Door
    raw: bytes = field(repr=False)
    charset: str | None
    received_at: datetime
    results: int
    study_key: str


Rereader = Callable[[OpenedMessage, SenderProfile], Delivery]


@dataclass(frozen=True, slots=True)
class Reading:
    """What it takes to read messages again: the keys, and a reader for every door.

    `is_of_sender` tells whether a message names the system that its sender is registered as;
    `read_rows` reads a stored file by the zone of times without an offset.
    """

    keyring: Keyring
    reread: Rereader
    is_of_sender: Callable[[OpenedMessage, CallingSender], bool]
    read_rows: Callable[[OpenedMessage, str], Sequence[UploadRow]]


async def list_items(
    session: AsyncSession, actor: Actor, wanted: InboxFilter, on_page: PageRequest
) -> Page:
    """List a page of items, the oldest first."""
    entity = as_of(InboxItem, actor.study_id, on_page.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    query = query.where(*await _conditions(session, actor, entity, wanted))
    found = await page(session, query, entity.id, on_page)
    return Page(await with_origins(session, actor, found.items), found.next)


async def read_item(
    session: AsyncSession, actor: Actor, item_id: UUID, past: datetime | None
) -> InboxEntry:
    """Read one item, now or as it was."""
    row = await fetch(session, InboxItem, actor.study_id, item_id, past)
    (entry,) = await with_origins(session, actor, [row])
    return entry


async def with_origins(
    session: AsyncSession, actor: Actor, rows: Sequence[InboxItem]
) -> list[InboxEntry]:
    """Put beside each item its message and the code of its sender."""
    messages = select(*_HEAD).where(
        InboundMessage.study_id == actor.study_id,
        InboundMessage.id.in_({row.message_id for row in rows}),
    )
    heads = {head.id: head for head in await session.execute(messages)}
    senders = select(Sender.id, Sender.code).where(
        Sender.study_id == actor.study_id, Sender.id.in_({row.sender_id for row in rows})
    )
    codes = {row.id: row.code for row in await session.execute(senders)}
    return [
        InboxEntry(
            row=row,
            message=heads[row.message_id],
            sender=codes[row.sender_id] if row.sender_id else None,
        )
        for row in rows
    ]


async def open_message(
    session: AsyncSession, actor: Actor, message_id: UUID, keyring: Keyring
) -> OpenedMessage:
    """Decrypt a stored message; raise conflict when this identity key does not open it."""
    row = await fetch(session, InboundMessage, actor.study_id, message_id)
    try:
        raw = keyring.open(row.sealed, sealed_place(row.id))
    except UnreadableSecret:
        raise conflict(
            "message_sealed",
            "The identity key in use does not open this message; put the right key in place.",
        ) from None
    return OpenedMessage(
        id=row.id,
        door=row.door,
        raw=raw,
        charset=row.charset,
        received_at=row.received_at,
        results=row.results,
        study_key=actor.study_key,
    )


async def sender_named(session: AsyncSession, actor: Actor, code: str) -> UUID:
    """Find a sender of the study by its code; raise invalid `unknown_sender`."""
    found: UUID | None = await session.scalar(
        select(Sender.id).where(Sender.study_id == actor.study_id, Sender.code == code)
    )
    if found is None:
        raise invalid("unknown_sender", "The study has no sender of this code.", "/query/sender")
    return found


async def _conditions(
    session: AsyncSession, actor: Actor, entity: Any, wanted: InboxFilter
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [entity.status == wanted.status]
    if wanted.kind is not None:
        conditions.append(entity.kind == wanted.kind)
    if wanted.reason is not None:
        conditions.append(entity.reasons.bool_op("&&")([wanted.reason.value]))
    if wanted.sender is not None:
        conditions.append(entity.sender_id == await sender_named(session, actor, wanted.sender))
    return conditions
