"""Deliveries of a sender, given to the inbound service without any wire format."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inbound import Door
from app.domain.sent_results import SentCode, SentIdentifier, SentResult
from app.services.audit import begin_operation
from app.services.inbound import Delivery, Receipt, receive
from app.services.senders import CallingSender, sender_of_code
from tests.conftest import KEYRING, NOW, STUDY, Api
from tests.factories.senders import SENDER, create_sender

COLLECTED = datetime(2026, 5, 20, 8, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
ANC, PLT = "751-8", "777-3"


def at(hours: float) -> str:
    """Return an HL7 time some hours after the collection, in the sender's zone."""
    return f"{COLLECTED + timedelta(hours=hours):%Y%m%d%H%M%S}"


def result(code: str = PLT, value: str = "98", status: str = "F", **changes: Any) -> SentResult:
    """Return a count of S-001's specimen A-1, stated an hour after its collection."""
    return replace(
        SentResult(
            patients=(SentIdentifier(value="S-001", authority=STUDY),),
            codes=(SentCode(code=code, system="LN"),),
            accession="A-1",
            value_type="NM",
            values=((value,),) if value else (),
            unit="10*9/L",
            status=status,
            collected=at(0),
            stated=at(1),
        ),
        **changes,
    )


def delivery(*results: SentResult, control_id: str | None = "M-1", **changes: Any) -> Delivery:
    """Return a delivery of results; other results are other bytes."""
    return replace(
        Delivery(
            door=Door.HL7V2,
            raw=repr(results).encode(),
            control_id=control_id,
            results=results,
            counted=len(results),
        ),
        **changes,
    )


async def calling(api: Api, session: AsyncSession, **changes: Any) -> CallingSender:
    """Register a sender, and let it be the one that calls in this session."""
    await create_sender(api, **changes)
    return await again(session, changes.get("code", SENDER["code"]))


async def again(session: AsyncSession, code: str = SENDER["code"]) -> CallingSender:
    """Let a sender that is registered call in this session."""
    caller = await sender_of_code(session, STUDY, code, "test", NOW)
    await begin_operation(session, caller.actor, "receive", None)
    return caller


async def take(
    session: AsyncSession, caller: CallingSender, sent: Delivery, now: datetime = NOW
) -> Receipt:
    """Receive a delivery."""
    return await receive(session, caller, sent, KEYRING, now)


async def counting(session: AsyncSession, accession: str = "A-1") -> dict[str, tuple[str, Any]]:
    """Return status and value of the version of each analyte of a specimen that counts."""
    query = """
        SELECT DISTINCT ON (analyte) analyte, status, value FROM lab_result
        WHERE accession = :accession
        ORDER BY analyte, weight DESC, stated_at DESC, standing DESC, result_version DESC
    """
    found = await session.execute(text(query), {"accession": accession})
    return {row.analyte: (row.status, row.value) for row in found}


async def rows(session: AsyncSession, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return [tuple(row) for row in await session.execute(text(query))]
