"""How a subject stands, and the ways of leaving, as a sentence says them."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.vocabulary import DispositionEvent, SubjectStatus

# Continues "a subject who".
STANDING: Mapping[SubjectStatus, str] = {
    SubjectStatus.SCREENING: "is in screening",
    SubjectStatus.SCREEN_FAILED: "failed screening",
    SubjectStatus.ENROLLED: "is enrolled",
    SubjectStatus.ON_TREATMENT: "is on treatment",
    SubjectStatus.IN_FOLLOW_UP: "is in follow-up",
    SubjectStatus.WITHDREW_TREATMENT: "withdrew from treatment",
    SubjectStatus.COMPLETED: "completed the trial",
    SubjectStatus.WITHDREW_CONSENT: "withdrew consent",
    SubjectStatus.LOST_TO_FOLLOW_UP: "was lost to follow-up",
    SubjectStatus.DIED: "died",
    SubjectStatus.DISCONTINUED: "was discontinued",
}
EXIT: Mapping[DispositionEvent, str] = {
    DispositionEvent.SCREEN_FAILED: "a screening failure",
    DispositionEvent.WITHDREW_TREATMENT: "a withdrawal from treatment",
    DispositionEvent.WITHDREW_CONSENT: "a withdrawal of consent",
    DispositionEvent.LOST_TO_FOLLOW_UP: "a loss to follow-up",
    DispositionEvent.DIED: "a death",
    DispositionEvent.RELAPSE_OR_NEW_THERAPY: "a relapse or new therapy",
    DispositionEvent.PREGNANCY: "a pregnancy",
    DispositionEvent.INVESTIGATOR_DECISION: "a decision of the investigator",
    DispositionEvent.SPONSOR_DECISION: "a decision of the sponsor",
    DispositionEvent.COMPLETED: "a completion of the trial",
}
