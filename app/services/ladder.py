"""The ladder from the records: which subjects count, how, and what evidence that is.

What is locked: whoever enrols or decides holds the study's lock (`lock_study`), whoever writes a
fact that is counted here shares it (`share_study`), so that a decision sees every fact that was
stored before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.serialization import digest
from app.domain.committee import LadderState, replay
from app.domain.dlt import falls_in_window
from app.domain.escalation import Recommendation, recommend
from app.domain.evaluability import Evaluability, evaluability
from app.domain.facts import AdverseEvent
from app.domain.ladder import Counted, LadderFacts, count_ladder, hold_triggers
from app.domain.protocol import ProtocolDefinition
from app.domain.vocabulary import CohortPhase
from app.models import Disposition, Infusion
from app.schemas.decisions import DecisionStatus
from app.services.access import Actor
from app.services.evidence import Place, Scope, SubjectEvidence, load_subjects
from app.services.evidence_decisions import RecordedDecision, load_decisions
from app.services.protocols import ActiveProtocol, active_protocol

_COUNTED_TABLES = (Infusion, Disposition)
# What a passing day alone can change about a recommendation: closing windows change its step.
_STEP = ("action", "level", "target_level", "permitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSubject:
    """An enrolled subject, how it counts, and the version of each fact behind that."""

    subject_id: UUID
    site_id: UUID
    number: str
    place: Place
    evaluability: Evaluability
    versions: Mapping[str, int]
    events_since_dosing: tuple[AdverseEvent, ...]

    @property
    def counted(self) -> Counted:
        """The subject as the ladder counts it."""
        return Counted(self.place.dose_level, self.place.phase, self.evaluability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The ladder at a moment; `evidence` is all its recommendation rests on, except the day.

    `digest` names the evidence and the step that follows from it.
    """

    protocol: ActiveProtocol
    subjects: tuple[CountedSubject, ...]
    decisions: tuple[RecordedDecision, ...]
    facts: LadderFacts
    recommendation: Recommendation
    evidence: dict[str, Any]
    digest: str

    @property
    def state(self) -> LadderState:
        """Where the decisions in force have brought the ladder."""
        return self.recommendation.state

    @property
    def open_place(self) -> tuple[str, CohortPhase] | None:
        """The level and phase that subjects are enrolled in, if any is open."""
        if self.state.expansion_level is not None:
            return self.state.expansion_level, CohortPhase.EXPANSION
        return (self.state.open_level, CohortPhase.ESCALATION) if self.state.open_level else None

    @property
    def open_proposal(self) -> RecordedDecision | None:
        """The proposal that waits for its verdict; there is one at most."""
        waiting = (each for each in self.decisions if each.status is DecisionStatus.PROPOSED)
        return next(waiting, None)


async def read_ladder(
    session: AsyncSession, actor: Actor, at: datetime, past: datetime | None = None
) -> Ladder:
    """Draw the ladder on the study day of `at` from what was known at `past` (None is now)."""
    protocol = await active_protocol(session, actor.study_id, at, past)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), past)
    found = await load_subjects(session, scope, _COUNTED_TABLES)
    decisions = await load_decisions(session, actor.study_id, past)
    return draw_ladder(protocol, found, decisions, at.astimezone(scope.zone).date())


def draw_ladder(
    protocol: ActiveProtocol,
    found: Iterable[SubjectEvidence],
    decisions: tuple[RecordedDecision, ...],
    today: date,
) -> Ladder:
    """Draw the ladder on a study day from what is given; of subjects, only enrolled ones count."""
    subjects = tuple(
        _count(evidence, evidence.place, protocol.rules, today)
        for evidence in found
        if evidence.place
    )
    levels = tuple(level.name for level in protocol.rules.dosing.levels)
    in_force = (each.fact for each in decisions if each.status is DecisionStatus.IN_FORCE)
    state = replay(levels, in_force)
    facts = _facts(subjects, state, protocol.rules, today)
    recommendation = recommend(facts, state, protocol.rules.escalation)
    evidence = _evidence(protocol, subjects, state, facts)
    return Ladder(
        protocol=protocol,
        subjects=subjects,
        decisions=decisions,
        facts=facts,
        recommendation=recommendation,
        evidence=evidence,
        digest=digest(
            {"evidence": evidence, "step": {name: getattr(recommendation, name) for name in _STEP}}
        ),
    )


def _count(
    evidence: SubjectEvidence, place: Place, rules: ProtocolDefinition, today: date
) -> CountedSubject:
    """Judge how an enrolled subject counts on a day."""
    facts = evidence.dlt_facts(rules.dosing.level(place.dose_level))
    judged = evaluability(facts, today, rules.dlt, rules.schedule.infusion_window_days)
    since_dosing = replace(judged.window, end_day=None) if judged.window else None
    return CountedSubject(
        subject_id=evidence.subject_id,
        site_id=evidence.site_id,
        number=evidence.subject.number,
        place=place,
        evaluability=judged,
        # A death that an event tells of has the event's id, and so its version.
        versions={fact.id: fact.version for fact in evidence.dispositions}
        | {fact.id: fact.version for fact in evidence.infusions}
        | {fact.id: fact.version for fact in evidence.events},
        events_since_dosing=tuple(
            event
            for event in evidence.events
            if since_dosing and falls_in_window(event, since_dosing)
        ),
    )


def _facts(
    subjects: tuple[CountedSubject, ...],
    state: LadderState,
    rules: ProtocolDefinition,
    today: date,
) -> LadderFacts:
    """Count the subjects and find what holds the trial."""
    triggers = hold_triggers(
        (event for subject in subjects for event in subject.events_since_dosing),
        rules.escalation.hold_triggers,
        rules.dlt.relatedness,
    )
    return count_ladder([subject.counted for subject in subjects], state, today, triggers)


def _evidence(
    protocol: ActiveProtocol,
    subjects: tuple[CountedSubject, ...],
    state: LadderState,
    facts: LadderFacts,
) -> dict[str, Any]:
    """Put together what the recommendation rests on: rules, decisions, counts, subjects, facts."""
    return {
        "protocol": {"number": protocol.number, "digest": protocol.digest},
        "state": state,
        "levels": facts.levels,
        "expansions": facts.expansions,
        "pooled_outcomes": facts.pooled_outcomes,
        "triggers": facts.triggers,
        "subjects": [
            {
                "subject_id": subject.subject_id,
                "dose_level": subject.place.dose_level,
                "phase": subject.place.phase,
                "slot": subject.place.slot,
                "state": subject.evaluability.state,
                "has_dlt": subject.evaluability.has_dlt,
                "open_items": subject.evaluability.open_items,
                "evidence": [
                    {"id": fact, "version": subject.versions.get(fact, 1)}
                    for fact in subject.evaluability.evidence
                ],
            }
            for subject in subjects
        ],
    }
