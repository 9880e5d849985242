"""Enrolments whose eligibility, or whose place, reads differently now for the day they were made.

The same comparison of criteria serves the signatures on an eligibility.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from app.domain.escalation_steps import LadderAction
from app.domain.evaluability import EvaluabilityState
from app.domain.evidence_moved import MovedType
from app.models import Enrolment
from app.schemas.evidence_moved import DifferenceView, Movement
from app.services.eligibility import draw_eligibility
from app.services.evidence import SubjectEvidence
from app.services.hindsight import Hindsight, Made
from app.services.ladder import Ladder
from app.services.moved_judgements import judgement_moves
from app.services.moved_ranges import range_moves
from app.services.moved_results import Results
from app.services.movements import Move, Moved, difference, plain, record_moves

# What a criterion says; ids, notes and when something was written down may differ without.
_SAID = ("outcome", "permits_entry", "value", "comparator", "unit", "date")
_READ = ("name", "holds", "value", "comparator", "unit", "date", "limit")
_READ_TABLES = ("subject", "assessment", "concomitant_medication", "transfusion")
DrawLadder = Callable[[Made], Ladder | None]


def made_at(past: Hindsight, row: Enrolment) -> Made:
    """Return when a place was given; earlier releases kept no study day with it."""
    day = row.evidence.get("study_day")
    if day is None:
        return past.made(row.recorded_at, row.recorded_at)
    return past.made_on(row.recorded_at, date.fromisoformat(day))


def evidence_ids(criteria: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Name the records behind criteria."""
    for criterion in criteria:
        yield from criterion["evidence"]


def eligibility_in_hindsight(
    past: Hindsight, subject_id: UUID, made: Made, stored: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Weigh the criteria as of a moment; the plan for the first infusion is the one of then."""
    found = past.protocols.on(made.at.day)
    if found is None:
        return None
    evidence = past.evidence(subject_id, made)
    planned = date.fromisoformat(stored["reference_date"])
    subject = replace(evidence.subject, planned_first_infusion_day=planned)
    weighed = draw_eligibility(replace(evidence, subject=subject), found[0], made.at.instant)
    drawn: Mapping[str, Any] = plain(weighed)
    return drawn


def criteria_differences(
    stored: Mapping[str, Any], present: Mapping[str, Any] | None
) -> tuple[DifferenceView, ...]:
    """Compare the verdict and every criterion."""
    if present is None:
        return difference("verdict", stored["verdict"], None)
    new = {each["id"]: _said(each) for each in present["criteria"]}
    parts = difference("verdict", stored["verdict"], present["verdict"])
    for criterion in stored["criteria"]:
        name = criterion["id"]
        parts += difference(f"criterion {name}", _said(criterion), new.pop(name, None))
    for name, said in new.items():
        parts += difference(f"criterion {name}", None, said)
    return parts


def criteria_moves(
    past: Hindsight,
    made: Made,
    subject: tuple[UUID, Results],
    sides: tuple[Mapping[str, Any], Mapping[str, Any] | None],
    changed: Iterable[DifferenceView],
) -> tuple[Move, ...]:
    """Name the records that moved behind the criteria that changed, each record once.

    An answer given since is one of them: the latest counts. Where no record behind a criterion
    moved, what decides whether it concerns the subject did: any of the others.
    """
    found: dict[UUID, Move] = {}
    for each in changed:
        name = each.name.removeprefix("criterion ")
        criteria = [one for side in sides if side for one in side["criteria"] if one["id"] == name]
        if criteria:
            moves = _behind(past, made, subject, set(evidence_ids(criteria)))
            others = past.records_of(subject[0], *_READ_TABLES)
            moves = moves or record_moves(past, made, others)
            found |= {move.record_id: move for move in moves}
    return tuple(found.values())


def _behind(
    past: Hindsight, made: Made, subject: tuple[UUID, Results], ids: set[str]
) -> tuple[Move, ...]:
    """Name the records that moved among those with these ids."""
    subject_id, results = subject
    return (
        *record_moves(past, made, map(UUID, sorted(ids))),
        *results.moves(made, sorted(ids)),
        *range_moves(past, made, subject_id, ids),
        *_answers(past.present[subject_id], made, ids),
    )


def moved_enrolments(
    past: Hindsight, rows: Iterable[Enrolment], results: Results, draw: DrawLadder
) -> Iterator[Moved]:
    """Find the enrolments whose basis moved."""
    for row in rows:
        stored = row.evidence.get("eligibility")
        if stored is None:
            continue
        made = made_at(past, row)
        present = eligibility_in_hindsight(past, row.subject_id, made, stored)
        criteria = criteria_differences(stored, present)
        subject = row.subject_id, results
        moves = criteria_moves(past, made, subject, (stored, present), criteria)
        place, held = _place(past, made, row, draw)
        if criteria or place:
            yield _moved(past, row, (*criteria, *place), (*moves, *held))


def _moved(
    past: Hindsight,
    row: Enrolment,
    conclusion: tuple[DifferenceView, ...],
    moves: tuple[Move, ...],
) -> Moved:
    number = past.present[row.subject_id].subject.number
    return Moved(
        type=MovedType.ENROLMENT,
        id=row.id,
        title=f"Enrolment of {number}",
        subject_id=row.subject_id,
        record_type=row.__tablename__,
        record_id=row.id,
        made_at=row.recorded_at,
        made_by=None,
        operation_id=row.operation_id,
        basis_digest=row.evidence_digest,
        conclusion=conclusion,
        moves=moves,
    )


def _said(criterion: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a criterion says of the subject."""
    said: dict[str, Any] = {name: criterion.get(name) for name in _SAID}
    said["readings"] = [
        {name: reading.get(name) for name in _READ} for reading in criterion.get("readings", ())
    ]
    return said


def _answers(evidence: SubjectEvidence, made: Made, ids: set[str]) -> Iterator[Move]:
    for answer in evidence.attestations:
        if answer.id in ids and answer.at >= made.known:
            yield Move(
                record_type="attestation",
                record_id=UUID(answer.id),
                subject_id=evidence.subject_id,
                movement=Movement.RECORDED,
                version_before=None,
                changes=(),
                writes=(),
            )


def _place(
    past: Hindsight, made: Made, row: Enrolment, draw: DrawLadder
) -> tuple[tuple[DifferenceView, ...], tuple[Move, ...]]:
    """Tell whether the ladder would have given the place, and whose slot it was."""
    ladder = draw(made)
    if ladder is None:
        return difference("place", "open", None), ()
    own = past.present[row.subject_id].place
    level = (own.dose_level, own.phase) if own else None
    found = ladder.recommendation
    is_open = found.action is LadderAction.ENROL and ladder.open_place == level
    codes = sorted({reason.code for reason in found.reasons})
    parts = difference("place", "open", "open" if is_open else {"refused": codes})
    parts += _replaced(ladder, row.replaces_id)
    if not parts:
        return (), ()
    ids = (UUID(each) for one in ladder.subjects for each in one.evaluability.evidence)
    moves = record_moves(past, made, ids)
    judged = judgement_moves(past, made, (each.subject_id for each in ladder.subjects))
    return parts, moves or tuple(judged)


def _replaced(ladder: Ladder, replaces_id: UUID | None) -> tuple[DifferenceView, ...]:
    """Tell whether the subject that was replaced is one that is not evaluable."""
    for each in ladder.subjects:
        if each.place.enrolment_id == replaces_id:
            before, now = EvaluabilityState.NOT_EVALUABLE, each.evaluability.state
            return difference("replaced_subject", before, now, each.subject_id)
    return ()
