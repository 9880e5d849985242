"""Laboratory results: recorded one by one, listed and read with the grades that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import facts
from app.domain.ctcae.grading import GradingResult
from app.domain.errors import DomainError
from app.domain.lab_grades import grades_for
from app.domain.reported_results import LabEntry, RecordingOutcome, known_analyte
from app.models import LabResult, Subject
from app.services import evidence_mapping as to_fact
from app.services.access import Actor
from app.services.evidence import Scope
from app.services.grading import load_backgrounds
from app.services.history import as_of, fetch
from app.services.lab_recording import Recorded
from app.services.lab_sending import SentBody, record_sent
from app.services.lab_versions import current_versions, is_current
from app.services.paging import Page, PageRequest, page
from app.services.range_register import load_limits
from app.services.role_matrix import Area, Right

_SENT = "original_"
_AS_SENT = [column.name for column in LabResult.__table__.c if column.name.startswith(_SENT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFilter:
    """Which results are wanted; bounds are instants, or days in the study's zone, both included."""

    subject_id: UUID | None = None
    analyte: str | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None
    superseded_too: bool = False


@dataclass(frozen=True, slots=True)
class AppliedLimits:
    """The limits that count, and the version of the register's range that filled any of them."""

    lln: Decimal | None
    uln: Decimal | None
    reference_range: facts.LimitsOfRegister | None


@dataclass(frozen=True, slots=True)
class LabWithGrades:
    """A version of a result beside what follows from the records.

    `grades` is None for a sender that may not read; `baseline` is what they were graded against;
    `outcome` is set where the result was sent by this request.
    """

    row: LabResult
    fact: facts.LabResult
    is_current: bool
    baseline: facts.LabResult | None = None
    grades: tuple[GradingResult, ...] | None = None
    outcome: RecordingOutcome | None = None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the result's."""
        return getattr(self.row, name)

    @property
    def day(self) -> date:
        """Give the study day of the collection."""
        return self.fact.day

    @property
    def applied_limits(self) -> AppliedLimits | None:
        """Give the limits that the grades were judged by; None where there are no grades."""
        if self.grades is None:
            return None
        return AppliedLimits(self.fact.lln, self.fact.uln, self.fact.of_register)

    @property
    def original(self) -> dict[str, str | None]:
        """Give the sender's own words, by the names of the columns without their prefix."""
        return {name.removeprefix(_SENT): getattr(self.row, name) for name in _AS_SENT}


async def record_result(
    session: AsyncSession, actor: Actor, entry: LabEntry, body: SentBody, now: datetime
) -> LabWithGrades | Recorded:
    """Store one result, or find that it is here already; raise DomainError if it is refused.

    A sender that may not read gets no conclusion back; of a result that waits in the inbox there
    is only the outcome.
    """
    (recorded,) = await record_sent(session, actor, [entry], body, now)
    if recorded.outcome is RecordingOutcome.INBOX:
        return recorded
    if recorded.error is not None:
        raise recorded.error.below("/body")
    assert recorded.id is not None, "what is not refused is stored"
    row = await fetch(session, LabResult, actor.study_id, recorded.id)
    site_id = await session.scalar(
        select(Subject.site_id).where(
            Subject.study_id == actor.study_id, Subject.id == row.subject_id
        )
    )
    if actor.may(Area.LABORATORY, Right.READ, site_id):
        (result,) = await with_grades(session, actor, [row], None)
    else:
        counting = await current_versions(session, actor.study_id, [row.result_id], None)
        is_current = counting[row.result_id] == row.result_version
        result = LabWithGrades(row, to_fact.lab(row, ZoneInfo(actor.time_zone)), is_current)
    return replace(result, outcome=recorded.outcome)


async def list_results(
    session: AsyncSession, actor: Actor, wanted: LabFilter, on_page: PageRequest
) -> Page:
    """List a page of results in the order of recording, with their grades."""
    entity = as_of(LabResult, actor.study_id, on_page.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    query = query.where(*_conditions(entity, wanted, ZoneInfo(actor.time_zone)))
    if not wanted.superseded_too:
        query = query.where(is_current(entity, on_page.moment))
    found = await page(session, query, entity.id, on_page)
    return Page(await with_grades(session, actor, found.items, on_page.moment), found.next)


async def read_result(
    session: AsyncSession, actor: Actor, lab_id: UUID, past: datetime | None
) -> LabWithGrades:
    """Read one version of a result with its grades."""
    row = await fetch(session, LabResult, actor.study_id, lab_id, past)
    (result,) = await with_grades(session, actor, [row], past)
    return result


async def list_result_versions(
    session: AsyncSession, actor: Actor, lab_id: UUID, past: datetime | None
) -> list[LabWithGrades]:
    """List all versions of the result that one version belongs to, the first one first."""
    row = await fetch(session, LabResult, actor.study_id, lab_id, past)
    entity = as_of(LabResult, actor.study_id, past)
    query = select(entity).where(
        entity.study_id == actor.study_id, entity.result_id == row.result_id
    )
    versions = await session.scalars(query.order_by(entity.result_version))
    return await with_grades(session, actor, versions.all(), past)


async def with_grades(
    session: AsyncSession, actor: Actor, rows: Sequence[LabResult], past: datetime | None
) -> list[LabWithGrades]:
    """Put beside each row what follows: its day, its grades, and whether it is what counts."""
    if not rows:
        return []
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    counting = await current_versions(
        session, actor.study_id, {row.result_id for row in rows}, past
    )
    subject_ids = {row.subject_id for row in rows}
    limits = await load_limits(session, actor.study_id, subject_ids, past)
    wanted = (subject_ids, {row.analyte for row in rows})
    backgrounds = await load_backgrounds(session, scope, limits, wanted)
    found = []
    for row in rows:
        fact, against = limits.complete(row, scope.zone), backgrounds[row.subject_id]
        grades = grades_for(fact, against)
        baseline = against.baselines.get(row.analyte) if grades else None
        current = counting[row.result_id] == row.result_version
        found.append(LabWithGrades(row, fact, current, baseline, grades))
    return found


def _conditions(entity: Any, wanted: LabFilter, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.subject_id is not None:
        conditions.append(entity.subject_id == wanted.subject_id)
    if wanted.analyte is not None:
        conditions.append(entity.analyte == _analyte_key(wanted.analyte))
    if wanted.start is not None:
        conditions.append(entity.collected_at >= _begin(wanted.start, zone))
    if isinstance(wanted.end, datetime):
        conditions.append(entity.collected_at <= wanted.end)
    elif wanted.end is not None:
        conditions.append(entity.collected_at < _begin(wanted.end + timedelta(days=1), zone))
    return conditions


def _analyte_key(name: str) -> str:
    try:
        return known_analyte(name).key
    except DomainError as error:
        raise error.below("/query") from error


def _begin(bound: date | datetime, zone: ZoneInfo) -> datetime:
    return bound if isinstance(bound, datetime) else datetime.combine(bound, time.min, zone)
