"""Reference ranges: recorded version by version, ended or taken back, and what each changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.analytes import Analyte, find_analyte
from app.domain.errors import DomainError, Reason, conflict, forbidden, invalid
from app.domain.reference_ranges import check_apart, in_course
from app.domain.reported_results import canonical_range, known_analyte
from app.models import LabResult, Operation, RangeRetraction, ReferenceRange, Sender
from app.schemas.reference_ranges import (
    ChangedGradeView,
    RangeRetractionCreate,
    ReferenceRangeCreate,
)
from app.services.access import Actor
from app.services.history import as_of, fetch
from app.services.locks import lock_study
from app.services.paging import Page, PageRequest, page
from app.services.range_changes import changed_grades
from app.services.range_register import RangeRecords, load_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeFilter:
    """Which ranges are wanted; None does not filter, `on` is a day on which they count."""

    laboratory: str | None = None
    analyte: str | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeStanding:
    """A range's row beside until when it counts.

    For whoever writes, with the grades that it changed, and whether its laboratory was heard of.
    """

    row: ReferenceRange
    effective_until: date | None
    retracted: bool
    retraction_reason: str | None
    changed: tuple[ChangedGradeView, ...] = ()
    known_laboratory: bool | None = None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the range's."""
        return getattr(self.row, name)

    @property
    def canonical_unit(self) -> str | None:
        """Give the unit of the limits that results are judged by."""
        analyte = find_analyte(self.row.analyte)
        return analyte.canonical_unit if analyte else None


async def list_ranges(
    session: AsyncSession, actor: Actor, wanted: RangeFilter, on_page: PageRequest
) -> Page:
    """List a page of ranges, the first recorded first."""
    records = await load_ranges(session, actor.study_id, on_page.moment)
    entity = as_of(ReferenceRange, actor.study_id, on_page.moment)
    query = select(entity).where(entity.study_id == actor.study_id)
    if wanted.laboratory is not None:
        query = query.where(entity.laboratory == wanted.laboratory)
    if wanted.analyte is not None:
        query = query.where(entity.analyte == _known(wanted.analyte, "/query").key)
    if wanted.on is not None:
        query = query.where(entity.id.in_(_in_force(records, wanted.on)))
    found = await page(session, query, entity.id, on_page)
    return Page(_standings(records, found.items), found.next)


async def read_range(
    session: AsyncSession, actor: Actor, range_id: UUID, past: datetime | None
) -> RangeStanding:
    """Read one range; raise not_found."""
    row = await fetch(session, ReferenceRange, actor.study_id, range_id, past)
    (found,) = _standings(await load_ranges(session, actor.study_id, past), [row])
    return found


async def read_changes(
    session: AsyncSession, actor: Actor, range_id: UUID, past: datetime | None
) -> list[ChangedGradeView]:
    """List the grades that would read differently if a range had never been recorded."""
    row = await fetch(session, ReferenceRange, actor.study_id, range_id, past)
    after = (await load_ranges(session, actor.study_id, past)).register()
    before = after.without(str(range_id))
    return await changed_grades(session, actor, row.analyte, (before, after), past)


async def create_range(
    session: AsyncSession, actor: Actor, wanted: ReferenceRangeCreate
) -> RangeStanding:
    """Record a version, which closes the one before; say which grades read differently.

    Raises invalid for limits that cannot be those of the analyte, and conflict for a range that
    would concern somebody who has another one on the same day.
    """
    analyte = _known(wanted.analyte, "/body")
    lln, uln = _canonical(analyte, wanted)
    await lock_study(session, actor.study_id)
    await _check_reach(session, actor, wanted.laboratory)
    before = await load_ranges(session, actor.study_id, None)
    same = [row for row in before.ranges.values() if _is_of(row, wanted.laboratory, analyte.key)]
    row = ReferenceRange(
        study_id=actor.study_id,
        id=new_id(),
        number=max((each.number for each in same), default=0) + 1,
        lln=lln,
        uln=uln,
        **wanted.model_dump() | {"analyte": analyte.key},
    )
    session.add(row)
    await session.flush()
    return await _with_changes(session, actor, row, before)


async def retract_range(
    session: AsyncSession, actor: Actor, range_id: UUID, wanted: RangeRetractionCreate
) -> RangeStanding:
    """End a range from a day on, or take it back whole; say which grades read differently.

    Raises forbidden for somebody else's to whoever works for some sites, conflict for one that has
    ended by then, and where an older range that comes back would
    be in the way of another.
    """
    await lock_study(session, actor.study_id)
    row = await fetch(session, ReferenceRange, actor.study_id, range_id)
    await _check_reach(session, actor, row.laboratory)
    await _check_author(session, actor, row)
    before = await load_ranges(session, actor.study_id, None)
    (standing,) = _standings(before, [row])
    _check_end(standing, wanted.from_day)
    session.add(
        RangeRetraction(
            study_id=actor.study_id,
            id=new_id(),
            reference_range_id=range_id,
            from_day=wanted.from_day,
            reason=wanted.reason,
        )
    )
    await session.flush()
    return await _with_changes(session, actor, row, before)


