"""Reported deviations and notes as they are read: beside what is derived, now or at a past moment.

Whatever a note is about stays in sight: also when the records do not show it any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.deviation_notes import Assessed, Seen, stand
from app.domain.deviations import Deviation, DeviationSeverity
from app.models import DeviationNote, Operation, ReportedDeviation
from app.schemas.deviations import DeviationNoteView, DeviationView
from app.services.access import Actor
from app.services.history import as_of, rows

# How the keys and rules of reported deviations are told from those of derived ones.
REPORTED = "reported"

# Of a derived deviation: whose, and its key. Of a reported one: no subject, and its id.
Target = tuple[UUID | None, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What people recorded: deviations in the order of recording, and notes by their target."""

    reported: Sequence[ReportedDeviation]
    notes: Mapping[Target, Sequence[DeviationNoteView]] = field(default_factory=dict)

    def of(self, target: Target) -> tuple[DeviationNoteView, ...]:
        """Return the notes on one deviation, the first written first."""
        return tuple(self.notes.get(target, ()))


def target_of(note: DeviationNote) -> Target:
    """Tell which deviation a note is about."""
    if note.deviation_id is not None:
        return None, str(note.deviation_id)
    return note.subject_id, str(note.key)


async def read_kept(
    session: AsyncSession, actor: Actor, subject_id: UUID | None, past: datetime | None
) -> Kept:
    """Read what people recorded of all deviations, or of one subject's."""
    reported = rows(ReportedDeviation, actor.study_id, past)
    note = as_of(DeviationNote, actor.study_id, past)
    notes = (
        select(note, Operation)
        .join(
            Operation, (Operation.study_id == note.study_id) & (Operation.id == note.operation_id)
        )
        .where(note.study_id == actor.study_id)
        .order_by(note.id)
    )
    if subject_id is not None:
        entity = reported.column_descriptions[0]["entity"]
        reported = reported.where(entity.subject_id == subject_id)
        notes = notes.where(note.subject_id == subject_id)
    found: defaultdict[Target, list[DeviationNoteView]] = defaultdict(list)
    for row, operation in await session.execute(notes):
        found[target_of(row)].append(view_note(row, operation.actor_name, operation.role))
    return Kept((await session.scalars(reported)).all(), found)


def view_note(row: DeviationNote, author: str, role: Any) -> DeviationNoteView:
    """Show a note with who wrote it."""
    return DeviationNoteView(
        id=row.id,
        text=row.text,
        assessment=row.assessment,
        root_cause=row.root_cause,
        corrective_action=row.corrective_action,
        preventive_action=row.preventive_action,
        seen=row.seen,
        written_by=author,
        role=role,
        recorded_at=row.recorded_at,
    )


def seen_of(deviation: Deviation) -> dict[str, Any]:
    """Write down how a derived deviation reads."""
    return {
        "severity": deviation.severity.value,
        "day": deviation.day.isoformat(),
        "sentence": deviation.sentence,
        "rule": deviation.rule,
    }


def seen_of_reported(row: ReportedDeviation) -> dict[str, Any]:
    """Write down which version of a reported deviation is looked at; its text is not copied."""
    return {"version": row.version}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Puts notes beside deviations; `numbers` are those of the subjects in sight."""

    kept: Kept
    numbers: Mapping[UUID, str]
    basis: Mapping[str, Any]

    def derived(self, subject_id: UUID, deviations: Sequence[Deviation]) -> Iterator[DeviationView]:
        """Show what is derived of a subject, and what was noted on what is not derived any more."""
        for deviation in deviations:
            yield self._view(
                (subject_id, deviation.key),
                seen_of(deviation),
                code=deviation.code,
                severity=deviation.severity,
                day=deviation.day,
                sentence=deviation.sentence,
                evidence=deviation.evidence,
                rule=deviation.rule,
            )
        present = {deviation.key for deviation in deviations}
        for (noted, key), notes in self.kept.notes.items():
            if noted == subject_id and key not in present:
                yield self._gone((subject_id, key), notes[-1].seen)

    def reported(self) -> Iterator[DeviationView]:
        """Show what people reported, retracted ones too."""
        for row in self.kept.reported:
            if row.subject_id is not None and row.subject_id not in self.numbers:
                continue
            yield self._view(
                (None, str(row.id)),
                seen_of_reported(row),
                row,
                code=row.category,
                severity=row.severity,
                day=row.day,
                sentence=row.description,
                evidence=(),
                rule=REPORTED,
            )

    def _gone(self, target: Target, seen: Seen) -> DeviationView:
        """Show a deviation as it read when somebody wrote the last note on it."""
        return self._view(
            target,
            None,
            code=target[1].partition(":")[0],
            severity=DeviationSeverity(str(seen["severity"])),
            day=date.fromisoformat(str(seen["day"])),
            sentence=str(seen["sentence"]),
            evidence=(),
            rule=str(seen["rule"]),
        )

    def _view(
        self,
        target: Target,
        present: Seen | None,
        row: ReportedDeviation | None = None,
        **shown: Any,
    ) -> DeviationView:
        notes = self.kept.of(target)
        assessed = [
            Assessed(word=note.assessment, seen=note.seen) for note in notes if note.assessment
        ]
        subject_id = row.subject_id if row else target[0]
        return DeviationView(
            key=f"{REPORTED}:{row.id}" if row else target[1],
            origin="reported" if row else "derived",
            deviation_id=row.id if row else None,
            status=stand(present, assessed, retracted=row is not None and row.retracted),
            assessment=assessed[-1].word if assessed else None,
            notes=notes,
            subject_id=subject_id,
            subject_number=self.numbers[subject_id] if subject_id else None,
            site_id=row.site_id if row else None,
            **shown,
            **self.basis,
        )
