"""How each answer of the metrics is counted of participants, for saying what it rests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.metric_subject import MetricSubject
from app.domain.metrics_conduct import (
    GroupCompleteness,
    Overdue,
    WorkStanding,
    completeness,
    overdue,
    work_standings,
)
from app.domain.metrics_explained import Counted
from app.domain.metrics_queries import AskedQuery, QueriesSummary, queries_summary
from app.domain.metrics_support import MetricFamily
from app.domain.metrics_support_conduct import CountedRecords
from app.domain.metrics_turnaround import TurnaroundSummary, turnaround_summaries
from app.models import LabResult
from app.services.access import Actor
from app.services.evidence import Scope, load_subjects
from app.services.metric_store import MetricStudy
from app.services.metrics_efficacy import count_efficacy
from app.services.metrics_enrolment import count_enrolment
from app.services.metrics_laboratory import count_laboratory
from app.services.metrics_operations import asked_queries
from app.services.metrics_safety import count_safety
from app.services.site_wall import across_sites


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductNumbers:
    """The operations' numbers that participants add to; the inbox is of no participant yet."""

    completeness: tuple[GroupCompleteness, ...]
    worklist: tuple[WorkStanding, ...]
    overdue: tuple[Overdue, ...]
    queries: QueriesSummary
    turnaround: tuple[TurnaroundSummary, ...]


_COUNTS: Mapping[MetricFamily, Callable[[MetricStudy], Any]] = {
    MetricFamily.ENROLMENT: count_enrolment,
    MetricFamily.SAFETY: count_safety,
    MetricFamily.EFFICACY: count_efficacy,
    MetricFamily.LABORATORY: count_laboratory,
}
_Queries = Mapping[str, Sequence[AskedQuery]]


async def read_counted(
    session: AsyncSession, actor: Actor, study: MetricStudy, family: MetricFamily
) -> Counted:
    """Read how an answer is counted, with the records of the whole study that its numbers name."""
    if family is MetricFamily.OPERATIONS:
        async with across_sites(session):
            queries = _by_subject(await asked_queries(session, actor.study_id, study))
        records = await _records(session, actor, study, queries)
        return Counted(
            family=family,
            count=lambda subjects: _count_conduct(study, subjects, queries),
            records=records,
        )
    records = {}
    if family is MetricFamily.LABORATORY:
        records = await _records(session, actor, study, {})
    return Counted(
        family=family,
        count=lambda subjects: _COUNTS[family](replace(study, subjects=subjects, answers={})),
        records=records,
    )


def _count_conduct(
    study: MetricStudy, subjects: tuple[MetricSubject, ...], queries: _Queries
) -> ConductNumbers:
    conduct = [subject.conduct for subject in subjects]
    asked = (query for each in subjects for query in queries.get(each.subject_id, ()))
    return ConductNumbers(
        completeness=completeness(conduct, study.levels),
        worklist=work_standings(conduct),
        overdue=overdue(conduct),
        queries=queries_summary(asked),
        turnaround=turnaround_summaries(x.laboratory.turnaround for x in subjects),
    )


def _by_subject(queries: Sequence[AskedQuery]) -> _Queries:
    found: defaultdict[str, list[AskedQuery]] = defaultdict(list)
    for query in queries:
        found[query.subject_id].append(query)
    return found


async def _records(
    session: AsyncSession, actor: Actor, study: MetricStudy, queries: _Queries
) -> dict[str, CountedRecords]:
    """Read the laboratory results of everybody again, beside what is asked about them."""
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), study.past)
    return {
        str(evidence.subject_id): CountedRecords(
            labs=tuple(evidence.labs),
            arrivals=tuple(evidence.arrivals),
            queries=tuple(queries.get(str(evidence.subject_id), ())),
        )
        for evidence in await load_subjects(session, scope, (LabResult,))
    }