async def _with_changes(
    session: AsyncSession, actor: Actor, row: ReferenceRange, before: RangeRecords
) -> RangeStanding:
    """Check what was written against all other ranges, and tell what it changes."""
    after = await load_ranges(session, actor.study_id, None)
    check_apart(
        after.fact(each)
        for each in after.ranges.values()
        if _is_of(each, row.laboratory, row.analyte)
    )
    registers = (before.register(), after.register())
    changed = await changed_grades(session, actor, row.analyte, registers, None)
    (found,) = _standings(after, [row])
    is_known = await _is_known(session, actor, row.laboratory)
    return replace(found, changed=tuple(changed), known_laboratory=is_known)


async def _is_known(session: AsyncSession, actor: Actor, laboratory: str) -> bool:
    """Tell whether a result or a sender that the actor sees is of a laboratory."""
    sender = exists().where(Sender.study_id == actor.study_id, Sender.code == laboratory)
    result = exists().where(
        LabResult.study_id == actor.study_id, func.btrim(LabResult.source) == laboratory
    )
    return bool(await session.scalar(select(or_(sender, result))))


def _check_end(standing: RangeStanding, from_day: date | None) -> None:
    until = standing.effective_until
    if standing.retracted or (from_day and until and from_day >= until):
        raise conflict(
            "range_ended",
            "This range has ended by then already; name an earlier day, or leave it as it is.",
        )
    if from_day is not None and from_day <= standing.row.effective_from:
        raise invalid(
            "end_before_begin",
            "A range ends after the day it counts from; to take it back whole, leave from_day out.",
            "/body/from_day",
        )


async def _check_reach(session: AsyncSession, actor: Actor, laboratory: str) -> None:
    """Let a role for some sites say only what the laboratory systems of these sites go by."""
    if actor.site_ids is None:
        return
    own = select(Sender.id).where(Sender.study_id == actor.study_id, Sender.code == laboratory)
    if await session.scalar(own) is None:
        raise forbidden(
            "whole_study_only",
            "Your role is for some sites, and this laboratory is not registered at one of them; a"
            " role for the whole study records its ranges.",
        )


async def _check_author(session: AsyncSession, actor: Actor, row: ReferenceRange) -> None:
    """Let a role for some sites end or take back only what the same person recorded."""
    if actor.site_ids is None:
        return
    wrote = select(Operation.actor_id).where(
        Operation.study_id == actor.study_id, Operation.id == row.operation_id
    )
    if await session.scalar(wrote) != actor.principal_id:
        raise forbidden(
            "whole_study_only",
            "Your role is for some sites, and somebody else recorded this range; let that person or"
            " a role for the whole study end it or take it back.",
        )


def _known(name: str, part: str) -> Analyte:
    try:
        return known_analyte(name)
    except DomainError as error:
        raise error.below(part) from error


def _canonical(
    analyte: Analyte, wanted: ReferenceRangeCreate
) -> tuple[Decimal | None, Decimal | None]:
    """Convert the limits; raise invalid, naming the field of the body."""
    try:
        return canonical_range(analyte, wanted.low, wanted.high, wanted.unit or "")
    except DomainError as error:
        fields = {"/lln": "/body/low", "/uln": "/body/high", "/unit": "/body/unit"}
        reasons = tuple(
            Reason(each.code, each.message, fields[each.pointer]) for each in error.reasons
        )
        raise DomainError(error.kind, error.code, error.message, reasons) from error


def _is_of(row: ReferenceRange, laboratory: str, analyte: str) -> bool:
    return (row.laboratory, row.analyte) == (laboratory, analyte)


def _in_force(records: RangeRecords, day: date) -> list[UUID]:
    every = in_course(records.fact(row) for row in records.ranges.values())
    return [UUID(each.range.id) for each in every if each.counts_on(day)]


def _standings(
    records: RangeRecords,
    found: Iterable[ReferenceRange],
) -> list[RangeStanding]:
    every = in_course(records.fact(row) for row in records.ranges.values())
    until = {UUID(each.range.id): each.until for each in every}
    return [
        RangeStanding(
            row=row,
            effective_until=until.get(row.id),
            retracted=row.id not in until,
            retraction_reason=next(
                (end.reason for end in reversed(records.retractions.get(row.id, ()))), None
            ),
        )
        for row in found
    ]
