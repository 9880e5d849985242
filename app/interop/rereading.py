"""Reads stored messages again, each by the reader of the door that it came in by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.core.serialization import from_json
from app.domain.inbound import Door, InboxKind, InboxReason
from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentIdentifier, SentResult, withheld
from app.interop.fhir.deliveries import delivery as fhir_delivery
from app.interop.fhir.deliveries import is_expected as is_expected_submission
from app.interop.fhir.refusals import Refusal
from app.interop.fhir.submissions import Submission, read_submission
from app.interop.hl7v2.decoding import decode
from app.interop.hl7v2.reading import read as read_hl7v2
from app.interop.hl7v2.receiving import is_expected
from app.interop.lab_csv import read_rows
from app.services.access import Actor
from app.services.inbound import Delivery
from app.services.inbox import InboxEntry, OpenedMessage, open_message, read_item
from app.services.inbox_reprocessing import result_at
from app.services.lab_upload_rows import UploadRow
from app.services.record_sites import site_of
from app.services.role_matrix import Area, Right, roles_with
from app.services.senders import CallingSender, present_profile

_ER7 = (Door.HL7V2, Door.MLLP)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """The message behind an item: what is kept of it in the open, and its text for who may see."""

    head: Any
    text: str | None = field(repr=False)

    def __getattr__(self, name: str) -> Any:
        """Show what is kept of the message as its own."""
        return getattr(self.head, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedItem:
    """An inbox item with what was sent; `patients` is None for roles that may not see them."""

    entry: InboxEntry
    sent: SentResult | None = field(repr=False)
    patients: Sequence[SentIdentifier] | None = field(repr=False)
    message: SentMessage

    @property
    def names_somebody(self) -> bool:
        """Tell whether it shows who the patient is, which the caller has to keep."""
        return bool(self.patients) or self.message.text is not None

    def __getattr__(self, name: str) -> Any:
        """Show what the list shows of the item, too."""
        return getattr(self.entry, name)


def reread(message: OpenedMessage, profile: SenderProfile) -> Delivery:
    """Read a stored message by a profile; whatever it holds, nothing raises.

    The bytes are those of one message, so they give one delivery, in which every result has the
    place that it had when it came.
    """
    return _READERS[message.door](message, profile)


def is_of_sender(message: OpenedMessage, caller: CallingSender) -> bool:
    """Tell whether a stored message names its sender as it is registered now."""
    if message.door is Door.FHIR:
        submission = _submission(message)
        return submission is not None and is_expected_submission(submission, caller)
    if message.door not in _ER7:
        return True
    return is_expected(message.raw, caller, message.charset)


def read_upload(message: OpenedMessage, time_zone: str) -> Sequence[UploadRow]:
    """Read a stored file again; it could be read when it came."""
    assert message.charset is not None, "a file was declared in some charset"
    return read_rows(message.raw, message.charset, ZoneInfo(time_zone))


def text_of(message: OpenedMessage, profile: SenderProfile) -> str:
    """Return a message as text for a person; bytes that nobody can read are shown as escapes."""
    if message.door in _ER7:
        decoded = decode(message.raw, profile.charset, message.charset)
        if decoded is not None:
            return decoded.text
    return message.raw.decode(errors="backslashreplace")


async def read_opened(
    session: AsyncSession, actor: Actor, item_id: UUID, keyring: Keyring, past: datetime | None
) -> OpenedItem:
    """Read an inbox item with what was sent, as far as the actor's role may see it."""
    entry = await read_item(session, actor, item_id, past)
    message = await open_message(session, actor, entry.row.message_id, keyring)
    profile = SenderProfile()
    if entry.row.sender_id is not None:
        profile, _ = await present_profile(session, actor, entry.row.sender_id)
    sent = result_at(entry.row, message, reread(message, profile))
    whole = entry.row.kind is InboxKind.MESSAGE
    knows = await _knows_patients(session, actor, item_id)
    return OpenedItem(
        entry=entry,
        sent=sent if sent is None or knows else withheld(sent),
        patients=sent.patients if sent and knows else None,
        message=SentMessage(entry.message, text_of(message, profile) if whole and knows else None),
    )


async def _knows_patients(session: AsyncSession, actor: Actor, item_id: UUID) -> bool:
    """Tell whether the actor may see who the patient is at the item's site.

    An item of no site may be of every one that the actor sees.
    """
    site_id = await site_of(session, actor.study_id, item_id)
    if site_id is not None:
        return actor.may(Area.IDENTITY, Right.READ, site_id)
    known = actor.sites_as(roles_with(Area.IDENTITY, Right.READ))
    return known is None or (actor.site_ids is not None and actor.site_ids <= known)


def _read_hl7v2(message: OpenedMessage, profile: SenderProfile) -> Delivery:
    deliveries = read_hl7v2(message.raw, profile, message.door, message.charset)
    if len(deliveries) > 1:
        return _unreadable(message)
    return deliveries[0]


def _read_fhir(message: OpenedMessage, profile: SenderProfile) -> Delivery:
    submission = _submission(message)
    if submission is None:
        return _unreadable(message)
    return fhir_delivery(message.raw, submission, None)


def _submission(message: OpenedMessage) -> Submission | None:
    try:
        return read_submission(from_json(message.raw), message.study_key)
    except (ValueError, Refusal):
        return None


def _unreadable(message: OpenedMessage, _: SenderProfile | None = None) -> Delivery:
    return Delivery(
        door=message.door,
        raw=message.raw,
        control_id=None,
        results=(),
        counted=message.results,
        whole=InboxReason.UNREADABLE_MESSAGE,
    )


_READERS: Mapping[Door, Callable[[OpenedMessage, SenderProfile], Delivery]] = {
    Door.HL7V2: _read_hl7v2,
    Door.MLLP: _read_hl7v2,
    Door.FHIR: _read_fhir,
    # What came so names its subjects and waits for their casebooks only; see late_release.
    Door.CSV: _unreadable,
    Door.JSON: _unreadable,
}
