"""Operations: completeness, overdue visits, open queries, the inbox, and how long results take.

What subjects add is drawn already; queries and the inbox are read anew, whatever results there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest
from app.domain.inbound import InboxReason, InboxStatus
from app.domain.metrics_conduct import completeness, overdue, work_standings
from app.domain.metrics_durations import SIMPLE_MEDIAN
from app.domain.metrics_queries import (
    AskedQuery,
    WaitingItems,
    age_class,
    inbox_summary,
    queries_summary,
)
from app.domain.metrics_turnaround import turnaround_summaries
from app.domain.queries import QueryOrigin, QueryStatus, standing
from app.domain.query_rules import QueryRule, held_findings
from app.models import InboundMessage, InboxItem, Query
from app.schemas.metrics_operations import OperationsMetricsView
from app.services.access import Actor
from app.services.history import as_of
from app.services.metric_store import MetricStudy
from app.services.query_findings import Raised, held_results, query_id
from app.services.site_wall import across_sites


async def read_operations(
    session: AsyncSession, actor: Actor, study: MetricStudy
) -> OperationsMetricsView:
    """Count how the whole study is worked, whatever sites the reader is bound to."""
    async with across_sites(session):
        queries = await asked_queries(session, actor.study_id, study)
        waiting = await _waiting(session, actor.study_id, study)
    conduct = [subject.conduct for subject in study.subjects]
    basis = study.basis()
    return OperationsMetricsView(
        completeness=completeness(conduct, study.levels),
        worklist=work_standings(conduct),
        overdue=overdue(conduct),
        queries=queries_summary(queries),
        inbox=inbox_summary(waiting, study.today),
        turnaround=turnaround_summaries(x.laboratory.turnaround for x in study.subjects),
        median_rule=SIMPLE_MEDIAN,
        **basis | {"evidence_digest": digest([basis["evidence_digest"], queries, waiting])},
    )


async def asked_queries(
    session: AsyncSession, study_id: UUID, study: MetricStudy
) -> list[AskedQuery]:
    """Find what people and rules ask, with where each stands; a rule asks until it is answered.

    Sees the whole study, so it is asked across the sites.
    """
    asked = await _asked(session, study_id, study)
    entity = as_of(Query, study_id, study.past)
    columns = (entity.id, entity.subject_id, entity.origin, entity.rule_key, entity.status)
    query = select(*columns, entity.recorded_at).where(entity.study_id == study_id)
    recorded = (await session.execute(query.order_by(entity.id))).all()
    untouched = asked.keys() - {row.id for row in recorded}
    return [
        *(_recorded(row, asked.get(row.id), study) for row in recorded),
        *(_untouched(asked[key], study) for key in sorted(untouched)),
    ]


async def _asked(
    session: AsyncSession, study_id: UUID, study: MetricStudy
) -> Mapping[UUID, Raised]:
    """Collect what the rules ask about all subjects, by the id of the query."""
    held = await held_results(session, study_id, study.past)
    return {
        query_id(subject_id, finding.key): Raised(subject_id, finding)
        for subject in study.subjects
        for subject_id in (UUID(subject.subject_id),)
        for finding in (*subject.conduct.findings, *held_findings(held[subject_id]))
    }


def _recorded(row: Any, raised: Raised | None, study: MetricStudy) -> AskedQuery:
    rule = QueryRule(row.rule_key.split(":")[0]) if row.rule_key else None
    opened = study.protocol.local_day(row.recorded_at)
    return AskedQuery(
        subject_id=str(row.subject_id),
        record_id=str(row.id),
        origin=row.origin,
        status=standing(row.status, row.origin, raised is not None),
        rule=rule,
        age=age_class(raised.finding.day if raised else opened, study.today),
    )


def _untouched(raised: Raised, study: MetricStudy) -> AskedQuery:
    finding = raised.finding
    return AskedQuery(
        subject_id=str(raised.subject_id),
        record_id=finding.record_id,
        origin=QueryOrigin.RULE,
        status=QueryStatus.OPEN,
        rule=finding.rule,
        age=age_class(finding.day, study.today),
    )


async def _waiting(session: AsyncSession, study_id: UUID, study: MetricStudy) -> list[WaitingItems]:
    """Count the open inbox items by kind and reasons, with the message that came first of each."""
    item = as_of(InboxItem, study_id, study.past)
    query = _open_items(
        item,
        study_id,
        item.kind,
        item.reasons,
        func.count().label("items"),
        func.sum(item.results).label("results"),
        func.min(InboundMessage.received_at).label("received_at"),
    )
    grouped = query.group_by(item.kind, item.reasons).order_by(item.kind, item.reasons)
    return [_items(row, study) for row in await session.execute(grouped)]


async def waiting_items(
    session: AsyncSession, study_id: UUID, study: MetricStudy
) -> dict[str, WaitingItems]:
    """Read the open inbox items one by one, by their ids; across the sites, as above."""
    item, one = as_of(InboxItem, study_id, study.past), literal(1).label("items")
    columns = (item.kind, item.reasons, item.results, InboundMessage.received_at)
    query = _open_items(item, study_id, item.id, one, *columns).order_by(item.id)
    return {str(row.id): _items(row, study) for row in await session.execute(query)}


def _open_items(item: Any, study_id: UUID, *columns: Any) -> Select[Any]:
    """Select columns of the open items and of the messages that they came in."""
    came_in = (InboundMessage.study_id == item.study_id) & (InboundMessage.id == item.message_id)
    return (
        select(*columns)
        .join_from(item, InboundMessage, came_in)
        .where(item.study_id == study_id, item.status == InboxStatus.OPEN)
    )


def _items(row: Any, study: MetricStudy) -> WaitingItems:
    return WaitingItems(
        kind=row.kind,
        reasons=tuple(InboxReason(reason) for reason in row.reasons),
        items=row.items,
        results=row.results,
        since=study.protocol.local_day(row.received_at),
    )
