"""What the rules ask about the subjects of a study, derived from the records of a moment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import not_found
from app.domain.inbound import InboxReason, InboxStatus
from app.domain.query_rules import Finding, HeldResult, QueryFacts, derive_findings
from app.models import InboxItem
from app.services.access import Actor
from app.services.eligibility import weigh
from app.services.evidence import Scope, SubjectEvidence, load_subjects
from app.services.history import as_of
from app.services.protocols import ActiveProtocol
from app.services.schedules import performed, plan_course


@dataclass(frozen=True, slots=True)
class Raised:
    """A finding about a subject."""

    subject_id: UUID
    finding: Finding


@dataclass(frozen=True, slots=True)
class Findings:
    """What the rules ask, by the id of the query; numbers and sites of the subjects looked at."""

    raised: dict[UUID, Raised]
    numbers: dict[UUID, str]
    sites: dict[UUID, UUID]


async def derive_all(
    session: AsyncSession,
    actor: Actor,
    protocol: ActiveProtocol,
    at: datetime,
    past: datetime | None,
    subject_id: UUID | None,
) -> Findings:
    """Derive what is to be asked about all subjects that the actor sees, or about one."""
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past, subject_id)
    found = [each for each in await load_subjects(session, scope) if actor.sees(each.site_id)]
    if subject_id is not None and not found:
        raise not_found("subject")
    held = await held_results(session, actor.study_id, past)
    raised = {
        query_id(evidence.subject_id, finding.key): Raised(evidence.subject_id, finding)
        for evidence in found
        for finding in _derive(evidence, protocol, at, tuple(held[evidence.subject_id]))
    }
    numbers = {each.subject_id: each.subject.number for each in found}
    return Findings(raised, numbers, {each.subject_id: each.site_id for each in found})


def query_id(subject_id: UUID, key: str) -> UUID:
    """Return the id under which a rule's question is asked, recorded or not."""
    return uuid5(subject_id, key)


def _derive(
    evidence: SubjectEvidence,
    protocol: ActiveProtocol,
    at: datetime,
    held: tuple[HeldResult, ...],
) -> tuple[Finding, ...]:
    facts, rules = query_facts(evidence, protocol, at, held), protocol.rules
    return derive_findings(facts, rules.deviations.blood_count_visits, rules.eligibility)


def query_facts(
    evidence: SubjectEvidence,
    protocol: ActiveProtocol,
    at: datetime,
    held: tuple[HeldResult, ...] = (),
) -> QueryFacts:
    """Pick what the questions about a subject are derived from, on the study day of `at`."""
    rules = protocol.rules
    return QueryFacts(
        subject=evidence.subject,
        schedule=plan_course(evidence, rules, protocol.local_day(at)),
        performed=performed(evidence, rules),
        infusions=evidence.infusions,
        events=evidence.events,
        dispositions=evidence.dispositions,
        eligibility=weigh(evidence, protocol, at),
        held=held,
    )


async def held_results(
    session: AsyncSession, study_id: UUID, past: datetime | None
) -> defaultdict[UUID, list[HeldResult]]:
    """Find the implausible results that wait in the inbox, by subject where that is known."""
    item = as_of(InboxItem, study_id, past)
    query = select(item.id, item.subject_id, item.analyte).where(
        item.study_id == study_id,
        item.status == InboxStatus.OPEN,
        item.subject_id.is_not(None),
        item.reasons.bool_op("@>")([InboxReason.IMPLAUSIBLE_VALUE.value]),
    )
    held: defaultdict[UUID, list[HeldResult]] = defaultdict(list)
    for row in await session.execute(query):
        held[row.subject_id].append(HeldResult(id=str(row.id), analyte=row.analyte))
    return held
