"""Counts, transfusions, medication and events of a subject of a seeded trial."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.core.ids import new_id
from app.models import AdverseEvent, ConcomitantMedication, DltAdjudication, Transfusion
from tests.factories.rows import at
from tests.recomputation.courses import Course

VISITS = (3, 7, 14, 21, 25, 28, 30, 31, 35, 42, 49, 53, 56, 58, 63, 77, 84, 112, 140, 168, 175, 189)
# Low and recovered values of each lineage; many lie at a threshold, or beside it.
VALUES = {
    "ANC": (("0.05", "0.3", "0.8", "0.8", "1.0", "1.29"), ("1.3", "1.3", "1.49", "1.5", "2.4")),
    "PLT": (("9", "20", "45", "45", "54"), ("55", "55", "99", "100", "100", "180")),
    "HGB": (("62", "85", "85", "84.9", "99"), ("99.9", "100", "100", "115", "100.0")),
}
UNITS = {"ANC": "10*9/L", "PLT": "10*9/L", "HGB": "g/L"}
# Lower and upper limits of normal, which some laboratories send with a result.
NORMAL = {"ANC": ("1.3", "6.3"), "PLT": ("125", "350"), "HGB": ("130", "175")}
LIMITS = {"ANC": ("0.1", "1.5"), "PLT": ("10", "100"), "HGB": ("70", "100")}
MARKERS = (
    ("FERR", "ug/L", ("812.5", "1200", "2400.25")),
    ("IL6", "pg/mL", ("3.1", "7", "120")),
    ("CRP", "mg/L", ("0.5", "4", "88.8")),
)
TERMS = (
    ("Fever", "General disorders and administration site conditions", 5),
    ("Infusion related reaction", "Injury, poisoning and procedural complications", 5),
    ("Headache", "Nervous system disorders", 3),
    ("Stroke", "Nervous system disorders", 5),
    ("Thromboembolic event", "Vascular disorders", 5),
    ("Platelet count decreased", "Investigations", 4),
    ("Alanine aminotransferase increased", "Investigations", 4),
    ("Creatinine increased", "Investigations", 4),
    ("Fibrinogen decreased", "Investigations", 4),
    ("Shingles", "Infections and infestations", 5),
    ("Sepsis", "Infections and infestations", 5),
    ("Febrile neutropenia", "Blood and lymphatic system disorders", 5),
    ("Anemia", "Blood and lymphatic system disorders", 5),
)
CAUSES = ("definite", "probable", "possible", "unlikely", "unrelated", None)
SERIOUS = ("life_threatening", "hospitalization", "medically_important")
PRODUCTS = ("red_cells", "platelets", "whole_blood", "plasma", "granulocytes")
DRUGS = (
    "g_csf", "g_csf", "pegylated_g_csf", "tpo_receptor_agonist", "erythropoietin",
    "dexamethasone", "anticoagulant", "antitumor_therapy", "stem_cell_boost",
)  # fmt: skip


def counts(course: Course) -> None:
    """Write baselines and counts: visits missed, analytes missing, repeats, bounds, retractions."""
    random = course.trial.random
    recovery = {analyte: random.choice((5, 12, 20, 27, 40, 60, 400)) for analyte in VALUES}
    for analyte in VALUES:
        _baseline(course, analyte)
    for visit in VISITS:
        day = course.zero + timedelta(days=visit + random.choice((-1, 0, 0, 0, 1)))
        closed = course.left in ("died", "withdrew_consent") and course.until
        if day > course.trial.today or (closed and day > closed) or random.random() < 0.2:
            continue
        for analyte, (low, high) in VALUES.items():
            if random.random() > 0.06:
                _count(course, analyte, high if visit >= recovery[analyte] else low, day)
        for marker, unit, values in MARKERS:
            if random.random() < 0.15:
                course.lab(marker, unit, random.choice(values), day)


def _baseline(course: Course, analyte: str) -> None:
    """Write what was measured before: usually low, sometimes a bound, high, old or missing."""
    random = course.trial.random
    kind = random.choices(("low", "bound", "high", "none"), (70, 12, 12, 6))[0]
    if kind == "none":
        return
    day = course.zero - timedelta(days=random.choice((1, 3, 4, 7, 8)))
    low, high = VALUES[analyte]
    value = {"low": random.choice(low[2:4]), "bound": LIMITS[analyte][0], "high": high[-2]}[kind]
    more: dict[str, Any] = {"comparator": "<"} if kind == "bound" else {}
    course.lab(analyte, UNITS[analyte], value, day, **more)
    if random.random() < 0.2:
        course.lab(analyte, UNITS[analyte], low[1], course.zero, hour=6)


def _count(course: Course, analyte: str, values: tuple[str, ...], day: date) -> None:
    random = course.trial.random
    if random.random() < 0.1:
        values = VALUES[analyte][0]
    more: dict[str, Any] = {}
    value = random.choice(values)
    kind = random.choices(
        ("final", "bound", "repeat", "preliminary", "corrected", "entered_in_error", "cancelled"),
        (80, 4, 6, 2, 4, 2, 2),
    )[0]
    if kind == "bound":
        value, word = random.choice(
            [(LIMITS[analyte][0], "<"), (LIMITS[analyte][1], "<"), (LIMITS[analyte][1], ">"),
             (LIMITS[analyte][1], ">="), (LIMITS[analyte][1], "<=")]
        )  # fmt: skip
        more["comparator"] = word
    if kind == "repeat":
        course.lab(analyte, UNITS[analyte], random.choice(values), day)
    if random.random() < 0.3:
        more |= {"lln": Decimal(NORMAL[analyte][0]), "uln": Decimal(NORMAL[analyte][1])}
    if kind == "preliminary":
        more |= {"status": "preliminary", "standing": 1}
    row = course.lab(analyte, UNITS[analyte], value, day, **more)
    if kind == "preliminary" and course.trial.chance.random() < 0.7:
        course.correct(row, "final", value)
    if kind in ("corrected", "entered_in_error", "cancelled"):
        course.correct(row, kind, random.choice(values))


def care(course: Course) -> None:
    """Write transfusions and medication, some retracted."""
    random, keys = course.trial.random, course.trial.keys(course.subject_id)
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        visit = random.choice(VISITS) - random.choice((0, 5, 6, 7))
        day = _some_day(course, visit, visit)
        if day is not None:
            _write(
                course,
                Transfusion(
                    **keys,
                    id=new_id(),
                    product=random.choice(PRODUCTS),
                    given_at=at(day, random.randint(0, 23)),
                ),
            )
    for _ in range(random.choice((0, 0, 1, 2))):
        day = _some_day(course, -10, 60)
        if day is None:
            continue
        started = at(day, random.randint(0, 23))
        length = random.choice((None, None, 0, 2, 5))
        _write(
            course,
            ConcomitantMedication(
                **keys,
                id=new_id(),
                name="A drug",
                medication_class=random.choice(DRUGS),
                started_at=started,
                ended_at=None if length is None else started + timedelta(days=length),
                ongoing=length is None and random.random() < 0.4,
            ),
        )


def _write(course: Course, row: Any) -> None:
    """Add a record; every seventh or so turns out to be wrong."""
    course.trial.add(row)
    if course.trial.random.random() < 0.15:
        course.trial.changes.append((row, {"retracted": True}))


def _some_day(course: Course, first: int, last: int) -> date | None:
    """Choose a day on which the subject was still observed, if the choice falls on one."""
    day = course.zero + timedelta(days=course.trial.random.randint(first, last))
    return day if day <= (course.until or course.trial.today) else None


def events(course: Course) -> None:
    """Write adverse events, signed adjudications, and sometimes the event somebody died of."""
    random = course.trial.random
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        day = _some_day(course, -6, 50)
        term, soc, highest = random.choice(TERMS)
        if day is None:
            continue
        grade = min(random.choice((1, 1, 2, 2, 3, 3, 4)), highest)
        ended = random.choice((None, 0, 1, 6))
        _event(
            course, term, soc, grade, day,
            ended_at=None if ended is None else at(day + timedelta(days=ended), 23),
            seriousness=[random.choice(SERIOUS)] if random.random() < 0.25 else [],
        )  # fmt: skip
    is_fatal = course.left == "died" if random.random() < 0.6 else False
    if not is_fatal and course.left is None and random.random() < 0.04:
        is_fatal = True
    day = course.until or _some_day(course, 5, 40)
    if is_fatal and day is not None and course.level is not None:
        _event(
            course, "Sepsis", "Infections and infestations", 5, day,
            ended_at=at(day, 20), seriousness=["death"], outcome="fatal",
        )  # fmt: skip


def _event(course: Course, term: str, soc: str, grade: int, day: date, **more: Any) -> None:
    random, trial = course.trial.random, course.trial
    event = AdverseEvent(
        **trial.keys(course.subject_id),
        id=new_id(),
        term=term,
        soc=soc,
        ctcae_version="5.0",
        grade=grade,
        baseline_grade=random.choice((None, None, None, 1, 2, 3)),
        onset_at=at(day, random.choice((0, 0, 9, 23)) if grade < 5 else 0),
        aware_at=at(day, 23),
        causality=random.choice(CAUSES),
        causality_disease=random.choice(("definite", None, "unrelated")),
        action_taken="none",
        outcome=more.pop("outcome", "unknown"),
        investigator_declared_dlt=random.random() < 0.05,
        **more,
    )
    _write(course, event)
    if grade < 5 and random.random() < 0.3:
        trial.changes.append((event, {"grade": random.choice((1, 2, 3))}))
    if grade >= 3 and random.random() < 0.7:
        adjudicate(course, event)


def adjudicate(course: Course, event: AdverseEvent) -> None:
    """Sign a yes or no on the event, sometimes on a version that it no longer is."""
    course.trial.add(
        DltAdjudication(
            study_id=course.trial.actor.study_id,
            id=new_id(),
            adverse_event_id=event.id,
            adverse_event_version=1,
            is_dlt=course.trial.random.random() < 0.4,
            rationale="Judged.",
            adjudicated_by=course.trial.actor.principal_id,
        )
    )
