"""What can become of a message and of each result in it; nothing is ever simply dropped."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from app.domain.errors import Reason


class Door(StrEnum):
    """The way by which a message came in."""

    HL7V2 = "hl7v2"
    MLLP = "mllp"
    FHIR = "fhir"
    CSV = "csv"
    JSON = "json"


class InboundOutcome(StrEnum):
    """What became of one result; received = filed + duplicate + inbox + refused."""

    FILED = "filed"
    DUPLICATE = "duplicate"
    INBOX = "inbox"
    REFUSED = "refused"


class InboxKind(StrEnum):
    """What waits for a person: one result, a whole message, or a task about a filed result."""

    RESULT = "result"
    MESSAGE = "message"
    TASK = "task"


class InboxStatus(StrEnum):
    """Whether an item still waits, and how it ended."""

    OPEN = "open"
    FILED = "filed"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    DONE = "done"  # a task that a person has dealt with


class InboxReason(StrEnum):
    """Why something waits for a person."""

    UNREADABLE_MESSAGE = "unreadable_message"
    COUNT_MISMATCH = "count_mismatch"
    UNDECODABLE_TEXT = "undecodable_text"
    PROCESSING_FAILED = "processing_failed"
    UNEXPECTED_SENDER = "unexpected_sender"
    PATIENT_MISSING = "patient_missing"
    UNKNOWN_PATIENT = "unknown_patient"
    AMBIGUOUS_PATIENT = "ambiguous_patient"
    WRONG_PATIENT = "wrong_patient"
    SPECIMEN_OF_ANOTHER = "specimen_of_another"
    UNMAPPED_CODE = "unmapped_code"
    AMBIGUOUS_CODE = "ambiguous_code"
    ANALYTE_NOT_ALLOWED = "analyte_not_allowed"
    UNKNOWN_STATUS = "unknown_status"
    UNREADABLE_VALUE = "unreadable_value"
    AMBIGUOUS_NUMBER = "ambiguous_number"
    CONTENT_MISMATCH = "content_mismatch"
    UNKNOWN_UNIT = "unknown_unit"
    IMPLAUSIBLE_VALUE = "implausible_value"
    COLLECTION_TIME = "collection_time"
    CONTRADICTION = "contradiction"
    SPECIMEN_REUSED = "specimen_reused"
    NOTHING_TO_PROMOTE = "nothing_to_promote"
    NOT_OBSERVABLE = "not_observable"  # after death, after the end of consent, before birth
    CASEBOOK_LOCKED = "casebook_locked"
    REREAD_DIFFERS = "reread_differs"


# What each reason means to the person who works the inbox, and what to do.
SENTENCES: Mapping[InboxReason, str] = {
    InboxReason.UNREADABLE_MESSAGE: "The message cannot be read; ask the sender, then try again.",
    InboxReason.COUNT_MISMATCH: "Not every result of the message could be read; nothing is filed.",
    InboxReason.UNDECODABLE_TEXT: "The text is in no known character set; set it in the profile.",
    InboxReason.PROCESSING_FAILED: "The message could not be processed; try again, then report it.",
    InboxReason.UNEXPECTED_SENDER: "MSH-3 or MSH-4 names another system; find out whose it is.",
    InboxReason.PATIENT_MISSING: "No identifier that counts names the patient; assign the result.",
    InboxReason.UNKNOWN_PATIENT: "No subject is known by these identifiers; assign or reject it.",
    InboxReason.AMBIGUOUS_PATIENT: "The identifiers do not lead to one subject; find out whose.",
    InboxReason.WRONG_PATIENT: "The sender took this back as another patient's; find out whose.",
    InboxReason.SPECIMEN_OF_ANOTHER: "Another subject has this specimen already; find out whose.",
    InboxReason.UNMAPPED_CODE: "This code is not mapped to an analyte; map it.",
    InboxReason.AMBIGUOUS_CODE: "The codes of this result mean different analytes; map one.",
    InboxReason.ANALYTE_NOT_ALLOWED: "This sender is not registered for this analyte; allow it.",
    InboxReason.UNKNOWN_STATUS: "The status is missing or unknown; map it in the profile.",
    InboxReason.UNREADABLE_VALUE: "The value is neither a number nor a known word; map the word.",
    InboxReason.AMBIGUOUS_NUMBER: "The number can be read in two ways; ask the sender.",
    InboxReason.CONTENT_MISMATCH: "What was sent is no result of this analyte; check the code.",
    InboxReason.UNKNOWN_UNIT: "The unit is missing or unknown for this analyte; map it.",
    InboxReason.IMPLAUSIBLE_VALUE: "No living person has this value; check the unit and the code.",
    InboxReason.COLLECTION_TIME: "The collection time is missing or cannot be; ask the sender.",
    InboxReason.CONTRADICTION: "One specimen has two results of one moment; ask which one counts.",
    InboxReason.SPECIMEN_REUSED: "The accession number is here with another collection time.",
    InboxReason.NOTHING_TO_PROMOTE: "The preliminary result has not come; this follows it.",
    InboxReason.NOT_OBSERVABLE: "The collection lies where the subject could not be observed.",
    InboxReason.CASEBOOK_LOCKED: "The subject's casebook is closed; open it, then try again.",
    InboxReason.REREAD_DIFFERS: "Read again, the message holds another result here; look at it.",
}


def because(reason: InboxReason, message: str = "") -> Reason:
    """Return a reason with its sentence, or with one that is more exact."""
    return Reason(reason.value, message or SENTENCES[reason])
