"""An adverse event as an R4 AdverseEvent, with the CTCAE grade beside R4's coarser severity."""

from __future__ import annotations

from typing import Any

from app.domain.vocabulary import AdverseEventOutcome, Causality, SeriousnessCriterion
from app.interop.fhir.primitives import Resource, concept, instant, patient, present, study
from app.interop.fhir.terms import CTCAE_GRADE_EXTENSION, CTCAE_TERM, INFUSION, TERMINOLOGY
from app.models import AdverseEvent
from app.services.fhir_events import EventOfSubject

_SEVERITY = f"{TERMINOLOGY}/adverse-event-severity"
_SERIOUSNESS = f"{TERMINOLOGY}/adverse-event-seriousness"
_OUTCOME = f"{TERMINOLOGY}/adverse-event-outcome"
_CAUSALITY = f"{TERMINOLOGY}/adverse-event-causality-assess"

_SERIOUS = {
    SeriousnessCriterion.DEATH: "SeriousResultsInDeath",
    SeriousnessCriterion.LIFE_THREATENING: "SeriousIsLifeThreatening",
    SeriousnessCriterion.HOSPITALIZATION: "SeriousResultsInHospitalization",
    SeriousnessCriterion.DISABILITY: "SeriousResultsInDisability",
    SeriousnessCriterion.CONGENITAL_ANOMALY: "SeriousIsBirthDefect",
    SeriousnessCriterion.MEDICALLY_IMPORTANT: "SeriousRequiresPreventImpairment",
}
_OUTCOMES = {
    AdverseEventOutcome.RECOVERED: "resolved",
    AdverseEventOutcome.RECOVERING: "recovering",
    AdverseEventOutcome.NOT_RECOVERED: "ongoing",
    AdverseEventOutcome.RECOVERED_WITH_SEQUELAE: "resolvedWithSequelae",
    AdverseEventOutcome.FATAL: "fatal",
    AdverseEventOutcome.UNKNOWN: "unknown",
}
# The scale of WHO-UMC has no word for unrelated, so that is said as text.
_ASSESSMENTS = {
    Causality.DEFINITE: concept(_CAUSALITY, "Certain"),
    Causality.PROBABLE: concept(_CAUSALITY, "Probably-Likely"),
    Causality.POSSIBLE: concept(_CAUSALITY, "Possible"),
    Causality.UNLIKELY: concept(_CAUSALITY, "Unlikely"),
    Causality.UNRELATED: {"text": "Unrelated"},
}


def adverse_event(event: EventOfSubject, study_key: str) -> Resource:
    """Return an event: its term, when it began, how bad it was, what may have caused it."""
    row = event.row
    return {
        "resourceType": "AdverseEvent",
        "id": str(row.id),
        "meta": {"versionId": str(row.version), "lastUpdated": instant(event.updated_at)},
        "extension": [{"url": CTCAE_GRADE_EXTENSION, "valueInteger": row.grade}],
        "actuality": "actual",
        "event": _term(row),
        "subject": patient(study_key, row.subject_id, event.subject_number),
        "date": instant(row.onset_at),
        "detected": instant(row.aware_at),
        "recordedDate": instant(row.recorded_at),
        "seriousness": {"coding": _seriousness(row)},
        "severity": concept(_SEVERITY, _severity(row.grade)),
        "outcome": concept(_OUTCOME, _OUTCOMES[row.outcome]),
        **present(suspectEntity=_suspects(event, study_key)),
        "study": [study(study_key)],
    }


def _term(row: AdverseEvent) -> Resource:
    coding = {"system": CTCAE_TERM, "version": row.ctcae_version, "code": row.term}
    return {"coding": [coding], "text": row.term}


def _seriousness(row: AdverseEvent) -> list[dict[str, str]]:
    """Name what makes the event serious; none is `Non-serious`."""
    codes = [_SERIOUS[SeriousnessCriterion(item)] for item in row.seriousness]
    return [{"system": _SERIOUSNESS, "code": code} for code in codes or ["Non-serious"]]


def _severity(grade: int) -> str:
    return {1: "mild", 2: "moderate"}.get(grade, "severe")


def _suspects(event: EventOfSubject, study_key: str) -> list[Resource]:
    """List what the investigator judged as a cause; the disease cannot be one in R4."""
    row = event.row
    judged = (
        (_study_treatment(event, study_key), row.causality),
        ({"type": "Medication", "display": "Premedication"}, row.causality_premedication),
        ({"type": "Medication", "display": "CAR-T product"}, row.causality_car_t),
    )
    return [
        {"instance": instance, "causality": [{"assessment": _ASSESSMENTS[causality]}]}
        for instance, causality in judged
        if causality is not None
    ]


def _study_treatment(event: EventOfSubject, study_key: str) -> dict[str, Any]:
    """Refer to the last infusion begun before the event by its number, else to the product."""
    if event.infusion_number is None:
        return {"type": "Medication", "display": "Study treatment"}
    number = f"{event.subject_number}/{event.infusion_number}"
    return {
        "type": "MedicationAdministration",
        "identifier": {"system": f"{INFUSION}:{study_key}", "value": number},
    }
