"""Response: which facts of a subject it rests on, and the conclusion drawn from them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest
from app.domain.errors import not_found
from app.domain.protocol import ProtocolDefinition
from app.domain.response import derive_response
from app.domain.response_confounded import read_without_confounded
from app.domain.response_treatment import ResponseFacts
from app.models import ConcomitantMedication, Disposition, Infusion, LabResult, Transfusion
from app.schemas.response import ResponseView
from app.services.access import Actor
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.protocols import ActiveProtocol, active_protocol

RESPONSE_TABLES = (Infusion, LabResult, Transfusion, ConcomitantMedication, Disposition)


async def read_response(
    session: AsyncSession, actor: Actor, subject_id: UUID, at: datetime, past: datetime | None
) -> ResponseView:
    """Derive a subject's response on the study day of `at` from what was known at `past`."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    zone = ZoneInfo(actor.time_zone)
    scope = Scope(actor.study_id, zone, past, subject_id, response_analytes(protocol.rules))
    found = await load_subjects(session, scope, RESPONSE_TABLES)
    if not found:
        raise not_found("subject")
    (evidence,) = found
    return draw_response(evidence, protocol, at)


def draw_response(
    evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime
) -> ResponseView:
    """Derive a subject's response on the study day of `at` from its facts."""
    facts, rules = response_facts(evidence, protocol.rules), protocol.rules.response
    today = protocol.local_day(at)
    response = derive_response(facts, rules, today)
    return ResponseView(
        subject_id=evidence.subject_id,
        number=evidence.subject.number,
        dose_level=evidence.place.dose_level if evidence.place else None,
        treatment=response.treatment,
        observation_end=response.observation_end,
        lineage_rule=response.lineage_rule,
        transfusion_scope=response.transfusion_scope,
        best=response.best,
        endpoints=response.endpoints,
        complete=response.complete,
        lineages=response.lineages,
        time_to_response=response.time_to_response,
        sensitivity=response.sensitivity,
        without_confounded=read_without_confounded(facts, rules, today),
        rule=response.rule,
        study_day=today,
        evidence_digest=digest(facts),
        **protocol.basis(at),
    )


def response_analytes(rules: ProtocolDefinition) -> frozenset[str]:
    """Name the analytes that response is read from."""
    return frozenset(criteria.analyte for criteria in rules.response.lineages)


def response_facts(evidence: SubjectEvidence, rules: ProtocolDefinition) -> ResponseFacts:
    """Pick the facts that response rests on; without an enrolment no infusion is planned."""
    place = evidence.place
    return ResponseFacts(
        subject_id=str(evidence.subject_id),
        planned_infusions=rules.dosing.level(place.dose_level).planned_infusions if place else 0,
        infusions=evidence.infusions,
        labs=evidence.labs,
        transfusions=evidence.transfusions,
        medications=evidence.medications,
        dispositions=evidence.dispositions,
    )
