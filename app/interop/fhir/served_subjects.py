"""A subject as R4 Patient and ResearchSubject: pseudonymous, by number, sex and birth year."""

from __future__ import annotations

from app.domain.vocabulary import SubjectStatus
from app.interop.fhir.primitives import Resource, instant, patient, present, study, with_digest
from app.interop.fhir.terms import subject_number_system
from app.services.fhir_subjects import SubjectStanding

# One word of R4 for each of ours; nobody is put back to an earlier one by leaving.
STATUSES = {
    SubjectStatus.SCREENING: "screening",
    SubjectStatus.SCREEN_FAILED: "ineligible",
    SubjectStatus.ENROLLED: "on-study",
    SubjectStatus.ON_TREATMENT: "on-study-intervention",
    SubjectStatus.IN_FOLLOW_UP: "on-study-observation",
    SubjectStatus.WITHDREW_TREATMENT: "follow-up",
    SubjectStatus.COMPLETED: "off-study",
    SubjectStatus.LOST_TO_FOLLOW_UP: "off-study",
    SubjectStatus.DIED: "off-study",
    SubjectStatus.DISCONTINUED: "off-study",
    SubjectStatus.WITHDREW_CONSENT: "withdrawn",
}


def patient_resource(standing: SubjectStanding, study_key: str) -> Resource:
    """Return who a subject is, as far as the trial knows: never a name or a birth date."""
    row = standing.row
    return {
        "resourceType": "Patient",
        "id": str(row.id),
        "meta": {"versionId": str(row.version), "lastUpdated": instant(standing.updated_at)},
        "identifier": [{"system": subject_number_system(study_key), "value": row.number}],
        "gender": row.sex.value,
        "birthDate": f"{row.birth_year:04d}",
    }


def research_subject(standing: SubjectStanding, study_key: str) -> Resource:
    """Return a subject's part in the study: status, arm and period; its id is the subject's."""
    row = standing.row
    began = row.consent_date or row.screening_date
    consent = f"version {row.consent_version}" if row.consent_version else "consent given"
    return with_digest(
        {
            "resourceType": "ResearchSubject",
            "id": str(row.id),
            "identifier": [{"system": subject_number_system(study_key), "value": row.number}],
            "status": STATUSES[standing.status],
            "period": present(
                start=began.isoformat(),
                end=standing.left_on.isoformat() if standing.left_on else None,
            ),
            "study": study(study_key),
            "individual": patient(study_key, row.id, row.number),
            **present(
                assignedArm=standing.dose_level,
                actualArm=standing.dose_level if standing.treated else None,
                consent={"display": f"{consent}, {row.consent_date}"} if row.consent_date else None,
            ),
        }
    )
