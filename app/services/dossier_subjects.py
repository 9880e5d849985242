"""The dossier's subjects: their places and windows, their events, and what would change them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from uuid import UUID

from app.domain.dlt_standing import DltStanding
from app.domain.event_candidates import event_candidates
from app.domain.facts import AdverseEvent
from app.domain.protocol import ProtocolDefinition
from app.domain.vocabulary import CohortPhase
from app.domain.what_if import Enrolled, WhatIf, what_if
from app.schemas.dossier import (
    DossierCandidate,
    DossierDecision,
    DossierEvent,
    DossierLevel,
    DossierSubject,
    MissingItem,
)
from app.services.adverse_event_conclusions import dlt_course
from app.services.evidence import SubjectEvidence
from app.services.evidence_decisions import RecordedDecision
from app.services.ladder import CountedSubject, Ladder

# What keeps a subject from counting because nobody has recorded it.
_GAPS = ("cells_not_recorded",)


def show_levels(ladder: Ladder, found: Sequence[SubjectEvidence]) -> tuple[DossierLevel, ...]:
    """List who was enrolled, by level from the lowest, the escalation before the expansion."""
    evidence = {each.subject_id: each for each in found}
    rules = ladder.protocol.rules
    levels = [
        DossierLevel(
            level=level,
            phase=phase,
            subjects=tuple(
                _subject(each, evidence[each.subject_id], rules)
                for each in ladder.subjects
                if (each.place.dose_level, each.place.phase) == (level, phase)
            ),
        )
        for level in ladder.state.levels
        for phase in (CohortPhase.ESCALATION, CohortPhase.EXPANSION)
    ]
    return tuple(each for each in levels if each.subjects)


def _subject(
    counted: CountedSubject, evidence: SubjectEvidence, rules: ProtocolDefinition
) -> DossierSubject:
    judged, level = counted.evaluability, rules.dosing.level(counted.place.dose_level)
    return DossierSubject(
        subject_id=counted.subject_id,
        subject_number=counted.number,
        slot=counted.place.slot,
        enrolled_on=counted.place.day,
        state=judged.state,
        has_dlt=judged.has_dlt,
        open_items=judged.open_items,
        reasons=judged.reasons,
        window=judged.window,
        first_infusion_day=judged.first_infusion_day,
        infusions_given=sum(infusion.given for infusion in evidence.infusions),
        infusions_planned=level.planned_infusions,
        exits=evidence.dispositions,
        rule=judged.rule,
    )


def show_decision(decision: RecordedDecision) -> DossierDecision:
    """Show a decision by what was decided and why; who did is in the list of decisions."""
    view = decision.view
    return DossierDecision(
        decision_id=view.id,
        round=view.round,
        action=view.action,
        dose_level=view.dose_level,
        status=view.status,
        rationale=view.rationale,
        recorded_at=view.recorded_at,
        verdict=view.verdict.verdict if view.verdict else None,
        verdict_rationale=view.verdict.rationale if view.verdict else None,
        digest=view.digest,
    )


def show_events(
    found: Sequence[SubjectEvidence], rules: ProtocolDefinition
) -> Iterator[DossierEvent]:
    """Show every event that counts, by subject and in the order of recording."""
    for evidence in found:
        course = dlt_course(evidence, rules)
        for event in evidence.events:
            yield _event(evidence, event, course.standings[event.id])


def _event(evidence: SubjectEvidence, event: AdverseEvent, standing: DltStanding) -> DossierEvent:
    return DossierEvent(
        adverse_event_id=UUID(event.id),
        version=event.version,
        subject_id=evidence.subject_id,
        subject_number=evidence.subject.number,
        dose_level=evidence.place.dose_level if evidence.place else None,
        term=event.term,
        soc=event.soc,
        worst_grade=event.grade,
        baseline_grade=event.baseline_grade,
        onset_day=event.onset_day,
        end_day=event.end_day,
        causality=event.causality,
        causality_disease=event.causality_disease,
        seriousness=tuple(sorted(event.seriousness)),
        dlt=standing,
    )


def show_candidates(found: Sequence[SubjectEvidence]) -> Iterator[DossierCandidate]:
    """Show what the laboratory results propose as events."""
    for evidence in found:
        candidates = event_candidates(
            evidence.infusions, evidence.labs, evidence.medications, evidence.events
        )
        for candidate in candidates:
            yield DossierCandidate(
                subject_id=evidence.subject_id,
                subject_number=evidence.subject.number,
                **asdict(candidate),
            )


def gaps(ladder: Ladder) -> Iterator[MissingItem]:
    """Name what keeps subjects from counting because it is not on record."""
    for subject in ladder.subjects:
        for reason in subject.evaluability.reasons:
            if reason.code in _GAPS:
                yield MissingItem(
                    subject_id=subject.subject_id,
                    subject_number=subject.number,
                    code=reason.code,
                    message=reason.message,
                    day=None,
                    rule=subject.evaluability.rule,
                )


def suppose(ladder: Ladder, found: Sequence[SubjectEvidence]) -> tuple[WhatIf, ...]:
    """Draw the ladder again for each outcome that is still out."""
    evidence = {each.subject_id: each for each in found}
    rules = ladder.protocol.rules
    enrolled = [
        Enrolled(
            id=str(each.subject_id),
            level=each.place.dose_level,
            phase=each.place.phase,
            course=evidence[each.subject_id].dlt_facts(rules.dosing.level(each.place.dose_level)),
            evaluability=each.evaluability,
        )
        for each in ladder.subjects
    ]
    return what_if(enrolled, ladder.facts, ladder.state, rules)
