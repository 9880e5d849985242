"""A study as an R4 ResearchStudy: where it stands, its arms and how many subjects it is for."""

from __future__ import annotations

from app.domain.escalation_steps import LadderAction
from app.domain.protocol import ProtocolDefinition
from app.interop.fhir.primitives import Resource, concept, present, study_id, with_digest
from app.interop.fhir.terms import REGISTRY, TERMINOLOGY
from app.schemas.studies import StudySummary
from app.services.fhir_studies import StudyStanding

EXPANSION = "expansion"
_GROUP = "planned"


def study_status(summary: StudySummary) -> str:
    """Return the word of R4 for where a study stands.

    The committee's hold stops dosing, too; a recommendation to hold only stops enrolment.
    """
    if summary.decisions.stopped:
        return "closed-to-accrual-and-intervention"
    if summary.decisions.on_hold:
        return "temporarily-closed-to-accrual-and-intervention"
    if summary.recommendation is LadderAction.HOLD:
        return "temporarily-closed-to-accrual"
    return "active" if summary.open_cohort else "closed-to-accrual"


def research_study(standing: StudyStanding) -> Resource:
    """Return a study; its id is its key, the number of the registry record."""
    summary, protocol = standing.summary, standing.protocol
    rules = protocol.rules
    group = {
        "resourceType": "Group",
        "id": _GROUP,
        "type": "person",
        "actual": False,
        "name": "Subjects planned by the registry record",
        "quantity": rules.study.registered_enrolment,
    }
    return with_digest(
        {
            "resourceType": "ResearchStudy",
            "id": study_id(summary.key),
            "contained": [group],
            "identifier": [
                {"system": REGISTRY, "value": summary.key},
                *(
                    [{"value": rules.study.sponsor_protocol}]
                    if rules.study.sponsor_protocol
                    else []
                ),
            ],
            "title": summary.title,
            "status": study_status(summary),
            "phase": concept(f"{TERMINOLOGY}/research-study-phase", "early-phase-1"),
            "enrollment": [{"reference": f"#{_GROUP}"}],
            "period": present(start=protocol.effective_from.isoformat()),
            "arm": _arms(rules),
        }
    )


def _arms(rules: ProtocolDefinition) -> list[Resource]:
    """List the dose levels and the expansion."""
    levels = [
        {
            "name": level.name,
            "type": concept(f"{TERMINOLOGY}/research-study-arm-type", "experimental"),
            "description": f"Dose level {level.name}: infusions planned {level.planned_infusions}.",
        }
        for level in rules.dosing.levels
    ]
    expansion = {
        "name": EXPANSION,
        "description": "Expansion at the level that the committee chooses.",
    }
    return [*levels, expansion]
