"""What can be signed: for each type of record how its document is drawn, and who may sign it.

A document holds what is on record, and conclusions as of the moment of signing; drawn again for
that moment it differs only if the records were changed since.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.models import (
    AdverseEvent,
    Assessment,
    DecisionVerdict,
    DltAdjudication,
    EscalationDecision,
    Fact,
    Infusion,
    ProductLot,
    ProtocolActivation,
    ProtocolVersion,
    Record,
    ReferenceSafetyInformation,
    StudyRecord,
    UnlockRequest,
    UnlockVerdict,
)
from app.services.access import Actor
from app.services.casebook_content import signed_casebook
from app.services.casebook_standing import require_closed
from app.services.eligibility import read_eligibility
from app.services.history import When, fetch
from app.services.response import read_response
from app.services.role_matrix import Area

Shown = tuple[dict[str, Any], int | None]
# (session, actor, record id, when) to the document and the version of the record it shows.
Provider = Callable[[AsyncSession, Actor, UUID, When], Awaitable[Shown]]

# An order is what is to be given; what was given is recorded beside it and voids no order.
ORDER_FIELDS = (
    "planned_date", "weight_kg", "planned_cells", "planned_volume_ml", "planned_bags",
    "prescribed_by",
)  # fmt: skip
_ORDERED = ("id", "subject_id", "number", "dose_level", *ORDER_FIELDS)
# When it was read is not part of a record.
_NOT_SIGNED = {"as_of"}


@dataclass(frozen=True, slots=True)
class Source:
    """The record whose versions a document shows: its table and which fields, None for all.

    `holder` is the part of the document that is the record, None when the document itself is it.
    """

    table: type[Record]
    watched: frozenset[str] | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Signable:
    """A type of record that can be signed, and the area whose rights say who reads and signs it.

    `require_ready` raises conflict while a record of the type cannot be signed yet.
    """

    area: Area
    provider: Provider
    source: Source | None = None
    require_ready: Callable[[AsyncSession, Actor, UUID], Awaitable[None]] | None = None


def columns(row: StudyRecord) -> dict[str, Any]:
    """Return a row as it is on record, without the study, which the document names."""
    names = (column.key for column in row.__table__.columns)
    return {name: getattr(row, name) for name in names if name not in ("study_id", "operation_id")}


def row_of(model: type[StudyRecord]) -> Provider:
    """Return what draws the document of a table's row: all of its columns."""

    async def provider(session: AsyncSession, actor: Actor, record_id: UUID, when: When) -> Shown:
        row = await fetch(session, model, actor.study_id, record_id, when.past)
        return columns(row), getattr(row, "version", None)

    return provider


async def _adjudication(session: AsyncSession, actor: Actor, record_id: UUID, when: When) -> Shown:
    """Show the answer with the event that was judged: a changed event was not judged."""
    row = await fetch(session, DltAdjudication, actor.study_id, record_id, when.past)
    event = await fetch(session, AdverseEvent, actor.study_id, row.adverse_event_id, when.past)
    return {"adjudication": columns(row), "adverse_event": columns(event)}, event.version


async def _verdict(session: AsyncSession, actor: Actor, record_id: UUID, _: When) -> Shown:
    """Show the second person's word on a decision with the whole proposal that it is about."""
    decision = await fetch(session, EscalationDecision, actor.study_id, record_id)
    row = await _the_one(session, DecisionVerdict, decision_id=decision.id, study=actor.study_id)
    return {"verdict": columns(row), "decision": columns(decision)}, None


async def _activation(session: AsyncSession, actor: Actor, record_id: UUID, _: When) -> Shown:
    """Show the activation of a version; the version's digest stands for its definition."""
    version = await fetch(session, ProtocolVersion, actor.study_id, record_id)
    row = await _the_one(
        session, ProtocolActivation, protocol_version_id=version.id, study=actor.study_id
    )
    signed = columns(version)
    del signed["definition"]
    return {"activation": columns(row), "version": signed}, None


async def _the_one(
    session: AsyncSession, model: type[Fact], *, study: UUID, **key: UUID
) -> StudyRecord:
    """Read the one row that belongs to another; raise not_found while there is none."""
    row: StudyRecord | None = await session.scalar(select(model).filter_by(study_id=study, **key))
    if row is None:
        raise not_found(model.__tablename__.replace("_", " "))
    return row


async def _order(session: AsyncSession, actor: Actor, record_id: UUID, when: When) -> Shown:
    row = await fetch(session, Infusion, actor.study_id, record_id, when.past)
    return {name: getattr(row, name) for name in _ORDERED}, row.version


async def _eligibility(session: AsyncSession, actor: Actor, record_id: UUID, when: When) -> Shown:
    found = await read_eligibility(session, actor, record_id, when.at, when.past)
    return {name: value for name, value in found.items() if name not in _NOT_SIGNED}, None


async def _response(session: AsyncSession, actor: Actor, record_id: UUID, when: When) -> Shown:
    found = await read_response(session, actor, record_id, when.at, when.past)
    names = (field.name for field in fields(found))
    return {name: getattr(found, name) for name in names if name not in _NOT_SIGNED}, None


DOCUMENTS: Mapping[str, Signable] = {
    "adverse_event": Signable(Area.DLT, row_of(AdverseEvent), Source(AdverseEvent)),
    "assessment": Signable(Area.RESPONSE, row_of(Assessment), Source(Assessment)),
    "casebook": Signable(Area.CASEBOOK, signed_casebook, require_ready=require_closed),
    "decision_verdict": Signable(Area.ESCALATION, _verdict),
    "dlt_adjudication": Signable(
        Area.DLT, _adjudication, Source(AdverseEvent, holder="adverse_event")
    ),
    "dose_order": Signable(
        Area.DOSE_ORDER, _order, Source(Infusion, watched=frozenset(ORDER_FIELDS))
    ),
    "eligibility": Signable(Area.SCREENING, _eligibility),
    "escalation_decision": Signable(Area.ESCALATION, row_of(EscalationDecision)),
    "infusion": Signable(Area.INFUSION, row_of(Infusion), Source(Infusion)),
    "product_lot": Signable(Area.PRODUCT, row_of(ProductLot), Source(ProductLot)),
    "protocol_activation": Signable(Area.PROTOCOL, _activation),
    "reference_safety_information": Signable(
        Area.REFERENCE_SAFETY, row_of(ReferenceSafetyInformation)
    ),
    "response": Signable(Area.RESPONSE, _response),
    "unlock_request": Signable(Area.CASEBOOK, row_of(UnlockRequest)),
    "unlock_verdict": Signable(Area.CASEBOOK, row_of(UnlockVerdict)),
}
