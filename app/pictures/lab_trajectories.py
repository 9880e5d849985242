"""Blood counts over time: a line for each subject, by lineage and level, against the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.pictures.style import (
    BLUE,
    INK,
    QUIET,
    UPRIGHT,
    VERMILLION,
    WIDTH,
    Caption,
    Spec,
    heading,
    nothing,
    of_kind,
    picture,
)

_HEIGHT, _MARGIN, _SPACE = 190, 100, 14
_COUNT, _COMPLETE = "Count below the CR limit", "Count at or above the CR limit"
_TRANSFUSION, _INFUSION = "Transfusion that can raise it", "Infusion of cells"
_LOOKS = {
    _COUNT: ("circle", "white"),
    _COMPLETE: ("circle", BLUE),
    _TRANSFUSION: ("triangle-down", VERMILLION),
    _INFUSION: (UPRIGHT, INK),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A count on a day since the first infusion; `complete` says that it reaches the CR limit."""

    day: int
    value: Decimal
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseRow:
    """One subject in one lineage: counts by day, and the days of infusions and transfusions."""

    subject: str
    level: str
    points: tuple[Point, ...]
    transfusion_days: tuple[int, ...]
    infusion_days: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineagePanel:
    """One lineage: its name and unit, the CR limit and the rise of a PR, and the subjects."""

    lineage: str
    unit: str
    limit: Decimal
    rise: Decimal
    rows: tuple[CourseRow, ...]


def draw_lab_trajectories(
    caption: Caption, panels: Sequence[LineagePanel], levels: Sequence[str]
) -> Spec:
    """Draw a row of panels for each lineage and a column for each level with counts."""
    counted = {row.level for panel in panels for row in panel.rows if row.points}
    shown = [level for level in levels if level in counted]
    if not shown:
        return nothing(caption, "No treated subject has a blood count yet.")
    return picture(
        caption,
        {
            "vconcat": [_lineage(panel, shown) for panel in panels],
            "spacing": 18,
            "resolve": {"scale": {"x": "shared"}},
        },
    )


def _lineage(panel: LineagePanel, levels: Sequence[str]) -> Spec:
    rows = [row for row in panel.rows if row.points]
    most = max((point.value for row in rows for point in row.points), default=panel.limit)
    top = max(most, panel.limit) * Decimal("1.08")
    criteria = f"CR from {panel.limit}, PR from baseline + {panel.rise}"
    width = (WIDTH - _MARGIN) // len(levels) - _SPACE
    return {
        "title": heading(f"{panel.lineage} ({panel.unit}): {criteria}"),
        "spacing": _SPACE,
        "hconcat": [
            _cell(panel, [row for row in rows if row.level == level], top, level == levels[0])
            | {"width": width, "height": _HEIGHT, "title": _subtitle(level, rows)}
            for level in levels
        ],
        "resolve": {"scale": {"x": "shared", "y": "shared"}},
    }


def _subtitle(level: str, rows: Sequence[CourseRow]) -> Spec:
    number = sum(row.level == level for row in rows)
    text = f"Level {level} (n = {number})"
    return heading(text) | {"fontSize": 12, "fontWeight": "normal", "offset": 4}


def _cell(panel: LineagePanel, rows: Sequence[CourseRow], top: Decimal, is_first: bool) -> Spec:
    """Draw the subjects of one level: the limit, lines, counts, transfusions and infusions."""
    day = {
        "field": "day",
        "type": "quantitative",
        "title": "Days since the first infusion",
        "scale": {"nice": False, "zero": True},
        "axis": {"tickMinStep": 1, "tickCount": 6},
    }
    value = {
        "field": "value",
        "type": "quantitative",
        "title": panel.unit if is_first else None,
        "scale": {"domain": [0, top], "nice": False},
        "axis": {"labels": is_first, "ticks": is_first, "minExtent": 36 if is_first else 0},
    }
    place = {"x": day, "y": value}
    return {
        "data": {"values": [each for row in rows for each in _values(panel, row)]},
        "layer": [
            {
                "data": {"values": [{"limit": panel.limit}]},
                "mark": {"type": "rule", "strokeDash": [6, 4], "color": INK, "strokeWidth": 1.3},
                "encoding": {"y": {"field": "limit", "type": "quantitative"}},
            },
            {
                "transform": of_kind("count"),
                "mark": {"type": "line", "strokeWidth": 1, "color": QUIET, "opacity": 0.75},
                "encoding": place | {"detail": {"field": "subject"}},
            },
            _marks("count", 20, place),
            _marks("transfusion", 55, place),
            _marks("infusion", 60, {"x": day, "y": {"value": _HEIGHT - 6}}),
        ],
    }


def _marks(kind: str, size: int, place: Spec) -> Spec:
    """Draw the marks of one kind of row in the looks that tell what they are."""

    def styled(looks: list[str]) -> Spec:
        scale = {"domain": list(_LOOKS), "range": looks}
        return {"field": "what", "type": "nominal", "title": None, "scale": scale}

    return {
        "transform": of_kind(kind),
        "mark": {"type": "point", "size": size, "strokeWidth": 0.8, "opacity": 1},
        "encoding": {
            **place,
            "shape": styled([shape for shape, _ in _LOOKS.values()]),
            "fill": styled([fill for _, fill in _LOOKS.values()]),
            "stroke": styled([INK for _ in _LOOKS]),
        },
    }


def _values(panel: LineagePanel, row: CourseRow) -> Iterator[Spec]:
    """Give the counts, then the marks; that of a transfusion is drawn on the line."""
    own = {"lineage": panel.lineage, "subject": row.subject, "level": row.level}
    for point in row.points:
        what = _COMPLETE if point.complete else _COUNT
        yield own | {"kind": "count", "what": what, "day": point.day, "value": point.value}
    for day in row.transfusion_days:
        place = _on_line(row.points, day)
        yield own | {"kind": "transfusion", "what": _TRANSFUSION, "day": day, "value": place}
    for day in row.infusion_days:
        yield own | {"kind": "infusion", "what": _INFUSION, "day": day}


def _on_line(points: Sequence[Point], day: int) -> Decimal:
    """Find where the line between two counts passes a day; beyond its ends it goes on level."""
    before = [point for point in points if point.day <= day]
    after = [point for point in points if point.day >= day]
    if not before or not after:
        return (before[-1] if before else after[0]).value
    left, right = before[-1], after[0]
    if left.day == right.day:
        return left.value
    share = Decimal(day - left.day) / (right.day - left.day)
    return (left.value + (right.value - left.value) * share).quantize(Decimal("0.01"))
