"""The versions of adverse events as reporting reads them: what each judged, and what it told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.grade_history import GradeStated, grade_steps, worst_grade
from app.domain.redaction import REDACTED
from app.domain.report_course import EventVersion
from app.models import AdverseEvent, ClassCorrection, GradeCorrection, Redaction
from app.services.evidence import Scope
from app.services.evidence_mapping import adverse_event, moment_of
from app.services.history import as_of
from app.services.record_versions import Version, load_versions

# A change of any of these is news to whoever received a report of the event.
_REPORTED = (
    "term", "other_specification", "grade", "onset_at", "ended_at", "seriousness", "expected",
    "causality", "causality_premedication", "causality_car_t", "causality_disease", "outcome",
    "narrative",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCourse:
    """The versions of an event but for those that retract it, and its worst grade by now."""

    versions: tuple[EventVersion, ...]
    worst_grade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remarks:
    """What is on record about the versions of one event."""

    grade_corrections: Sequence[tuple[int, datetime]]
    class_corrections: Collection[int]
    redacted: Mapping[str, datetime]


async def event_courses(
    session: AsyncSession, scope: Scope, event_ids: Collection[UUID]
) -> dict[UUID, EventCourse]:
    """Read the versions of events with what was known at the scope's moment."""
    found = await load_versions(session, scope.study_id, (AdverseEvent,), scope.past, event_ids)
    grades = await _corrections(session, GradeCorrection, scope, event_ids)
    classes = await _corrections(session, ClassCorrection, scope, event_ids)
    redacted = await _redacted(session, scope.study_id, event_ids)
    return {
        event_id: _course(
            found.of(event_id),
            _Remarks(
                grade_corrections=grades[event_id],
                class_corrections={version for version, _ in classes[event_id]},
                redacted=redacted[event_id],
            ),
            scope.zone,
        )
        for event_id in event_ids
    }


async def _corrections(
    session: AsyncSession,
    model: type[GradeCorrection | ClassCorrection],
    scope: Scope,
    event_ids: Collection[UUID],
) -> Mapping[UUID, list[tuple[int, datetime]]]:
    """Read before which versions something was never right, and since when that is on record."""
    entity = as_of(model, scope.study_id, scope.past)
    query = select(entity.adverse_event_id, entity.event_version, entity.recorded_at).where(
        entity.study_id == scope.study_id, entity.adverse_event_id.in_(event_ids)
    )
    found: defaultdict[UUID, list[tuple[int, datetime]]] = defaultdict(list)
    for event_id, version, since in await session.execute(query):
        found[event_id].append((version, since))
    return found


async def _redacted(
    session: AsyncSession, study_id: UUID, event_ids: Collection[UUID]
) -> Mapping[UUID, dict[str, datetime]]:
    """Tell when each field was last redacted; past images lost it too, so the past asks as well."""
    query = (
        select(Redaction.record_id, Redaction.field, Redaction.recorded_at)
        .where(Redaction.study_id == study_id, Redaction.record_id.in_(event_ids))
        .order_by(Redaction.recorded_at)
    )
    found: defaultdict[UUID, dict[str, datetime]] = defaultdict(dict)
    for event_id, field, since in await session.execute(query):
        found[event_id][field] = since
    return found


def _course(versions: Sequence[Version], remarks: _Remarks, zone: ZoneInfo) -> EventCourse:
    stated = [
        GradeStated(
            version=each.row.version,
            grade=each.row.grade,
            at=each.since,
            source=str(each.operation_id),
        )
        for each in versions
    ]
    kept: list[EventVersion] = []
    before: Version | None = None
    worst = 0
    for place, each in enumerate(versions, start=1):
        until = versions[place].since if place < len(versions) else None
        worst = worst_grade(grade_steps(stated[:place], _known(remarks.grade_corrections, until)))
        if each.row.retracted:
            continue
        kept.append(
            EventVersion(
                version=each.row.version,
                recorded=moment_of(each.since, zone),
                aware=moment_of(each.row.aware_at, zone),
                event=adverse_event(each.row, zone, worst),
                expected=each.row.expected,
                corrects=each.row.version in remarks.class_corrections,
                told=before is not None and _is_news(before, each, remarks.redacted),
            )
        )
        before = each
    return EventCourse(versions=tuple(kept), worst_grade=worst)


def _known(corrections: Sequence[tuple[int, datetime]], until: datetime | None) -> set[int]:
    """Tell which corrections were on record before the next version, so that none reaches back."""
    return {version for version, since in corrections if until is None or since < until}


def _is_news(before: Version, after: Version, redacted: Mapping[str, datetime]) -> bool:
    """Tell whether a version told something new.

    Of a field that was redacted since, both texts are gone: it may have been that one.
    """
    for name in _REPORTED:
        old, new = before.image[name], after.image[name]
        if old != new or (old == REDACTED and name in redacted and after.since < redacted[name]):
            return True
    return False
