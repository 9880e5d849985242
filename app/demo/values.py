"""Plausible values, the same for the same seed: blood counts, chemistry and screening findings."""

from __future__ import annotations

from random import Random
from typing import Any

from app.demo.cast import Course, Failure, Part

# analyte: value, unit, lower and upper limit of normal
CHEMISTRY: dict[str, tuple[float, str, float, float]] = {
    "CREA": (71, "umol/L", 45, 84),
    "BUN": (5.2, "mmol/L", 2.6, 7.5),
    "ALT": (28, "U/L", 7, 40),
    "AST": (24, "U/L", 13, 35),
    "TBIL": (11.5, "umol/L", 3.4, 20.5),
    "HBA1C": (5.6, "%", 4, 6),
    "LDH": (210, "U/L", 120, 250),
    "FERR": (900, "ug/L", 13, 150),
    "CRP": (4.1, "mg/L", 0, 5),
}
COUNTS: dict[str, tuple[str, float, float]] = {
    "HGB": ("g/L", 115, 150),
    "ANC": ("10*9/L", 1.8, 6.3),
    "PLT": ("10*9/L", 125, 350),
}
NEGATIVE = ("HIV_AGAB", "TP_AB", "HBSAG", "HBCAB")

_BASELINE = {"HGB": 79.0, "ANC": 0.62, "PLT": 21.0}
_RECOVERED = {"HGB": 92.0, "ANC": 1.4, "PLT": 48.0}
# Rise above baseline once a course has taken hold, and the day after the first infusion.
_RISE: dict[Course, tuple[int, dict[str, float]]] = {
    Course.NO_RESPONSE: (0, {}),
    Course.PLATELETS: (18, {"PLT": 34.0}),
    Course.NEUTROPHILS: (15, {"ANC": 0.95}),
    Course.COMPLETE: (24, {"HGB": 31.0, "ANC": 1.5, "PLT": 96.0}),
    Course.LATE: (86, {"PLT": 40.0, "ANC": 0.8}),
}
_JITTER = {"HGB": 1.5, "ANC": 0.06, "PLT": 2.0}


def numbers(seed: int, part: Part) -> Random:
    """Return the part's own stream of pseudo-random numbers."""
    return Random(f"{seed}/{part.number}")


def weight_kg(source: Random) -> float:
    """Return a body weight to 0.5 kg."""
    return 48 + source.randrange(0, 60) / 2


def blood_count(part: Part, day: int, source: Random) -> dict[str, float]:
    """Return haemoglobin, neutrophils and platelets on a day counted from the first infusion."""
    start = _RECOVERED if part.failure is Failure.COUNTS_RECOVERED else _BASELINE
    onset, rise = _RISE[part.course]
    counts = {}
    for analyte, base in start.items():
        share = min(1.0, max(0, day - onset + 7) / 7) if analyte in rise else 0
        value = base + share * rise.get(analyte, 0) + source.uniform(-1, 1) * _JITTER[analyte]
        counts[analyte] = round(value, 2 if analyte == "ANC" else 0)
    return counts


def count_results(counts: dict[str, float]) -> list[dict[str, Any]]:
    """Write blood counts as results with unit and limits."""
    return [
        {"analyte": analyte, "value": value, "unit": unit, "lln": low, "uln": high}
        for analyte, value in counts.items()
        for unit, low, high in (COUNTS[analyte],)
    ]


def chemistry_results(part: Part) -> list[dict[str, Any]]:
    """Write the screening chemistry and serology as results."""
    results: list[dict[str, Any]] = []
    for analyte, (value, unit, low, high) in CHEMISTRY.items():
        raised = part.failure is Failure.CREATININE and analyte == "CREA"
        results.append(
            {
                "analyte": analyte,
                "value": round(high * 1.5, 1) if raised else value,
                "unit": unit,
                "lln": low,
                "uln": high,
            }
        )
    results += [{"analyte": analyte, "finding": "negative"} for analyte in NEGATIVE]
    results.append({"analyte": "HCV_RNA", "finding": "negative"})
    return results


def screening_assessments(part: Part) -> dict[str, dict[str, Any]]:
    """Return the content of the screening assessments by kind."""
    qt = 490 if part.failure is Failure.QTCF else 400
    found: dict[str, dict[str, Any]] = {
        "ecog": {"score": 1},
        "ecg": {"qt_ms": qt, "rr_ms": 1000, "qtcf_ms": qt},
        "bone_marrow": {
            "blasts_percent": 1.5,
            "flow_mrd": "negative",
            "ihc_infiltration": "negative",
        },
        "physical_examination": {"nyha_class": 1},
    }
    if part.sex == "female":
        found["pregnancy_test"] = {"result": "negative", "lactating": False}
    return found
