"""How the trial fills, recomputed."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.recomputation.dosing import Course, course, standing
from tests.recomputation.records import Row, Study, Subject, as_date

STATUSES = (
    "screening", "screen_failed", "enrolled", "on_treatment", "in_follow_up",
    "withdrew_treatment", "completed", "withdrew_consent", "lost_to_follow_up", "died",
    "discontinued",
)  # fmt: skip
EXITS = (
    "screen_failed", "withdrew_treatment", "withdrew_consent", "lost_to_follow_up", "died",
    "relapse_or_new_therapy", "pregnancy", "investigator_decision", "sponsor_decision", "completed",
)  # fmt: skip
# What a subject is called after an exit, the most final first.
FINAL = (
    ("died", "died"),
    ("withdrew_consent", "withdrew_consent"),
    ("lost_to_follow_up", "lost_to_follow_up"),
    ("investigator_decision", "discontinued"),
    ("sponsor_decision", "discontinued"),
    ("completed", "completed"),
    ("screen_failed", "screen_failed"),
    ("withdrew_treatment", "withdrew_treatment"),
    # Treatment is over, but safety follow-up goes on.
    ("relapse_or_new_therapy", "in_follow_up"),
    ("pregnancy", "in_follow_up"),
)
STATES = ("not_dosed", "in_window", "unresolved", "evaluable", "not_evaluable")


def enrolment(study: Study) -> Row:
    """Compute all numbers of the enrolment metrics."""
    courses = [(subject, course(subject, study)) for subject in study.subjects]
    return {
        "planned": _planned(study.rules),
        "screened": len(study.subjects),
        "enrolled": sum(subject.place is not None for subject in study.subjects),
        "treated": sum(bool(doses.entered) and x.place is not None for x, doses in courses),
        "statuses": _tally(STATUSES, [_status(x, doses) for x, doses in courses]),
        "dispositions": _tally(
            EXITS, [event for x in study.subjects for event in {e for _, e in x.departures}]
        ),
        "screen_failures": _failures(study),
        "levels": _levels(study, courses),
        "months": _months(study, courses),
    }


def _planned(rules: Row) -> Row:
    escalation = rules["escalation"]
    return {
        "registered": rules["study"]["registered_enrolment"],
        "escalation_maximum": escalation["max_in_escalation"],
        "level_maximum": escalation["design"]["max_level_size"],
        "expansion": escalation["expansion"]["size"],
        "total_maximum": escalation["max_in_total"],
    }


def _tally(names: tuple[str, ...], found: list[str]) -> dict[str, int]:
    return {name: found.count(name) for name in names}


def _status(subject: Subject, doses: Course) -> str:
    """Say where a subject stands: an exit outweighs treatment, the most final exit wins."""
    exits = {event for _, event in subject.departures}
    for event, called in FINAL:
        if event in exits:
            return called
    if subject.place is None:
        return "screening"
    if not doses.given:
        return "enrolled"
    return "on_treatment" if doses.not_given else "in_follow_up"


def _failures(study: Study) -> Row:
    failed = [x for x in study.subjects if any(e["event"] == "screen_failed" for e in x.exits)]
    unmet = [{c["id"] for c in x.criteria if c["permits_entry"] is False} for x in failed]
    rows = [
        {
            "criterion": each["id"],
            "text": each["text"],
            "subjects": sum(each["id"] in criteria for criteria in unmet),
        }
        for each in study.rules["eligibility"]["criteria"]
    ]
    return {
        "subjects": len(failed),
        "by_criterion": [row for row in rows if row["subjects"]],
        "unattributed": sum(not criteria for criteria in unmet),
    }


def _levels(study: Study, courses: list[tuple[Subject, Course]]) -> list[Row]:
    taken = {x.place["replaces_id"] for x in study.subjects if x.place}
    rows = []
    for phase in ("escalation", "expansion"):
        for level in study.levels:
            members = [
                (x, doses)
                for x, doses in courses
                if x.place and (x.place["level"], x.place["phase"]) == (level["name"], phase)
            ]
            if not members and phase == "expansion":
                continue
            states = [standing(x, study).state for x, _ in members]
            rows.append(
                {
                    "level": level["name"],
                    "phase": phase,
                    "enrolled": len(members),
                    "treated": sum(bool(doses.entered) for _, doses in members),
                    "replaced": sum(
                        x.place["enrolment_id"] in taken for x, _ in members if x.place
                    ),
                }
                | _tally(STATES, states)
            )
    return rows


def _months(study: Study, courses: list[tuple[Subject, Course]]) -> list[Row]:
    """Count by calendar month from the first entry through the present month."""
    days: dict[str, list[date]] = {
        "screened": [as_date(x.record["screening_date"]) for x in study.subjects],
        "enrolled": [x.enrolled_on for x in study.subjects if x.enrolled_on],
        "first_treated": [
            study.clock.sure_day(doses.entered[0]["started_at"])
            for x, doses in courses
            if doses.entered and x.place
        ],
    }
    every = [day for found in days.values() for day in found]
    if not every:
        return []
    month, last = min(every), max(*every, study.clock.today)
    rows: list[dict[str, Any]] = []
    while (month.year, month.month) <= (last.year, last.month):
        row: dict[str, Any] = {"month": f"{month:%Y-%m}"}
        for name, found in days.items():
            row[name] = sum((x.year, x.month) == (month.year, month.month) for x in found)
            row[f"{name}_so_far"] = sum(
                (x.year, x.month) <= (month.year, month.month) for x in found
            )
        rows.append(row)
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return rows
