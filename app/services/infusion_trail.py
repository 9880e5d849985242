"""What the trail tells of infusions: since when one is cancelled, and the weight at its start."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import facts
from app.domain.weighing import Weighing, known_of_start
from app.models import Change, Infusion, Record, Subject


async def cancelled_since(
    session: AsyncSession, study_id: UUID, rows: Iterable[Infusion], past: datetime | None
) -> dict[UUID, datetime]:
    """Tell since when each cancelled infusion is on record as that, without a break, by its id."""
    wanted = [row.id for row in rows if row.cancelled]
    since: dict[UUID, datetime] = {}
    if not wanted:
        return since
    cancelled = Change.new["cancelled"].astext == "true"
    for record_id, at, is_cancelled in await session.execute(
        _stated(Infusion, study_id, wanted, past, cancelled)
    ):
        if is_cancelled:
            since.setdefault(record_id, at)
        else:
            since.pop(record_id, None)
    return since


async def weights_at_starts(
    session: AsyncSession,
    study_id: UUID,
    subject_id: UUID,
    infusions: Iterable[facts.Infusion],
    past: datetime | None,
) -> dict[str, Weighing]:
    """Find the weight that the subject's record told at each start, by the infusion's id."""
    starts = {UUID(each.id): each.started_at for each in infusions if each.started_at is not None}
    if not starts:
        return {}
    has_start = Change.new["started_at"].astext.is_not(None)
    ordered: dict[UUID, datetime] = {}
    entered: dict[UUID, datetime] = {}
    for record_id, at, is_start in await session.execute(
        _stated(Infusion, study_id, starts.keys(), past, has_start)
    ):
        ordered.setdefault(record_id, at)
        if is_start:
            entered.setdefault(record_id, at)
    weight = Change.new["weight_kg"].astext
    stated = (await session.execute(_stated(Subject, study_id, [subject_id], past, weight))).all()
    found: dict[str, Weighing] = {}
    for record_id, at in entered.items():
        known = known_of_start(starts[record_id], ordered[record_id], at)
        told = [(since, kg) for _, since, kg in stated if since <= known]
        if told and told[-1][1] is not None:
            since, kg = told[-1]
            found[str(record_id)] = Weighing(
                weight_kg=Decimal(kg), at=since, evidence=str(subject_id)
            )
    return found


def _stated(
    model: type[Record],
    study_id: UUID,
    record_ids: Collection[UUID],
    past: datetime | None,
    value: ColumnElement[Any],
) -> Select[tuple[UUID, datetime, Any]]:
    """Select what each version of some records says, the oldest first, known at `past`."""
    query = select(Change.record_id, Change.recorded_at, value).where(
        Change.study_id == study_id,
        Change.table_name == model.__tablename__,
        Change.record_id.in_(record_ids),
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    return query.order_by(Change.id)
