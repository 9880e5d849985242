"""What a broken database constraint means to the person whose request broke it."""

from __future__ import annotations

from app.domain.casebook import CasebookState, closed
from app.domain.errors import DomainError, ErrorKind, conflict, invalid

_CONFLICTS = {
    "uq_casebook_study_id_subject_id": (
        "casebook_frozen_meanwhile",
        "Somebody froze this casebook meanwhile; read it again.",
    ),
    "uq_unlock_verdict_study_id_request_id": (
        "unlock_answered",
        "Somebody answered this request meanwhile; read the casebook again.",
    ),
    "ck_unlock_verdict_two_persons": (
        "unlock_two_persons",
        "An unlock is approved by another person of the other role.",
    ),
    "pk_query": (
        "query_taken_up",
        "Somebody took up this query meanwhile; read it again.",
    ),
    "casebook_step": (
        "casebook_state",
        "The casebook cannot go there from where it stands; read it again.",
    ),
    "uq_site_study_id_code": ("site_exists", "The study has a site of this code already."),
    "uq_grant_confirmation_study_id_grant_id": (
        "nothing_to_confirm",
        "This grant does not wait for a confirmation.",
    ),
    "uq_grant_end_study_id_grant_id": ("grant_ended", "This grant has ended already."),
    "uq_study_key": ("study_exists", "A study with this key exists already."),
    "uq_subject_study_id_number": ("number_taken", "This subject number is taken; try again."),
    "uq_enrolment_study_id_subject_id": ("already_enrolled", "The subject is enrolled already."),
    "uq_enrolment_study_id_replaces_id": (
        "slot_taken",
        "Somebody else took this place; try again.",
    ),
    "uq_enrolment_slot": ("slot_taken", "Somebody else took this place; try again."),
    "uq_escalation_decision_study_id_round": (
        "decision_round_taken",
        "Another decision was made meanwhile; read the ladder again.",
    ),
    "uq_decision_verdict_study_id_decision_id": (
        "already_decided",
        "This proposal has been decided; read the decisions again.",
    ),
    "uq_cohort_study_id_dose_level_phase": ("cohort_open", "This cohort is open already."),
    "uq_infusion_study_id_subject_id_number": (
        "infusion_exists",
        "This infusion is prescribed already; change that one.",
    ),
    "uq_product_lot_study_id_lot_number": ("lot_exists", "This lot is registered already."),
    "uq_product_bag_study_id_lot_id_bag_number": ("bag_exists", "This bag is registered already."),
    "uq_lab_result_natural_key": (
        "result_exists",
        "This result is here already; send a correction to change it.",
    ),
    "uq_lab_result_study_id_result_id_result_version": (
        "result_corrected_meanwhile",
        "Somebody corrected this result meanwhile; read it again.",
    ),
    "uq_disposition_event": (
        "disposition_exists",
        "This disposition is recorded already.",
    ),
    "uq_protocol_version_study_id_number": (
        "version_exists",
        "Somebody added a protocol version meanwhile; try again.",
    ),
    "uq_protocol_activation_study_id_protocol_version_id": (
        "already_active",
        "This protocol version has been activated already.",
    ),
    "uq_reference_range_study_id_laboratory_analyte_number": (
        "range_recorded_meanwhile",
        "Somebody recorded a range of this laboratory and analyte meanwhile; try again.",
    ),
    "uq_reference_safety_information_study_id_number": (
        "version_exists",
        "Somebody added a version of the reference safety information meanwhile; try again.",
    ),
    "uq_safety_retraction_study_id_safety_report_id": (
        "retracted_already",
        "This report was taken back already; leave it as it is.",
    ),
    "uq_safety_retraction_study_id_follow_up_id": (
        "retracted_already",
        "This follow-up information was taken back already; leave it as it is.",
    ),
    "uq_sender_study_id_code": ("sender_exists", "A sender with this code is registered already."),
    "uq_sender_study_id_principal_id": (
        "identity_bound",
        "This identity is bound to another sender of the study; give the sender one of its own.",
    ),
    "uq_sender_profile_study_id_sender_id_number": (
        "profile_changed_meanwhile",
        "Somebody added a profile version meanwhile; read the last one and try again.",
    ),
    "uq_sender_key_study_id_prefix": ("key_exists", "This key could not be made; try again."),
    "uq_subject_identifier_token": (
        "identifier_taken",
        "This identifier belongs to a subject of this study already; check both subjects.",
    ),
}

_INVALID = {
    "change_needs_reason": ("reason_required", "A change to existing data needs a reason."),
    "ck_decision_verdict_two_persons": (
        "two_persons",
        "A proposal is confirmed by another person; only its author may withdraw it.",
    ),
    "ck_adverse_event_fatal": (
        "fatal_outcome",
        "Grade 5, the outcome fatal and the seriousness death go together; give all or none.",
    ),
}

# The database names the state in which a casebook refused a change.
_CLOSED = {
    "casebook_frozen": closed(CasebookState.FROZEN),
    "casebook_locked": closed(CasebookState.LOCKED),
}

_BY_STATE = {
    "23505": conflict("duplicate", "This record exists already."),
    "23503": invalid("unknown_reference", "The request names a record that is not here."),
    "23514": invalid("value_not_allowed", "The values contradict one another; check them."),
    "23502": invalid("value_missing", "A value that this record needs is missing."),
    "22003": invalid("number_out_of_range", "A number is larger than this record can hold."),
    "55P03": DomainError(
        ErrorKind.BUSY, "busy", "Somebody is changing the same records; try again."
    ),
    "40P01": DomainError(
        ErrorKind.BUSY, "busy", "Two requests crossed; nothing was stored, try again."
    ),
}


def explain(constraint: str | None, sqlstate: str | None) -> DomainError | None:
    """Return the domain error of a constraint by name, or a general one by its class."""
    if constraint in _CONFLICTS:
        return conflict(*_CONFLICTS[constraint])
    if constraint in _CLOSED:
        return _CLOSED[constraint]
    if constraint in _INVALID:
        return invalid(*_INVALID[constraint])
    return _BY_STATE.get(sqlstate or "")
