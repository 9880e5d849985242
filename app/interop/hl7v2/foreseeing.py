"""Tells what would become of HL7 v2 messages, for whoever sets up a laboratory's interface."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.errors import Reason
from app.domain.inbound import InboundOutcome, InboxReason
from app.domain.interpretation import Interpretation, interpret
from app.domain.quantities import Comparator
from app.domain.reported_results import canonical_numbers, known_analyte
from app.domain.vocabulary import Finding, LabStatus
from app.interop.hl7v2.header import read_header
from app.interop.hl7v2.receiving import Arrival, answering, deliveries_of
from app.services.inbound import Delivery, Receipt, ResultReceipt, foresee
from app.services.senders import CallingSender


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What would be stored of a result, its numbers in the canonical unit of the analyte."""

    status: LabStatus
    value: Decimal | None
    comparator: Comparator | None
    unit: str | None
    lln: Decimal | None
    uln: Decimal | None
    finding: Finding | None
    flags: tuple[str, ...]
    collected_at: datetime
    reported_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenResult:
    """What would become of one result; `reading` is None where it is not shown or cannot be."""

    position: int
    outcome: InboundOutcome
    analyte: str | None
    reasons: tuple[Reason, ...]
    reading: Reading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenMessage:
    """What would become of one message, and what would be answered.

    `waits_as_whole` is why all of it would wait in the inbox. `repeated` says that it is here
    already: then there are no results, and the counts are those of the first time.
    """

    control_id: str | None
    message_type: str | None
    version: str | None
    charset: str | None
    flags: tuple[str, ...]
    refusal: str | None
    waits_as_whole: InboxReason | None
    repeated: bool
    received: int
    filed: int
    duplicates: int
    inbox: int
    refused: int
    results: tuple[ForeseenResult, ...]
    acknowledgement: str


async def foresee_er7(
    session: AsyncSession,
    caller: CallingSender,
    arrival: Arrival,
    keyring: Keyring,
    now: datetime,
    shows_readings: bool,
) -> list[ForeseenMessage]:
    """Tell what would become of every message, each on its own; nothing is kept of them."""
    messages = []
    for delivery in await deliveries_of(arrival, caller):
        receipt = await foresee(session, caller, delivery, keyring, now)
        results = tuple(
            _result(each, delivery, caller, now, shows_readings) for each in receipt.results
        )
        messages.append(_message(delivery, receipt, results, arrival, caller, now))
    return messages


def _message(
    delivery: Delivery,
    receipt: Receipt,
    results: tuple[ForeseenResult, ...],
    arrival: Arrival,
    caller: CallingSender,
    now: datetime,
) -> ForeseenMessage:
    header = read_header(delivery.raw, caller.profile, arrival.charset)
    answer = receipt.answer if receipt.repeated else answering(header, now)(receipt)
    return ForeseenMessage(
        control_id=delivery.control_id,
        message_type=header.field(9) if header else None,
        version=header.field(12) if header else None,
        charset=delivery.charset,
        flags=receipt.flags,
        refusal=receipt.refusal,
        waits_as_whole=delivery.whole,
        repeated=receipt.repeated,
        received=receipt.received,
        filed=receipt.filed,
        duplicates=receipt.duplicates,
        inbox=receipt.inbox,
        refused=receipt.refused,
        results=results,
        acknowledgement=(answer or b"").decode(header.charset if header else "ascii"),
    )


def _result(
    receipt: ResultReceipt, delivery: Delivery, caller: CallingSender, now: datetime, shown: bool
) -> ForeseenResult:
    read = interpret(delivery.results[receipt.position], caller.profile, now)
    return ForeseenResult(
        position=receipt.position,
        outcome=receipt.outcome,
        analyte=read.analyte,
        reasons=receipt.reasons,
        reading=_reading(read) if shown else None,
    )


def _reading(read: Interpretation) -> Reading | None:
    """Return what would be stored; a promotion says nothing of its own that could be shown."""
    result = read.result
    if result is None or read.promotes:
        return None
    numbers = canonical_numbers(known_analyte(result.analyte), result)
    return Reading(
        status=result.status,
        value=numbers.value,
        comparator=result.comparator,
        unit=numbers.unit,
        lln=numbers.lln,
        uln=numbers.uln,
        finding=result.finding,
        flags=read.flags,
        collected_at=result.collected_at,
        reported_at=result.reported_at,
    )
