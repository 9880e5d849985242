"""The study's lock: who counts takes it, who writes what is counted shares it.

Lock order: study, cohort, subject, then the record.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Study, Subject


async def lock_study(session: AsyncSession, study_id: UUID) -> None:
    """Serialise what counts across the study; foreign-key checks go on beside it."""
    await session.execute(
        select(Study.study_id).where(Study.study_id == study_id).with_for_update(key_share=True)
    )


async def share_study(session: AsyncSession, study_id: UUID) -> None:
    """Keep enrolments and decisions out while a fact that they count is written.

    Whoever writes an infusion, an adverse event or an adjudication takes this first; such writers
    do not wait for one another.
    """
    await session.execute(
        select(Study.study_id).where(Study.study_id == study_id).with_for_update(read=True)
    )


async def lock_subjects(
    session: AsyncSession, study_id: UUID, subject_ids: Collection[UUID]
) -> None:
    """Serialise what is recorded of these subjects; foreign-key checks go on beside it."""
    await session.execute(
        select(Subject.id)
        .where(Subject.study_id == study_id, Subject.id.in_(subject_ids))
        .order_by(Subject.id)
        .with_for_update(key_share=True)
    )
