"""Signatures on records and conclusions that read differently now than what was signed.

A decision's own signature, and that of a verdict or an adjudication, is told with the act itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import from_json
from app.domain.evidence_moved import MovedType
from app.domain.hindsight import moved_fields
from app.domain.signing import VersionChange, says_the_same, void_from
from app.models import Signature
from app.schemas.evidence_moved import DifferenceView
from app.services.hindsight import Hindsight, Made
from app.services.history import as_of
from app.services.moved_enrolments import (
    criteria_differences,
    criteria_moves,
    eligibility_in_hindsight,
    evidence_ids,
)
from app.services.moved_results import Results
from app.services.movements import (
    Move,
    Moved,
    difference,
    movement,
    newer,
    plain,
    record_moves,
    writes_since,
)
from app.services.record_versions import Version
from app.services.response import draw_response, response_analytes
from app.services.signable import DOCUMENTS, Source

ACTS = frozenset({"escalation_decision", "decision_verdict", "dlt_adjudication"})
ELIGIBILITY, RESPONSE, CASEBOOK = "eligibility", "response", "casebook"
_CONCLUSIONS = (ELIGIBILITY, RESPONSE)
_RESPONSE_TABLES = ("infusion", "transfusion", "concomitant_medication", "disposition")
# What names the evidence or the day, not what follows.
_NO_CONCLUSION = {"subject_id", "number", "evidence_digest", "protocol_digest", "study_day"}
# Too long to be told twice; that they differ is enough to open the record.
_LONG = {"lineages", "sensitivity", "without_confounded"}
BOOKKEEPING = {"version", "operation_id", "recorded_at"}


@dataclass(frozen=True, slots=True)
class SignedContent:
    """A signature, with what was signed where a conclusion was."""

    row: Any
    content: Mapping[str, Any] | None


async def load_signatures(
    session: AsyncSession, study_id: UUID, past: datetime | None
) -> Sequence[SignedContent]:
    """Read all signatures; the documents only of conclusions, the others are in the trail."""
    entity: Any = as_of(Signature, study_id, past)
    names = [column.key for column in Signature.__table__.c if column.key != "document"]
    document = case((entity.record_type.in_(_CONCLUSIONS), entity.document)).label("document")
    query = select(*(getattr(entity, name) for name in names), document).where(
        entity.study_id == study_id
    )
    return [
        SignedContent(row, from_json(row.document)["content"] if row.document else None)
        for row in await session.execute(query.order_by(entity.id))
    ]


def signed_results(signed: Iterable[SignedContent]) -> Iterator[str]:
    """Name the records behind the criteria that were signed."""
    for each in signed:
        if each.row.record_type == ELIGIBILITY and each.content is not None:
            yield from evidence_ids(each.content["criteria"])


def responses(signed: Iterable[SignedContent]) -> list[SignedContent]:
    """Pick the signatures on a response."""
    return [each for each in signed if each.row.record_type == RESPONSE]


def moved_signatures(
    past: Hindsight, signed: Sequence[SignedContent], results: Results
) -> Iterator[Moved]:
    """Find the signatures on records, and on conclusions, that moved; casebooks are apart."""
    series: defaultdict[tuple[Any, ...], list[tuple[datetime, UUID]]] = defaultdict(list)
    for each in signed:
        series[series_of(each.row)].append((each.row.recorded_at, each.row.id))
    for each in signed:
        found = _held_against_now(past, each, results)
        if found is not None:
            yield replace(found, renewed_by=newer(each.row.id, series[series_of(each.row)]))


def series_of(row: Any) -> tuple[Any, ...]:
    """Tell which signatures say the same of the same thing; the last of them counts."""
    return row.record_type, row.record_id, row.meaning


def as_moved(
    row: Any, conclusion: tuple[DifferenceView, ...], moves: tuple[Move, ...], subject: UUID | None
) -> Moved:
    """Tell of a signature that it moved."""
    return Moved(
        type=MovedType.SIGNATURE,
        id=row.id,
        title=f"{row.printed_name} signed {row.record_type.replace('_', ' ')} ({row.meaning})",
        subject_id=subject,
        record_type=row.record_type,
        record_id=row.record_id,
        made_at=row.recorded_at,
        made_by=row.signer_id,
        operation_id=row.operation_id,
        basis_digest=row.digest,
        conclusion=conclusion,
        moves=moves,
    )


def _held_against_now(past: Hindsight, each: SignedContent, results: Results) -> Moved | None:
    row, kind = each.row, DOCUMENTS.get(each.row.record_type)
    if kind is None or row.record_type in ACTS:
        return None
    if each.content is not None:
        made = past.made(row.recorded_at, row.as_of)
        compare = _eligibility if row.record_type == ELIGIBILITY else _response
        conclusion, moves = compare(past, made, each, results)
        if not conclusion and not moves:
            return None
        return as_moved(row, conclusion, moves, row.record_id)
    return _record(past, row, kind.source) if kind.source else None


def _eligibility(
    past: Hindsight, made: Made, each: SignedContent, results: Results
) -> tuple[tuple[DifferenceView, ...], tuple[Move, ...]]:
    assert each.content is not None
    subject_id: UUID = each.row.record_id
    present = eligibility_in_hindsight(past, subject_id, made, each.content)
    parts = criteria_differences(each.content, present)
    sides = (each.content, present)
    return parts, criteria_moves(past, made, (subject_id, results), sides, parts)


def _response(
    past: Hindsight, made: Made, each: SignedContent, results: Results
) -> tuple[tuple[DifferenceView, ...], tuple[Move, ...]]:
    """Draw the response of the day again; it rests on every count and transfusion before it."""
    assert each.content is not None
    found, subject_id = past.protocols.on(made.at.day), each.row.record_id
    if found is None:
        return difference("response", "drawn", None, subject_id), ()
    evidence, analytes = past.evidence(subject_id, made), response_analytes(found[0].rules)
    labs = tuple(lab for lab in evidence.labs if lab.analyte in analytes)
    drawn = draw_response(replace(evidence, labs=labs), found[0], made.at.instant)
    present = plain(drawn)
    parts = tuple(
        part
        for name, before in each.content.items()
        if name not in _NO_CONCLUSION and not says_the_same(before, present.get(name))
        for part in _told(name, before, present.get(name), subject_id)
    )
    moves = (
        *record_moves(past, made, past.records_of(subject_id, *_RESPONSE_TABLES)),
        *results.moves(made, results.of(subject_id, analytes)),
    )
    if parts and not moves:
        # A death that only a fatal event tells of ends the observation.
        moves = record_moves(past, made, past.records_of(subject_id, "adverse_event"))
    return parts, moves


def _told(name: str, before: Any, after: Any, subject_id: UUID) -> tuple[DifferenceView, ...]:
    if name in _LONG:
        before, after = "as signed", "differs"
    return difference(name, before, after, subject_id)


def _record(past: Hindsight, row: Any, source: Source) -> Moved | None:
    """Hold a signature against the versions of its record after the one that was signed."""
    versions = past.versions.of(row.record_id)
    steps = [
        VersionChange(new.image["version"], _changed(old, new)) for old, new in pairwise(versions)
    ]
    first = void_from(row.record_version, steps, source.watched)
    if first is None:
        return None
    signed = next(each for each in versions if each.image["version"] == row.record_version)
    last = versions[-1]
    now = None if last.image.get("retracted") else last.image
    read = source.watched or signed.image.keys() - BOOKKEEPING
    subject_id = last.image.get("subject_id")
    move = Move(
        record_type=source.table.__tablename__,
        record_id=row.record_id,
        subject_id=subject_id,
        movement=movement(signed.image, now),
        version_before=row.record_version,
        changes=moved_fields(signed.image, now or {}, read),
        writes=writes_since(past, row.record_id, signed.since)[1:],
    )
    parts = difference("record_version", row.record_version, last.image["version"])
    return as_moved(row, parts, (move,), subject_id)


def _changed(old: Version, new: Version) -> frozenset[str]:
    return frozenset(
        name for name in new.image if name != "version" and old.image[name] != new.image[name]
    )
