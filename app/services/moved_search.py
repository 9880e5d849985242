"""The search for what moved: everything is read once, then held against the same moments again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.evidence_moved import MovedType
from app.models import DltAdjudication, Enrolment
from app.services.access import Actor
from app.services.evidence_decisions import load_decisions
from app.services.hindsight import Hindsight, Made, load_hindsight
from app.services.history import rows
from app.services.ladder import Ladder
from app.services.moved_adjudications import moved_adjudications
from app.services.moved_casebooks import moved_casebooks
from app.services.moved_enrolments import evidence_ids, made_at, moved_enrolments
from app.services.moved_ladder import ladder_in_hindsight, moved_decisions
from app.services.moved_results import Results, load_results
from app.services.moved_signatures import (
    ELIGIBILITY,
    SignedContent,
    load_signatures,
    moved_signatures,
    responses,
    signed_results,
)
from app.services.movements import Moved
from app.services.response import response_analytes


@dataclass(frozen=True, slots=True)
class Found:
    """What moved, what it was held against, and all signatures."""

    past: Hindsight
    moved: Sequence[Moved]
    signed: Sequence[SignedContent]

    def signatures_on(self, each: Moved) -> tuple[UUID, ...]:
        """Name the signatures that were put on an act, such as a decision, when it was done."""
        if each.type is MovedType.SIGNATURE:
            return ()
        key = (each.record_type, each.record_id)
        return tuple(
            found.row.id
            for found in self.signed
            if (found.row.record_type, found.row.record_id) == key
        )


async def find_moved(session: AsyncSession, actor: Actor, moment: datetime | None) -> Found:
    """Find everything whose basis reads differently at a moment (None is now), of all sites."""
    study_id = actor.study_id
    past = await load_hindsight(session, actor, moment)
    decisions = await load_decisions(session, study_id, moment)
    enrolments = (await session.scalars(rows(Enrolment, study_id, moment))).all()
    adjudications = (await session.scalars(rows(DltAdjudication, study_id, moment))).all()
    signed = await load_signatures(session, study_id, moment)
    results = await _results(session, actor, past, (enrolments, signed), moment)

    def draw(made: Made) -> Ladder | None:
        return ladder_in_hindsight(past, decisions, made)

    moved = [
        *moved_decisions(past, decisions),
        *moved_enrolments(past, enrolments, results, draw),
        *moved_adjudications(past, adjudications, _drawn_for(signed)),
        *moved_signatures(past, signed, results),
        *await moved_casebooks(session, actor, past, signed, moment),
    ]
    return Found(past, moved, signed)


def _drawn_for(signed: Iterable[SignedContent]) -> dict[UUID, datetime]:
    """Tell for which moment each signature on an adjudication was drawn."""
    kind = DltAdjudication.__tablename__
    return {each.row.record_id: each.row.as_of for each in signed if each.row.record_type == kind}


async def _results(
    session: AsyncSession,
    actor: Actor,
    past: Hindsight,
    resting: tuple[Sequence[Enrolment], Sequence[SignedContent]],
    moment: datetime | None,
) -> Results:
    """Read the results that eligibility rested on, those that came since, and those of response."""
    enrolments, signed = resting
    judged = [
        *((row.subject_id, made_at(past, row)) for row in enrolments),
        *(
            (each.row.record_id, past.made(each.row.recorded_at, each.row.as_of))
            for each in signed
            if each.row.record_type == ELIGIBILITY
        ),
    ]
    ids = {
        *(lab_id for subject_id, made in judged for lab_id in _since(past, subject_id, made)),
        *(lab_id for row in enrolments for lab_id in _stored(row)),
        *signed_results(signed),
    }
    subjects = {each.row.record_id for each in responses(signed)}
    wanted = (ids, subjects, _response_analytes(past, signed))
    return await load_results(session, actor.study_id, wanted, moment)


def _since(past: Hindsight, subject_id: UUID, made: Made) -> Iterator[str]:
    """Name the results of a time gone by that were stated, or corrected, since."""
    for lab in past.present[subject_id].labs:
        if lab.known_at is not None and lab.known_at >= made.known and made.at.has_seen(lab.at):
            yield lab.id


def _stored(row: Enrolment) -> Iterator[str]:
    yield from evidence_ids(row.evidence.get("eligibility", {}).get("criteria", ()))


def _response_analytes(past: Hindsight, signed: Iterable[SignedContent]) -> frozenset[str]:
    """Name the analytes of the responses that were signed."""
    days = {each.row.as_of.astimezone(past.zone).date() for each in responses(signed)}
    found = (past.protocols.on(day) for day in days)
    return frozenset(
        analyte for each in found if each for analyte in response_analytes(each[0].rules)
    )
