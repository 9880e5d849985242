"""What each subject adds to the metrics, drawn from the evidence; all counts are folds of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

from app.core.serialization import digest
from app.domain.evaluability import evaluability
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_conduct import SubjectConduct, draw_conduct
from app.domain.metrics_efficacy import TreatedSubject
from app.domain.metrics_enrolment import ScreenedSubject
from app.domain.metrics_laboratory import LaboratoryFacts, SubjectLaboratory, draw_laboratory
from app.domain.metrics_levels import EnrolledSubject
from app.domain.response import derive_response
from app.domain.response_confounded import read_without_confounded
from app.domain.vocabulary import DispositionEvent, SubjectStatus
from app.services.eligibility import weigh
from app.services.evidence import SubjectEvidence
from app.services.protocols import ActiveProtocol
from app.services.query_findings import query_facts
from app.services.response import response_analytes, response_facts
from app.services.schedules import plan_course
from app.services.subjects import status_of


def draw_subjects(
    found: Iterable[SubjectEvidence], protocol: ActiveProtocol, at: datetime
) -> list[MetricSubject]:
    """Draw what each of some subjects adds on the study day of `at`, from their whole evidence.

    Nobody is marked as replaced: that is told by the places of others.
    """
    return [_draw(evidence, protocol, at) for evidence in found]


def _draw(evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime) -> MetricSubject:
    place = evidence.place
    enrolled = _enrolled(evidence, protocol, at)
    return MetricSubject(
        subject_id=str(evidence.subject_id),
        number=evidence.subject.number,
        site_id=str(evidence.site_id),
        enrolment_id=str(place.enrolment_id) if place else None,
        replaces_id=str(place.replaces_id) if place and place.replaces_id else None,
        screened=_screened(evidence, protocol, enrolled),
        enrolled=enrolled,
        events=evidence.events,
        dispositions=evidence.dispositions,
        treated=_treated(evidence, protocol, at),
        laboratory=_laboratory(evidence, protocol, at),
        conduct=_conduct(evidence, protocol, at),
        transfusions=evidence.transfusions,
        digest=digest(evidence),
    )


def _screened(
    evidence: SubjectEvidence, protocol: ActiveProtocol, enrolled: EnrolledSubject | None
) -> ScreenedSubject:
    return ScreenedSubject(
        status=status_of(evidence, protocol.rules),
        screened_on=evidence.subject.screening_day,
        enrolled_on=evidence.place.day if evidence.place else None,
        first_infusion_on=enrolled.first_infusion_day if enrolled else None,
        left=frozenset(fact.event for fact in evidence.dispositions),
        failed_criteria=_failed_criteria(evidence, protocol),
    )


def _failed_criteria(evidence: SubjectEvidence, protocol: ActiveProtocol) -> tuple[str, ...]:
    """Weigh the criteria of a failed screening on the day it failed."""
    if status_of(evidence, protocol.rules) is not SubjectStatus.SCREEN_FAILED:
        return ()
    day = next(
        fact.day for fact in evidence.dispositions if fact.event is DispositionEvent.SCREEN_FAILED
    )
    noon = datetime.combine(day, time(12), ZoneInfo(protocol.rules.study.time_zone))
    return weigh(evidence, protocol, noon).failed


def _enrolled(
    evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime
) -> EnrolledSubject | None:
    """Judge how an enrolled subject counts for the level."""
    place, rules = evidence.place, protocol.rules
    if place is None:
        return None
    facts = evidence.dlt_facts(rules.dosing.level(place.dose_level))
    today, window = protocol.local_day(at), rules.schedule.infusion_window_days
    return EnrolledSubject(
        phase=place.phase,
        replaced=False,
        facts=facts,
        evaluability=evaluability(facts, today, rules.dlt, window),
    )


def _treated(
    evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime
) -> TreatedSubject | None:
    """Derive the response of whoever received an infusion of a recorded volume (C10)."""
    if evidence.place is None:
        return None
    rules, today = protocol.rules.response, protocol.local_day(at)
    analytes = response_analytes(protocol.rules)
    counted = replace(evidence, labs=tuple(x for x in evidence.labs if x.analyte in analytes))
    facts = response_facts(counted, protocol.rules)
    response = derive_response(facts, rules, today)
    if response.treatment is None:
        return None
    return TreatedSubject(
        level=evidence.place.dose_level,
        response=response,
        without_confounded=read_without_confounded(facts, rules, today),
    )


def _laboratory(
    evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime
) -> SubjectLaboratory:
    rules, today = protocol.rules, protocol.local_day(at)
    facts = LaboratoryFacts(
        level=evidence.place.dose_level if evidence.place else None,
        last_infusion=plan_course(evidence, rules, today).last_infusion,
        infusions=evidence.infusions,
        labs=evidence.labs,
        medications=evidence.medications,
        arrivals=evidence.arrivals,
    )
    return draw_laboratory(facts, rules.response, rules.schedule.visits, today)


def _conduct(evidence: SubjectEvidence, protocol: ActiveProtocol, at: datetime) -> SubjectConduct:
    rules = protocol.rules
    level = evidence.place.dose_level if evidence.place else None
    facts = query_facts(evidence, protocol, at)
    return draw_conduct(level, facts, rules.deviations.blood_count_visits, rules.eligibility)
