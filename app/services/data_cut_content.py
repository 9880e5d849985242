"""What a data cut holds: the typed records of a past moment, and what followed from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest, to_json
from app.models import (
    AdverseEvent,
    Assessment,
    Attestation,
    BagMovement,
    ClassCorrection,
    Cohort,
    ConcomitantMedication,
    DecisionVerdict,
    DeviationNote,
    Disposition,
    DltAdjudication,
    Enrolment,
    EscalationDecision,
    FollowUp,
    GradeCorrection,
    Infusion,
    LabResult,
    ProductBag,
    ProductLot,
    ProtocolActivation,
    ProtocolVersion,
    RangeRetraction,
    ReferenceRange,
    ReferenceSafetyInformation,
    ReportedDeviation,
    SafetyReport,
    SafetyRetraction,
    Site,
    StudyRecord,
    Subject,
    Transfusion,
)
from app.services.access import Actor
from app.services.adverse_event_conclusions import AdverseEventWithConclusions, conclude
from app.services.cohorts import list_cohorts
from app.services.deviations import list_deviations
from app.services.eligibility import read_eligibility
from app.services.escalation import read_escalation
from app.services.evidence import Scope, load_subjects
from app.services.history import When, apart, as_of, rows
from app.services.metric_store import MetricStore, read_metric_study
from app.services.metrics_efficacy import count_efficacy
from app.services.metrics_enrolment import count_enrolment
from app.services.metrics_safety import count_safety
from app.services.paging import MAX_LIMIT, PageRequest
from app.services.protocols import active_protocol
from app.services.response import read_response
from app.services.subjects import status_of

FORMAT = 1
# The records of the trial; who people are, what laboratories sent and who may do what stay out.
CUT_MODELS: tuple[type[StudyRecord], ...] = (
    AdverseEvent,
    Assessment,
    Attestation,
    BagMovement,
    ClassCorrection,
    Cohort,
    ConcomitantMedication,
    DecisionVerdict,
    DeviationNote,
    Disposition,
    DltAdjudication,
    Enrolment,
    EscalationDecision,
    FollowUp,
    GradeCorrection,
    Infusion,
    LabResult,
    ProductBag,
    ProductLot,
    ProtocolActivation,
    ProtocolVersion,
    RangeRetraction,
    ReferenceRange,
    ReferenceSafetyInformation,
    ReportedDeviation,
    SafetyReport,
    SafetyRetraction,
    Site,
    Subject,
    Transfusion,
)
_BY_TABLE = {model.__tablename__: model for model in CUT_MODELS}

Shape = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class CutContent:
    """The bytes of a cut, with the digests of all of it and of the records alone."""

    content: bytes
    digest: str
    records_digest: str


def present_shape() -> dict[str, list[str]]:
    """Name the columns that a cut made now holds, by table."""
    return {
        name: sorted(column.key for column in model.__table__.c)
        for name, model in _BY_TABLE.items()
    }


async def derive_content(
    session: AsyncSession, actor: Actor, moment: datetime, shape: Shape
) -> CutContent:
    """Derive the content of a cut; nothing in it depends on who asks, or on when.

    Raises conflict when the study had no protocol at the moment.
    """
    async with apart(session) as reader:
        records = {
            table: await _records(reader, actor, _BY_TABLE[table], columns, moment)
            for table, columns in shape.items()
        }
        conclusions = await _conclusions(reader, actor, moment)
    content = {
        "format": FORMAT,
        "study": actor.study_key,
        "as_of": moment.astimezone(UTC),
        "records": records,
        "conclusions": conclusions,
    }
    written = to_json(content).encode()
    return CutContent(written, hashlib.sha256(written).hexdigest(), digest(records))


async def _records(
    reader: AsyncSession,
    actor: Actor,
    model: type[StudyRecord],
    columns: list[str],
    moment: datetime,
) -> list[dict[str, Any]]:
    """Read a table's rows as they were, with the types of its columns, in the order of ids."""
    entity = as_of(model, actor.study_id, moment)
    query = (
        select(*(getattr(entity, name).label(name) for name in columns))
        .where(entity.study_id == actor.study_id)
        .order_by(entity.id)
    )
    return [_in_utc(row) for row in (await reader.execute(query)).mappings()]


def _in_utc(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Write instants in one way, whatever zone the connection speaks."""
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


async def _conclusions(reader: AsyncSession, actor: Actor, moment: datetime) -> dict[str, Any]:
    """Draw every conclusion that the records of the moment allow, for that moment."""
    every = PageRequest(MAX_LIMIT, moment=moment)
    events = (await reader.scalars(rows(AdverseEvent, actor.study_id, moment))).all()
    study = await read_metric_study(reader, MetricStore(), actor, When(moment, moment))
    return {
        "ladder": await read_escalation(reader, actor, moment, moment),
        "cohorts": (await list_cohorts(reader, actor, every, moment)).items,
        "deviations": await list_deviations(reader, actor, None, moment, moment),
        "metrics": {
            "enrolment": count_enrolment(study),
            "safety": count_safety(study),
            "efficacy": count_efficacy(study),
        },
        "adverse_events": {
            str(each.row.id): _concluded(each)
            for each in await conclude(reader, actor, events, moment, moment)
        },
        "subjects": await _subjects(reader, actor, moment),
    }


def _concluded(event: AdverseEventWithConclusions) -> dict[str, Any]:
    """Return what follows from an event, without the event itself."""
    names = [field.name for field in fields(event) if field.name != "row"]
    return {name: getattr(event, name) for name in names}


async def _subjects(reader: AsyncSession, actor: Actor, moment: datetime) -> dict[str, Any]:
    """Conclude about each subject: status, eligibility and response."""
    protocol = await active_protocol(reader, actor.study_id, moment, moment)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), moment)
    return {
        str(evidence.subject_id): {
            "number": evidence.subject.number,
            "status": status_of(evidence, protocol.rules),
            "eligibility": await read_eligibility(
                reader, actor, evidence.subject_id, moment, moment
            ),
            "response": await read_response(reader, actor, evidence.subject_id, moment, moment),
        }
        for evidence in await load_subjects(reader, scope)
    }
