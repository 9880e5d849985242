"""The rows and bodies that are sent: a blood count and chemistry of twenty results."""

from __future__ import annotations

import json
from collections.abc import Sequence

from app.domain.analytes import find_analyte

# Analyte, value, unit, lower and upper limit; every fourth in a unit that has to be converted.
PANEL = (
    ("HGB", "10.2", "g/dL", "11.5", "15"),
    ("ANC", "1.23", "10*9/L", "1.8", "6.3"),
    ("PLT", "88", "10*9/L", "125", "350"),
    ("WBC", "3.41", "10*9/L", "3.5", "9.5"),
    ("LYM", "1.05", "K/uL", "1.1", "3.2"),
    ("EOS", "0.11", "10*9/L", "0.02", "0.52"),
    ("NEUT_PCT", "61.2", "%", "40", "75"),
    ("LYM_PCT", "27.4", "%", "20", "50"),
    ("CREA", "0.91", "mg/dL", "0.5", "1.1"),
    ("UREA", "5.12", "mmol/L", "2.6", "7.5"),
    ("ALT", "31", "U/L", "7", "40"),
    ("AST", "27", "U/L", "13", "35"),
    ("TBIL", "0.81", "mg/dL", "0.1", "1.2"),
    ("ALP", "74", "U/L", "35", "100"),
    ("GGT", "22", "U/L", "7", "45"),
    ("LDH", "188", "U/L", "120", "250"),
    ("NA", "140.3", "mEq/L", "137", "147"),
    ("K", "4.12", "mmol/L", "3.5", "5.3"),
    ("ALB", "41.5", "g/L", "40", "55"),
    ("CRP", "3.3", "mg/L", "0", "8"),
)
COLLECTED_AT = "2025-11-02T08:00:00+08:00"
REPORTED_AT = "2025-11-02T11:00:00+08:00"
# Twelve characters that the generator replaces, so that no two requests are alike.
SERIAL = "@SERIAL@@@@@"


def single_bodies(subjects: Sequence[str]) -> list[str]:
    """Return one body of one result for each subject."""
    return [json.dumps(_result(subject, 0, f"B-{SERIAL}")) for subject in subjects]


def batch_bodies(subjects: Sequence[str], results: int) -> list[str]:
    """Return one body of many results for each subject: a specimen for every twenty."""
    return [
        json.dumps({"results": [_result(subject, i, _accession(i)) for i in range(results)]})
        for subject in subjects
    ]


def message_bodies(numbers: Sequence[str]) -> list[str]:
    """Return one ORU^R01 message of the panel for each subject, by its number in the study."""
    observations = "".join(
        f"OBX|{place}|NM|{loinc(analyte)}^{analyte}^LN||{value}|{unit}|{lln}-{uln}||||F\r"
        for place, (analyte, value, unit, lln, uln) in enumerate(PANEL, 1)
    )
    return [
        f"MSH|^~\\&|LIS|HOSPITAL|MSC-ICAHT|TRIAL|20251102110000+0800||ORU^R01|M-{SERIAL}|P|2.5.1\r"
        f"PID|1||{number}^^^NCT07212335^MR\r"
        f"OBR|1||M-{SERIAL}|58410-2^panel^LN|||20251102080000+0800\r{observations}"
        for number in numbers
    ]


def loinc(key: str) -> str:
    """Return the LOINC code of an analyte."""
    analyte = find_analyte(key)
    assert analyte is not None
    assert analyte.loinc is not None
    return analyte.loinc


def _accession(number: int) -> str:
    return f"B-{SERIAL}-{number // len(PANEL)}"


def _result(subject: str, number: int, accession: str) -> dict[str, object]:
    analyte, value, unit, lln, uln = PANEL[number % len(PANEL)]
    return {
        "subject_id": subject,
        "analyte": analyte,
        "value": json.loads(value),
        "unit": unit,
        "lln": json.loads(lln),
        "uln": json.loads(uln),
        "collected_at": COLLECTED_AT,
        "reported_at": REPORTED_AT,
        "accession": accession,
    }
