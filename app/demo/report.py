"""What the API concludes, printed as tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from app.demo.client import Api
from app.demo.stage import week_category


def print_report(api: Api) -> None:
    """Print the ladder, the decisions, the adverse events and the responses."""
    ladder = api.get("/escalation")
    cohorts = api.items("/cohorts")
    _table(
        "Ladder",
        ("level", "phase", "places", "enrolled", "dosed", "evaluable", "DLTs", "pending", "status"),
        (
            (
                cohort["dose_level"], cohort["phase"], cohort["slots"], cohort["enrolled"],
                cohort["dosed"], cohort["evaluable"], cohort["dlts"], cohort["pending"],
                cohort["status"],
            )
            for cohort in cohorts
        ),
    )  # fmt: skip
    _line(f"Recommendation: {ladder['recommendation']} {ladder['level'] or ''}")
    _line(f"MTD: {ladder['mtd']}; highest tolerated: {ladder['highest_tolerated']}")
    _table(
        "Decisions",
        ("round", "action", "level", "status", "rationale"),
        (
            (item["round"], item["action"], item["dose_level"], item["status"], item["rationale"])
            for item in api.items("/escalation/decisions")
        ),
    )
    numbers = {item["id"]: item for item in api.items("/subjects")}
    _events(api, numbers)
    _responses(api, numbers)


def _events(api: Api, subjects: dict[str, Any]) -> None:
    _table(
        "Adverse events (CTCAE v5.0)",
        ("subject", "term", "grade", "serious", "causality", "emergent", "DLT"),
        (
            (
                subjects[event["subject_id"]]["number"], event["term"], event["grade"],
                event["serious"], event["causality"], event["treatment_emergent"],
                event["dlt"]["state"],
            )
            for event in api.items("/adverse-events")
        ),
    )  # fmt: skip


def _responses(api: Api, subjects: dict[str, Any]) -> None:
    rows = []
    for subject in subjects.values():
        if subject["dose_level"] is None:
            continue
        found = api.get(f"/subjects/{subject['id']}/response")
        days = found["time_to_response"]
        rows.append(
            (
                subject["number"], subject["dose_level"], subject["status"],
                week_category(found, 4), week_category(found, 8), found["best"]["category"],
                days["days"] if days and days["event"] else None,
            )
        )  # fmt: skip
    titles = ("subject", "level", "status", "week 4", "week 8", "best", "days to response")
    _table("Response (at weeks 4 and 8 after the last infusion)", titles, rows)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print one table with columns as wide as their content."""
    body = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(len(row[index]) for row in [list(columns), *body]) for index in range(len(columns))
    ]
    _line("")
    _line(title)
    for row in [list(columns), ["-" * width for width in widths], *body]:
        _line(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
