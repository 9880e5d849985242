"""Enrolment over time: who was screened, enrolled and first treated by the end of each month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.pictures.style import BLUE, INK, QUIET, VERMILLION, WIDTH, Caption, Spec, nothing, picture

_LINES = (
    ("screened", "Screened", QUIET, [2, 2], "circle"),
    ("enrolled", "Enrolled", BLUE, [1, 0], "square"),
    ("first_treated", "First treated", VERMILLION, [7, 3], "triangle-up"),
)
_MARGINS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """One month, such as 2026-05, and the subjects counted by its end."""

    month: str
    screened: int
    enrolled: int
    first_treated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """A size that the protocol names: what it is of, in a few words, and the number."""

    label: str
    subjects: int


def draw_enrolment(
    caption: Caption, months: Sequence[MonthRow], planned: Sequence[PlannedRow]
) -> Spec:
    """Draw cumulative steps month by month, and the planned sizes as lines across."""
    if not months:
        return nothing(caption, "Nobody has been screened yet.")
    most = max([months[-1].screened, *(each.subjects for each in planned)])
    layers = [*_planned(planned), _steps(months, most)]
    return picture(caption, {"width": WIDTH - _MARGINS, "height": 340, "layer": layers})


def _steps(months: Sequence[MonthRow], most: int) -> Spec:
    """Draw the three lines; the words of each give its last number."""
    names = {field: f"{name} (n = {getattr(months[-1], field)})" for field, name, *_ in _LINES}
    values = [
        {"month": row.month, "line": names[field], "subjects": getattr(row, field)}
        for row in months
        for field, *_ in _LINES
    ]

    def styled(place: int) -> Spec:
        looks = {"domain": list(names.values()), "range": [line[place] for line in _LINES]}
        return {"field": "line", "type": "nominal", "title": None, "scale": looks}

    point = {"size": 70, "filled": True}
    return {
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2.4, "point": point},
        "encoding": {
            "x": {
                "field": "month",
                "type": "ordinal",
                "title": "Month",
                "scale": {"type": "point", "padding": 0.4},
                "axis": {"labelAngle": 0, "labelOverlap": "greedy", "grid": False},
            },
            "y": {
                "field": "subjects",
                "type": "quantitative",
                "title": "Subjects by the end of the month",
                "scale": {"domain": [0, most + 1], "nice": False},
                "axis": {"tickMinStep": 1},
            },
            "color": styled(2),
            "strokeDash": styled(3),
            "shape": styled(4),
        },
    }


def _planned(planned: Sequence[PlannedRow]) -> list[Spec]:
    """Draw the planned sizes, with their words to the right of the plot."""
    data = {"values": [{"label": each.label, "planned": each.subjects} for each in planned]}
    place = {"y": {"field": "planned", "type": "quantitative"}}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "strokeDash": [10, 4, 2, 4], "color": INK, "opacity": 0.55},
            "encoding": place,
        },
        {
            "data": data,
            "mark": {"type": "text", "align": "left", "x": "width", "dx": 6},
            "encoding": place | {"text": {"field": "label", "type": "nominal"}},
        },
    ]
