"""A sent result to vary: hemoglobin of 102 g/L, final, collected and reported one morning."""

from datetime import UTC, datetime

from app.domain.interpretation import interpret
from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentCode, SentResult

RECEIVED = datetime(2026, 5, 20, 4, tzinfo=UTC)
COLLECTED = datetime(2026, 5, 20, 0, 15, tzinfo=UTC)
GENERIC = SenderProfile()


def loinc(code):
    """Return a code under LOINC, as HL7 v2 names it."""
    return SentCode(code=code, system="LN")


HEMOGLOBIN, PLATELETS, HBSAG = loinc("718-7"), loinc("777-3"), loinc("5196-1")


def sent(value="102", code=HEMOGLOBIN, **parts):
    """Return a sent result whose value is one text."""
    fields = {
        "patients": (),
        "codes": (code,),
        "accession": "A-1",
        "value_type": "NM",
        "values": ((value,),),
        "unit": "g/L",
        "status": "F",
        "collected": "202605200815",
        "reported": "20260520093000+0800",
        "stated": "20260520093000+0800",
    }
    return SentResult(**fields | parts)


def read(value="102", code=HEMOGLOBIN, profile=GENERIC, **parts):
    """Interpret a sent result that arrived in the afternoon."""
    return interpret(sent(value, code, **parts), profile, RECEIVED)


def reasons(value="102", code=HEMOGLOBIN, profile=GENERIC, **parts):
    """Return the codes of the reasons against filing a sent result."""
    found = read(value, code, profile, **parts)
    assert (found.result is None) == bool(found.reasons)
    return [reason.code for reason in found.reasons]
