"""What may be redacted: free text in which a person can be named, never what a rule reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from app.domain.errors import DomainError, invalid

# What stands where a value stood.
REDACTED = "[redacted]"

# Fields of each record type; a dot leads into a JSON document. Not here, though a sender may write
# into them: a result's specimen and accession, by which it is told from others, and an inbox item's
# code and unit, by which it is read again.
REDACTABLE: Mapping[str, tuple[str, ...]] = {
    "adverse_event": ("narrative", "other_specification"),
    "assessment": ("content.findings", "content.note"),
    "attestation": ("reason",),
    "concomitant_medication": ("indication",),
    "data_cut": ("purpose",),
    "decision_verdict": ("rationale",),
    "deviation_note": ("text", "root_cause", "corrective_action", "preventive_action"),
    "disposition": ("reason",),
    "dlt_adjudication": ("rationale",),
    "escalation_decision": ("rationale",),
    "evidence_review": ("text",),
    "follow_up": ("summary",),
    "grant_end": ("reason",),
    "inbox_item": ("resolution",),
    "infusion": ("note",),
    "lab_result": ("reason",),
    "operation": ("reason",),
    "protocol_activation": ("reason",),
    "query": ("text",),
    "query_message": ("text",),
    "range_retraction": ("reason",),
    "reported_deviation": ("description",),
    "safety_report": ("late_reason",),
    "safety_retraction": ("reason",),
    "sender_profile": ("reason",),
    "signature": ("reason",),
    "subject": ("car_t_product",),
    "transfusion": ("note",),
    "unlock_request": ("reason",),
    "unlock_verdict": ("reason",),
    "vault_access": ("purpose",),
}

# The acts of redaction themselves stay readable, or nobody could tell who took what away.
NEVER_REDACTED = ("request_redaction", "execute_redaction")


def targets() -> tuple[str, ...]:
    """Name everything that may be redacted, as `record_type.field`."""
    return tuple(f"{kind}.{field}" for kind, fields in REDACTABLE.items() for field in fields)


def check_target(record_type: str, field: str) -> None:
    """Refuse what is not free text; raises invalid with what can be redacted instead."""
    fields = REDACTABLE.get(record_type)
    if fields is None:
        raise _unknown("/body/record_type", f"Free text is in: {', '.join(REDACTABLE)}.")
    if field not in fields:
        raise _unknown("/body/field", f"Of this record type: {', '.join(fields)}.")


def scrub(content: str, field: str, gone: Iterable[str]) -> str:
    """Replace these values of a field in JSON text, as the database does in its own documents."""
    key = json.dumps(field.rpartition(".")[2])
    for value in gone:
        for colon in (":", ": "):
            content = content.replace(
                f"{key}{colon}{json.dumps(value, ensure_ascii=False)}",
                f"{key}{colon}{json.dumps(REDACTED)}",
            )
    return content


def _unknown(pointer: str, known: str) -> DomainError:
    return invalid(
        "not_redactable", f"Only free text is redacted, never a value that is judged. {known}",
        pointer,
    )  # fmt: skip
