"""Assessments: content is read by the rules of its kind, and held against who the subject is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.assessment_doubts import assessment_doubts, computed_qtcf
from app.domain.errors import Reason, forbidden
from app.models import Assessment, Signature, Subject
from app.schemas.assessments import parse_content
from app.services import care
from app.services import evidence_mapping as to_fact
from app.services.access import Actor
from app.services.care import CareChange, OnDay, change_record, create_record
from app.services.history import as_of
from app.services.paging import Page, PageRequest
from app.services.signed_records import may_sign


@dataclass(frozen=True, slots=True)
class JudgedAssessment:
    """An assessment beside what follows from it and what it leaves open."""

    record: OnDay
    computed_qtcf_ms: Decimal | None
    doubts: tuple[Reason, ...]

    def __getattr__(self, name: str) -> Any:
        """Show the assessment's own fields."""
        return getattr(self.record, name)


async def list_assessments(
    session: AsyncSession, actor: Actor, only: Mapping[str, Any], wanted: PageRequest
) -> Page:
    """List a page of assessments in the order of recording; `only` are columns, None is any."""
    found = await care.list_records(session, actor, Assessment, only, wanted)
    return Page(await _judge(session, actor, found.items, wanted.moment), found.next)


async def read_assessment(
    session: AsyncSession, actor: Actor, assessment_id: UUID, past: datetime | None
) -> JudgedAssessment:
    """Read one assessment, now or as it was; raise not_found."""
    found = await care.read_record(session, actor, Assessment, assessment_id, past)
    return (await _judge(session, actor, [found], past))[0]


async def create_assessment(
    session: AsyncSession, actor: Actor, values: Mapping[str, Any], now: datetime
) -> JudgedAssessment:
    """Record an assessment; raise invalid, naming each entry that does not fit its kind."""
    made = await create_record(session, actor, Assessment, values, now, _read_content)
    return (await _judge(session, actor, [made], None))[0]


async def change_assessment(
    session: AsyncSession, actor: Actor, change: CareChange, now: datetime
) -> JudgedAssessment:
    """Change the given fields of an assessment; new content replaces all that was there.

    What an investigator signed stays as it is for those who do not sign: raises forbidden.
    """
    await _leave_what_is_signed(session, actor, change.record_id)
    settle = _read_content if "content" in change.values else None
    changed = await change_record(session, actor, Assessment, change, now, settle)
    return (await _judge(session, actor, [changed], None))[0]


async def _leave_what_is_signed(session: AsyncSession, actor: Actor, assessment_id: UUID) -> None:
    signed = select(Signature.id).where(
        Signature.study_id == actor.study_id,
        Signature.record_type == Assessment.__tablename__,
        Signature.record_id == assessment_id,
    )
    if await session.scalar(signed.limit(1)) is None:
        return
    if not await may_sign(session, actor, Assessment.__tablename__, assessment_id):
        raise forbidden(
            "assessment_is_signed",
            "An investigator signed this; ask one to change it, or record a proposal of your own.",
        )


def _read_content(row: Assessment) -> None:
    row.content = parse_content(row.kind, row.content)


async def _judge(
    session: AsyncSession, actor: Actor, found: Sequence[OnDay], past: datetime | None
) -> list[JudgedAssessment]:
    """Hold assessments against their subjects, as they are or were."""
    entity = as_of(Subject, actor.study_id, past)
    query = select(entity).where(
        entity.study_id == actor.study_id, entity.id.in_({each.subject_id for each in found})
    )
    subjects = {row.id: to_fact.subject(row) for row in await session.scalars(query)}
    return [
        JudgedAssessment(
            record=each,
            computed_qtcf_ms=computed_qtcf(each.kind, each.content),
            doubts=assessment_doubts(each.kind, each.content, subjects[each.subject_id]),
        )
        for each in found
    ]
