"""Rows of a made-up study for every picture, and each picture without any."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.pictures.adverse_events import TermRow, draw_adverse_events
from app.pictures.enrolment import MonthRow, PlannedRow, draw_enrolment
from app.pictures.kaplan_meier import Curve, CurveColumn, StepRow, draw_kaplan_meier
from app.pictures.lab_trajectories import CourseRow, LineagePanel, Point, draw_lab_trajectories
from app.pictures.ladder import LadderRow, draw_ladder
from app.pictures.style import Caption
from app.pictures.swimmer import Band, Mark, SwimmerRow, draw_swimmer
from app.pictures.waterfall import ChangePanel, ChangeRow, draw_waterfall

LEVELS = ("A", "B")
BASIS = "Records as known on study day 2026-06-01; protocol version 1."
LEVEL = LadderRow(
    name="Level A: 1 infusion",
    status="enrolling",
    planned_maximum=6,
    free=1,
    evaluable_without_dlt=1,
    dlts=1,
    in_window=1,
    unresolved=0,
    not_dosed=1,
    not_evaluable=2,
    replaced=1,
)
MONTHS = (
    MonthRow(month="2026-05", screened=3, enrolled=2, first_treated=1),
    MonthRow(month="2026-06", screened=5, enrolled=4, first_treated=4),
)
TERMS = (
    TermRow(term="Fever", worst_grades={1: 2, 3: 1}),
    TermRow(term="Chills", worst_grades={1: 3}),
    TermRow(term="Lung infection", worst_grades={5: 1}),
    TermRow(term="Nausea", worst_grades={1: 0}),
)
STEPS = (
    StepRow(
        day=14, at_risk=4, censored=1, survival=Decimal("0.75"),
        lower=Decimal("0.1"), upper=Decimal("0.96"),
    ),
    StepRow(day=70, at_risk=2, censored=0, survival=Decimal(0), lower=None, upper=None),
)  # fmt: skip
CURVE = Curve(name="Platelets", n=4, events=3, median=Decimal("70.5"), steps=STEPS)
CHANGES = (
    ChangeRow(subject="S-001", level="A", change=Decimal(-3), evaluable=True),
    ChangeRow(subject="S-002", level="B", change=Decimal("41.5"), evaluable=True),
    ChangeRow(subject="S-003", level="A", change=Decimal(12), evaluable=None),
    ChangeRow(subject="S-004", level="A", change=None, evaluable=True),
)
COURSE = CourseRow(
    subject="S-002",
    level="B",
    points=(
        Point(-4, Decimal(40), False),
        Point(6, Decimal(90), False),
        Point(9, Decimal(120), True),
    ),
    transfusion_days=(1,),
    infusion_days=(0, 7),
)
SWIMMER = SwimmerRow(
    subject="S-002",
    level="B",
    end_day=70,
    bands=((Band.PARTIAL, 14, 30), (Band.COMPLETE, 21, 30)),
    marks=tuple((mark, day) for day, mark in enumerate(Mark)),
)


def caption(name: str) -> Caption:
    """Caption a picture."""
    return Caption(
        name=name,
        title=f"Title of {name}",
        lines=("A line.",),
        basis=BASIS,
        description=f"D {name}",
    )


def columns(*curves: Curve) -> list[CurveColumn]:
    """Put curves into one column."""
    words = {"days": "Days", "share": "No response yet", "event": "responded"}
    return [CurveColumn(heading="Time to response", curves=curves, **words)]


def waterfall(*rows: ChangeRow) -> dict[str, Any]:
    """Draw one panel of changes."""
    panel = ChangePanel(lineage="Platelets", unit="10^9/L", rise=Decimal(10), rows=rows)
    return draw_waterfall(caption("waterfall"), [panel], LEVELS)


def trajectories(*rows: CourseRow) -> dict[str, Any]:
    """Draw one lineage."""
    panel = LineagePanel(
        lineage="Platelets", unit="10^9/L", limit=Decimal(100), rise=Decimal(10), rows=rows
    )
    return draw_lab_trajectories(caption("lab-trajectories"), [panel], LEVELS)


@dataclass(frozen=True)
class Sample:
    """A picture of the made-up study, and the same of a study with nobody."""

    full: Callable[[], dict[str, Any]]
    empty: Callable[[], dict[str, Any]]


PLANNED = (PlannedRow(label="24 at most in all", subjects=24),)
SAMPLES = {
    "ladder": Sample(
        lambda: draw_ladder(caption("ladder"), [LEVEL]),
        lambda: draw_ladder(caption("ladder"), []),
    ),
    "enrolment": Sample(
        lambda: draw_enrolment(caption("enrolment"), MONTHS, PLANNED),
        lambda: draw_enrolment(caption("enrolment"), [], PLANNED),
    ),
    "adverse-events": Sample(
        lambda: draw_adverse_events(caption("adverse-events"), TERMS, 6),
        lambda: draw_adverse_events(caption("adverse-events"), [], 0),
    ),
    "kaplan-meier": Sample(
        lambda: draw_kaplan_meier(caption("kaplan-meier"), columns(CURVE)),
        lambda: draw_kaplan_meier(caption("kaplan-meier"), columns()),
    ),
    "waterfall": Sample(lambda: waterfall(*CHANGES), waterfall),
    "lab-trajectories": Sample(lambda: trajectories(COURSE), trajectories),
    "swimmer": Sample(
        lambda: draw_swimmer(caption("swimmer"), [SWIMMER], LEVELS),
        lambda: draw_swimmer(caption("swimmer"), [], LEVELS),
    ),
}
