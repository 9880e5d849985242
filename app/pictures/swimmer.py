"""Swimmer plot: the course of every treated subject since its first infusion, a bar for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.pictures.style import (
    BLUE,
    INK,
    SKY,
    UPRIGHT,
    VERMILLION,
    Caption,
    Spec,
    nothing,
    of_kind,
    picture,
)

_ROW_HEIGHT, _WIDTH = 31, 600
_CROSS = "M-1,-0.7L-0.7,-1L0,-0.3L0.7,-1L1,-0.7L0.3,0L1,0.7L0.7,1L0,0.3L-0.7,1L-1,0.7L-0.3,0Z"
_STAR = (
    "M0,-1L0.24,-0.32L0.95,-0.31L0.38,0.12L0.59,0.81L0,0.4L-0.59,0.81L-0.38,0.12L-0.95,-0.31"
    "L-0.24,-0.32Z"
)


class Mark(StrEnum):
    """What can happen on one day of a course, in the words of the legend."""

    INFUSION = "Infusion of cells"
    PLATELETS = "Transfusion: platelets"
    RED_CELLS = "Transfusion: red cells"
    OTHER_BLOOD = "Transfusion: other"
    SEVERE_EVENT = "Adverse event of grade 3 or higher"
    DLT = "Dose-limiting toxicity (DLT)"
    RESPONDING = "Still in response at the last count"
    GOES_ON = "Follow-up goes on"
    ENDED = "End of follow-up"
    DIED = "Death"


class Band(StrEnum):
    """What lasts for a while, in the words of the legend."""

    FOLLOWED = "In follow-up"
    PARTIAL = "Partial response (PR)"
    COMPLETE = "Complete response (CR)"


# Shape, fill, size, and how far above (-) or below (+) the middle of the bar.
_MARKS = {
    Mark.INFUSION: ("triangle-down", INK, 80, -11),
    Mark.PLATELETS: ("diamond", "white", 75, 10),
    Mark.RED_CELLS: ("circle", VERMILLION, 45, 10),
    Mark.OTHER_BLOOD: ("square", "white", 50, 10),
    Mark.SEVERE_EVENT: ("cross", "#F5C400", 110, -2),
    Mark.DLT: (_STAR, VERMILLION, 90, -1),
    Mark.RESPONDING: ("triangle-right", "white", 70, 0),
    Mark.GOES_ON: ("triangle-right", INK, 80, 0),
    Mark.ENDED: (UPRIGHT, INK, 70, 0),
    Mark.DIED: (_CROSS, INK, 55, 0),
}
_BANDS = {Band.FOLLOWED: "#E3E3E3", Band.PARTIAL: SKY, Band.COMPLETE: BLUE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SwimmerRow:
    """One subject: days since the first infusion, of marks and of bands from one to another."""

    subject: str
    level: str
    end_day: int
    bands: tuple[tuple[Band, int, int], ...]
    marks: tuple[tuple[Mark, int], ...]


def draw_swimmer(caption: Caption, rows: Sequence[SwimmerRow], levels: Sequence[str]) -> Spec:
    """Draw the subjects by level, the first treated on top."""
    if not rows:
        return nothing(caption, "Nobody to show has received an infusion yet.")
    values = [value for row in rows for value in _values(row)]
    panels = [_panel(level, [row for row in rows if row.level == level]) for level in levels]
    shown = [panel for panel in panels if panel is not None]
    lowest = shown[-1]["encoding"]["x"]["axis"]
    lowest |= {"title": "Weeks since the first infusion", "labels": True}
    return picture(
        caption,
        {
            "data": {"values": values},
            "vconcat": shown,
            "spacing": 12,
            "resolve": {"scale": {"x": "shared", "y": "independent"}},
        },
    )


def _values(row: SwimmerRow) -> Iterator[Spec]:
    """Give the whole bar first, then what lies on it."""
    whole = (Band.FOLLOWED, 0, row.end_day)
    for band, start, end in (whole, *row.bands):
        yield {
            "kind": "band",
            "subject": row.subject,
            "level": row.level,
            "what": band,
            "from_day": start,
            "to_day": end,
        }
    for mark, day in row.marks:
        yield {
            "kind": "mark",
            "subject": row.subject,
            "level": row.level,
            "what": mark,
            "day": day,
        }


def _panel(level: str, rows: Sequence[SwimmerRow]) -> Spec | None:
    if not rows:
        return None
    subject = {
        "field": "subject",
        "type": "nominal",
        "sort": [row.subject for row in rows],
        "title": ["Level " + level, f"n = {len(rows)}"],
        "axis": {"ticks": False, "domain": False, "grid": False, "titleAngle": 0,
                 "titleAlign": "left", "titleFontWeight": "bold", "titleAnchor": "start",
                 "titleX": -100, "titleY": 10, "labelPadding": 6, "minExtent": 100},
    }  # fmt: skip
    weeks = {
        "field": "week",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": True, "nice": False},
        "axis": {"tickMinStep": 1, "tickCount": 14, "labels": False, "ticks": False},
    }
    return {
        "width": _WIDTH,
        "height": _ROW_HEIGHT * len(rows),
        "transform": [
            {"filter": {"field": "level", "equal": level}},
            {"calculate": "datum.day / 7", "as": "week"},
            {"calculate": "datum.from_day / 7", "as": "from_week"},
            {"calculate": "datum.to_day / 7", "as": "to_week"},
        ],
        "encoding": {"y": subject, "x": weeks},
        "layer": [_bands(weeks), *(_marks(mark) for mark in Mark)],
    }


def _bands(weeks: Spec) -> Spec:
    scale = {"domain": list(_BANDS), "range": list(_BANDS.values())}
    return {
        "transform": of_kind("band"),
        "mark": {"type": "bar", "height": 12, "stroke": INK, "strokeWidth": 0.6},
        "encoding": {
            "x": weeks | {"field": "from_week"},
            "x2": {"field": "to_week"},
            "color": {
                "field": "what",
                "type": "nominal",
                "title": "Bars",
                "scale": scale,
                "legend": {"symbolType": "square", "columns": 3, "symbolStrokeWidth": 0.6},
            },
        },
    }


def _marks(mark: Mark) -> Spec:
    """Draw the marks of one kind, where they do not hide those of another."""
    *_, size, offset = _MARKS[mark]

    def styled(place: int) -> Spec:
        return {"domain": list(_MARKS), "range": [style[place] for style in _MARKS.values()]}

    what = {"field": "what", "type": "nominal", "title": "Marks"}
    outlined = {"domain": list(_MARKS), "range": [INK for _ in _MARKS]}
    legend = {"columns": 3, "symbolSize": 70}
    return {
        "transform": [{"filter": {"field": "what", "equal": mark}}],
        "mark": {"type": "point", "strokeWidth": 1, "opacity": 1, "size": size, "yOffset": offset},
        "encoding": {
            "stroke": what | {"scale": outlined, "legend": legend},
            "shape": what | {"scale": styled(0), "legend": legend},
            "fill": what | {"scale": styled(1), "legend": legend},
        },
    }
