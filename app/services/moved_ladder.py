"""Decisions about the ladder, and the verdicts on them, whose evidence reads differently now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.domain.errors import DomainError
from app.domain.escalation import require_admissible
from app.domain.escalation_rules import DecisionAction
from app.domain.evidence_moved import MovedType
from app.models.escalation import Verdict
from app.schemas.decisions import DecisionStatus
from app.schemas.evidence_moved import DifferenceView, Movement
from app.services.evidence_decisions import RecordedDecision
from app.services.hindsight import COUNTED, Hindsight, Made
from app.services.ladder import Ladder, draw_ladder
from app.services.moved_judgements import judgement_moves
from app.services.movements import Move, Moved, Write, difference, plain, record_moves

_STEP = ("action", "level", "target_level")
_STANDING = ("state", "has_dlt", "open_items")
_UUID_LENGTH = 36
_GIVEN_UP = (DecisionStatus.REJECTED, DecisionStatus.WITHDRAWN)


def moved_decisions(past: Hindsight, decisions: tuple[RecordedDecision, ...]) -> Iterator[Moved]:
    """Find the decisions, expansions and verdicts whose evidence moved.

    A proposal that was given up binds nobody; the word that rejected it rested on its evidence.
    """
    for each in decisions:
        if not each.row.evidence.get("subjects"):
            continue
        decision = _drawn_again(past, decisions, each)
        if decision is None:
            continue
        if each.status not in _GIVEN_UP:
            yield decision
        if each.verdict is not None and each.verdict.verdict is not Verdict.WITHDRAWN:
            yield replace(
                decision,
                type=MovedType.VERDICT,
                id=each.verdict.id,
                title=f"Round {each.row.round}: {each.row.action} {each.verdict.verdict.value}",
                record_type=each.verdict.__tablename__,
                made_at=each.verdict.recorded_at,
                made_by=each.verdict.given_by,
                operation_id=each.verdict.operation_id,
            )


def ladder_in_hindsight(
    past: Hindsight, decisions: tuple[RecordedDecision, ...], made: Made
) -> Ladder | None:
    """Draw the ladder of a moment from what is known now; None if no protocol was in force then."""
    found = past.protocols.on(made.at.day)
    if found is None:
        return None
    evidence = [past.counted(subject_id, made) for subject_id in past.present]
    return draw_ladder(found[0], evidence, _known(decisions, made.known), made.at.day)


def _known(
    decisions: tuple[RecordedDecision, ...], moment: datetime
) -> tuple[RecordedDecision, ...]:
    """Return the decisions before a moment; what was confirmed later was only proposed."""
    return tuple(
        replace(each, verdict=None, status=DecisionStatus.PROPOSED)
        if each.verdict is not None and each.verdict.recorded_at >= moment
        else each
        for each in decisions
        if each.row.recorded_at < moment
    )


def _drawn_again(
    past: Hindsight, decisions: tuple[RecordedDecision, ...], each: RecordedDecision
) -> Moved | None:
    """Hold a decision against the ladder as it is drawn now for the same day."""
    row = each.row
    day = date.fromisoformat(row.recommendation["today"])
    made = past.made_on(row.recorded_at, day)
    ladder = ladder_in_hindsight(past, decisions, made)
    present = plain(ladder.evidence) if ladder else {"subjects": [], "triggers": []}
    standings = tuple(_standings(row.evidence, present))
    conclusion = (*_step(each, ladder), *_frame(row.evidence, present), *standings)
    touched = {part.subject_id for part in standings}
    moves = record_moves(past, made, _rested_on(row.evidence, present))
    known = {move.record_id for move in moves}
    judged = judgement_moves(past, made, touched)
    moves += tuple(move for move in judged if move.record_id not in known)
    unexplained = touched - {move.subject_id for move in moves}
    moves += record_moves(past, made, _all_of(past, unexplained))
    moves += _amended(past, made, row.evidence)
    if not conclusion and not moves:
        return None
    expansion = row.action == DecisionAction.OPEN_EXPANSION
    return Moved(
        type=MovedType.EXPANSION if expansion else MovedType.DECISION,
        id=row.id,
        title=f"Round {row.round}: {row.action}{_on_level(row.dose_level)}",
        subject_id=None,
        record_type=row.__tablename__,
        record_id=row.id,
        made_at=row.recorded_at,
        made_by=row.proposed_by,
        operation_id=row.operation_id,
        basis_digest=row.digest,
        conclusion=conclusion,
        moves=moves,
    )


def _on_level(level: str | None) -> str:
    return f" to level {level}" if level else ""


def _step(each: RecordedDecision, ladder: Ladder | None) -> tuple[DifferenceView, ...]:
    """Compare what was recommended, and whether the decision could be taken on what is known."""
    before = {name: each.row.recommendation[name] for name in _STEP}
    if ladder is None:
        return difference("recommendation", before, None)
    after = {name: plain(getattr(ladder.recommendation, name)) for name in _STEP}
    parts = difference("recommendation", before, after)
    try:
        require_admissible(ladder.recommendation, each.fact)
    except DomainError as refusal:
        parts += difference("admissible", True, {"refused": refusal.code})
    return parts


def _frame(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[DifferenceView, ...]:
    """Compare what is of no single subject: the protocol, and what holds the trial."""
    held, holds = (sorted(map(_held_by, side.get("triggers", ()))) for side in (before, after))
    return (
        *difference("protocol", before.get("protocol"), after.get("protocol")),
        *difference("hold_triggers", held, holds),
    )


def _standings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[DifferenceView]:
    """Compare how each subject counted."""
    old, new = (
        {each["subject_id"]: {name: each[name] for name in _STANDING} for each in side["subjects"]}
        for side in (before, after)
    )
    for subject in dict.fromkeys((*old, *new)):
        yield from difference("subject", old.get(subject), new.get(subject), UUID(subject))


def _rested_on(*sides: Mapping[str, Any]) -> Iterator[UUID]:
    """Name the records behind both conclusions."""
    for side in sides:
        for subject in side["subjects"]:
            yield from (UUID(each["id"]) for each in subject["evidence"])
        held_by = map(_held_by, side.get("triggers", ()))
        yield from (UUID(each) for each in held_by if len(each) == _UUID_LENGTH)


def _held_by(trigger: Mapping[str, Any]) -> str:
    """Name what holds the trial: the event without its version, or the count of DLTs."""
    name: str = trigger["id"]
    event, _, _ = name.partition(":")
    return event if len(event) == _UUID_LENGTH else name


def _all_of(past: Hindsight, subjects: set[UUID | None]) -> Iterator[UUID]:
    for subject_id in subjects:
        if subject_id is not None:
            yield from past.records_of(subject_id, *COUNTED)


def _amended(past: Hindsight, made: Made, before: Mapping[str, Any]) -> tuple[Move, ...]:
    """Name the activation that put another protocol into force for a day gone by."""
    found = past.protocols.on(made.at.day)
    if found is None or found[0].digest == before.get("protocol", {}).get("digest"):
        return ()
    signed = found[1]
    return (
        Move(
            record_type=signed.__tablename__,
            record_id=signed.id,
            subject_id=None,
            movement=Movement.RECORDED,
            version_before=None,
            changes=(),
            writes=(Write(None, signed.recorded_at, signed.operation_id),),
        ),
    )
