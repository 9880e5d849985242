"""What waits in the inbox: opened with a message, or filed at last by what came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.inbound import InboundOutcome, InboxKind, InboxReason, InboxStatus
from app.domain.sender_profile import StatusMeaning
from app.domain.vocabulary import LabStatus, TimePrecision
from app.models import InboundMessage, InboxItem, LabResult
from app.services.inbound_placing import Placed, specimen
from app.services.lab_filing import file_results
from app.services.lab_history import Candidate, FilingOutcome
from app.services.senders import CallingSender

PROMOTED_BY_ARRIVAL = "promoted_by_arrival"
_EMPTY = dict.fromkeys(
    column.name for column in LabResult.__table__.c if column.name not in {"study_id", "id"}
)


async def open_items(
    session: AsyncSession, caller: CallingSender, message_id: UUID, placed: Sequence[Placed]
) -> None:
    """Open an item for each result that was not filed, and one task for each wrong patient."""
    for each in placed:
        if each.inbox_item_id is not None:
            session.add(result_item(caller, message_id, each))
        elif each.is_retraction_for_wrong_patient and not await _has_task(session, caller, each):
            session.add(_wrong_patient_task(caller, message_id, each))
    await session.flush()


async def _has_task(session: AsyncSession, caller: CallingSender, each: Placed) -> bool:
    """Tell whether somebody was asked already; a result may have been withdrawn before."""
    if each.outcome is InboundOutcome.FILED:
        return False
    query = select(InboxItem.id).where(
        InboxItem.study_id == caller.actor.study_id,
        InboxItem.lab_result_id == each.lab_result_id,
        InboxItem.kind == InboxKind.TASK,
    )
    return await session.scalar(query.limit(1)) is not None


def result_item(caller: CallingSender, message_id: UUID, each: Placed) -> InboxItem:
    """Return the item of one result, open."""
    return InboxItem(
        study_id=caller.actor.study_id,
        id=each.inbox_item_id or new_id(),
        message_id=message_id,
        sender_id=caller.sender_id,
        kind=InboxKind.RESULT,
        position=each.position,
        results=1,
        status=InboxStatus.OPEN,
        **what_waits(caller, each),
    )


def what_waits(caller: CallingSender, each: Placed) -> dict[str, Any]:
    """Return the columns that tell of a result what could be read of it, and why it waits."""
    first = each.sent.codes[0] if each.sent.codes else None
    return {
        "reasons": [reason.code for reason in each.reasons],
        "analyte": each.reading.analyte,
        "code": first.code if first else None,
        "code_system": first.system if first else None,
        "unit": each.sent.unit or None,
        "tokens": list(each.match.tokens),
        "specimen": specimen(caller, each.reading),
        "stated_at": each.reading.stated_at,
        "subject_id": each.match.subject_id,
    }


def _wrong_patient_task(caller: CallingSender, message_id: UUID, each: Placed) -> InboxItem:
    return InboxItem(
        study_id=caller.actor.study_id,
        message_id=message_id,
        sender_id=caller.sender_id,
        kind=InboxKind.TASK,
        position=each.position,
        results=0,
        reasons=[InboxReason.WRONG_PATIENT.value],
        analyte=each.reading.analyte,
        tokens=[],
        specimen=specimen(caller, each.reading),
        subject_id=each.match.subject_id,
        lab_result_id=each.lab_result_id,
        status=InboxStatus.OPEN,
    )


async def open_whole(
    session: AsyncSession, message: InboundMessage, item_id: UUID, reason: InboxReason
) -> None:
    """Open an item for a message that waits as a whole."""
    session.add(
        InboxItem(
            study_id=message.study_id,
            id=item_id,
            message_id=message.id,
            sender_id=message.sender_id,
            kind=InboxKind.MESSAGE,
            results=message.inbox,
            reasons=[reason.value],
            tokens=[],
            status=InboxStatus.OPEN,
        )
    )
    await session.flush()


async def promote_waiting(
    session: AsyncSession, caller: CallingSender, placed: Sequence[Placed], now: datetime
) -> None:
    """File the promotions that came before what they make final, if that has come now."""
    keys = {
        (each.match.subject_id, specimen(caller, each.reading), each.reading.analyte)
        for each in placed
        if each.outcome is InboundOutcome.FILED
        and each.reading.meaning not in (StatusMeaning.PROMOTED, StatusMeaning.NOT_YET)
    }
    if not keys:
        return
    item_key = tuple_(InboxItem.subject_id, InboxItem.specimen, InboxItem.analyte)
    query = select(InboxItem).where(
        InboxItem.study_id == caller.actor.study_id,
        InboxItem.sender_id == caller.sender_id,
        InboxItem.status == InboxStatus.OPEN,
        InboxItem.reasons == [InboxReason.NOTHING_TO_PROMOTE.value],
        item_key.in_(keys),
    )
    waiting = (await session.scalars(query.order_by(InboxItem.id).with_for_update())).all()
    candidates = [_promotion(caller, item) for item in waiting]
    filed = await file_results(session, caller.actor.study_id, candidates)
    for item, each in zip(waiting, filed, strict=True):
        if each.outcome in _ENDS:
            item.status = _ENDS[each.outcome]
            item.lab_result_id = each.id
            item.resolved_at = now
            item.resolution = PROMOTED_BY_ARRIVAL
    await session.flush()


_ENDS = {
    FilingOutcome.CREATED: InboxStatus.FILED,
    FilingOutcome.DUPLICATE: InboxStatus.DUPLICATE,
}


def _promotion(caller: CallingSender, item: InboxItem) -> Candidate:
    """Return the promotion that an item holds: it says nothing but when it was made."""
    assert item.stated_at is not None, "a promotion was made at some time"
    return Candidate(
        row=_EMPTY
        | {
            "subject_id": item.subject_id,
            "source": caller.code,
            "specimen": item.specimen,
            "analyte": item.analyte,
            "status": LabStatus.FINAL,
            "collected_at": item.stated_at,
            "collected_precision": TimePrecision.SECOND,
            "message_id": item.message_id,
            "position": item.position,
        },
        stated_at=item.stated_at,
        may_follow=True,
        promotes=True,
    )
