"""Specimens that a person told apart, although they came under one accession number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.sender_profile import SpecimenBy
from app.models import LabResult
from app.services.lab_filing import Candidate
from app.services.lab_recording import specimen_of


async def told_apart(
    session: AsyncSession, study_id: UUID, candidates: Mapping[int, Candidate]
) -> dict[int, Candidate]:
    """Return those candidates, by position, that belong to a specimen told apart, as of that one.

    They name the accession number that was used again, and when that other specimen was collected.
    """
    apart = {position: _apart(each) for position, each in candidates.items() if _by_number(each)}
    if not apart:
        return {}
    key = tuple_(LabResult.subject_id, LabResult.source, LabResult.specimen)
    query = select(LabResult.subject_id, LabResult.source, LabResult.specimen).where(
        LabResult.study_id == study_id, key.in_({each.key[:3] for each in apart.values()})
    )
    known = {tuple(row) for row in await session.execute(query.distinct())}
    return {position: each for position, each in apart.items() if each.key[:3] in known}


def _by_number(candidate: Candidate) -> bool:
    """Tell whether the accession number alone names the specimen."""
    accession = candidate.row["accession"]
    return accession is not None and candidate.row["specimen"] == accession


def _apart(candidate: Candidate) -> Candidate:
    specimen = specimen_of(
        candidate.row["accession"],
        candidate.row["collected_at"],
        SpecimenBy.ACCESSION_AND_COLLECTION,
    )
    return replace(candidate, row={**candidate.row, "specimen": specimen})
