"""Corrections of laboratory results: a further version, and the earlier ones stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.errors import DomainError, conflict, invalid
from app.domain.reported_results import ReportedResult, write_out
from app.domain.result_versions import Dated, standing, weight
from app.domain.vocabulary import LabStatus
from app.models import LabResult
from app.services.access import Actor
from app.services.history import fetch
from app.services.lab_recording import check_moments, content_columns
from app.services.lab_versions import current_versions, lock_results
from app.services.labs import LabWithGrades, with_grades
from app.services.observations import observable_subjects

_WITHDRAWN = (LabStatus.CANCELLED, LabStatus.ENTERED_IN_ERROR)
_PROVISIONAL_ONLY = (LabStatus.PRELIMINARY, LabStatus.FINAL)
_STATED_TOGETHER = ("value", "comparator", "unit", "lln", "uln")
_ORIGINALS = ("original_value", "original_unit", "original_lln", "original_uln")


async def correct_result(
    session: AsyncSession, actor: Actor, lab_id: UUID, values: Mapping[str, Any], now: datetime
) -> LabWithGrades:
    """Add a version to a result; `values` hold the status, the reason and what is to change.

    The value is stated together with its unit; limits and finding that are left out stay, and so
    does the whole value if that is left out. Raises conflict unless `lab_id` is the last version.
    """
    before = await fetch(session, LabResult, actor.study_id, lab_id)
    await lock_results(session, actor.study_id, [before.result_id])
    await _check_step(session, before, values["status"])
    subjects = await observable_subjects(session, actor, [before.subject_id])
    try:
        result = _restate(before, values)
        content = _content(before, result, values)
        check_moments(result, subjects[before.subject_id], now)
    except DomainError as error:
        raise error.below("/body") from error
    row = LabResult(
        study_id=before.study_id,
        id=new_id(),
        result_id=before.result_id,
        result_version=await _next_version(session, before),
        # Above what it corrects, also when that is dated by a clock that is ahead.
        stated_at=max(now, before.stated_at + timedelta(microseconds=1)),
        weight=weight(result.status, Dated.SENDER),
        standing=standing(result.status),
        subject_id=before.subject_id,
        source=before.source,
        specimen=before.specimen,
        accession=before.accession,
        reason=values["reason"],
        **content,
    )
    session.add(row)
    await session.flush()
    (corrected,) = await with_grades(session, actor, [row], None)
    return corrected


async def _next_version(session: AsyncSession, before: LabResult) -> int:
    """Return the number of the version that is added; a late report may have a higher one."""
    query = select(func.max(LabResult.result_version)).where(
        LabResult.study_id == before.study_id, LabResult.result_id == before.result_id
    )
    return int(await session.scalar(query) or 0) + 1


async def _check_step(session: AsyncSession, before: LabResult, status: LabStatus) -> None:
    """Refuse to correct a version that is not the last, and a step back to provisional."""
    counting = await current_versions(session, before.study_id, [before.result_id], None)
    if counting[before.result_id] != before.result_version:
        raise conflict(
            "not_last_version", "This version counts no more; correct the one that does."
        )
    if status in _PROVISIONAL_ONLY and before.status is not LabStatus.PRELIMINARY:
        raise invalid(
            "not_preliminary",
            "Only a preliminary result is followed by a preliminary or a final one; what changes"
            " this one is a correction.",
            "/body/status",
        )


def _restate(before: LabResult, values: Mapping[str, Any]) -> ReportedResult:
    """Say the whole result as it is after the correction."""
    return ReportedResult(
        analyte=before.analyte,
        status=values["status"],
        collected_at=values.get("collected_at") or before.collected_at,
        reported_at=values.get("reported_at"),
        **_stated(before, values),
    )


def _stated(before: LabResult, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value with its limits and the finding; a withdrawn result has none."""
    given = [name for name in (*_STATED_TOGETHER, "finding") if values.get(name) is not None]
    if values["status"] in _WITHDRAWN:
        if given:
            raise invalid(
                "content_not_taken",
                "A withdrawn result says nothing; leave its content out.",
                f"/{given[0]}",
            )
        return {}
    finding = {"finding": values.get("finding", before.finding)}
    if "value" in values:
        return finding | {name: values.get(name) for name in _STATED_TOGETHER}
    for name in given:
        if name in _STATED_TOGETHER:
            raise invalid(
                f"{name}_without_value", f"{name} belongs to a value; state both.", f"/{name}"
            )
    return finding | {name: getattr(before, name) for name in _STATED_TOGETHER}


def _content(
    before: LabResult, result: ReportedResult, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns of the version; what was not sent again is kept as it was sent before."""
    content = content_columns(result, write_out(result))
    if "value" not in values and result.value is not None:
        return content | {name: getattr(before, name) for name in _ORIGINALS}
    if result.value is None:
        return content
    for limit in ("lln", "uln"):
        if limit not in values:
            content[limit] = getattr(before, limit)
            if result.unit == before.original_unit:
                content[f"original_{limit}"] = getattr(before, f"original_{limit}")
    if None not in (content["lln"], content["uln"]) and content["lln"] > content["uln"]:
        raise invalid("range_inverted", "The lower limit lies above the upper limit.", "/lln")
    return content
