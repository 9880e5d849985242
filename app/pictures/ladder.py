"""The escalation ladder: the places of every level, and what became of who took them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.pictures.style import (
    INK,
    QUIET,
    SKY,
    VERMILLION,
    YELLOW,
    Caption,
    Spec,
    counted,
    nothing,
    picture,
)

# What a place can hold: the words in its box, and the colours of box, words and frame.
_PLACES = (
    ("evaluable_without_dlt", "no DLT", SKY, INK, INK),
    ("dlts", "DLT", VERMILLION, "white", INK),
    ("in_window", "in window", YELLOW, INK, INK),
    ("unresolved", "result due", YELLOW, INK, INK),
    ("not_dosed", "to dose", "#EDEDED", INK, INK),
    ("free", "free", "white", INK, INK),
)
_BEYOND = ("", "", "white", QUIET, "#A6A6A6")
_ROW_HEIGHT, _PLACE_WIDTH, _NOTES_WIDTH = 48, 69, 190


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRow:
    """One level in one phase: how many subjects of each kind, and how many places it may have.

    `free` places can be taken as the level stands; those beyond need a decision first.
    """

    name: str
    status: str
    planned_maximum: int
    free: int
    evaluable_without_dlt: int
    dlts: int
    in_window: int
    unresolved: int
    not_dosed: int
    not_evaluable: int
    replaced: int


def draw_ladder(caption: Caption, rows: Sequence[LadderRow]) -> Spec:
    """Draw the levels, the highest on top: a box for each place, then how the level stands."""
    if not rows:
        return nothing(caption, "The protocol has no dose level.")
    values = [place for row in rows for place in _places(row)]
    height = _ROW_HEIGHT * len(rows)
    order = [row.name for row in reversed(rows)]
    row = {"field": "row", "type": "ordinal", "sort": order, "title": None}
    boxes = {
        "width": _PLACE_WIDTH * max(place["place"] for place in values),
        "height": height,
        "data": {"values": values},
        "view": {"stroke": None},
        "encoding": {"y": row | {"axis": {"ticks": False, "domain": False, "labelPadding": 10}}},
        "layer": _boxes(max(place["place"] for place in values)),
    }
    notes = {
        "width": _NOTES_WIDTH,
        "height": height,
        "data": {"values": [{"row": each.name, "lines": _notes(each)} for each in rows]},
        "view": {"stroke": None},
        "mark": {"type": "text", "align": "left", "x": 0, "lineHeight": 15, "dy": -10},
        "encoding": {"y": row | {"axis": None}, "text": {"field": "lines", "type": "nominal"}},
    }
    body = {"hconcat": [boxes, notes], "spacing": 14, "resolve": {"scale": {"y": "shared"}}}
    return picture(caption, body)


def _boxes(most: int) -> list[Spec]:
    """Draw the frames of the places, then the words in them."""
    kinds = [(word, *colours) for _, word, *colours in (*_PLACES, _BEYOND)]
    words, fills, inks, frames = (list(each) for each in zip(*kinds, strict=True))

    def coloured(colours: list[str]) -> Spec:
        scale = {"domain": words, "range": colours}
        return {"field": "state", "type": "nominal", "scale": scale, "legend": None}

    left = {"field": "left", "type": "quantitative", **_across(most)}
    frame = {"type": "rect", "strokeWidth": 1.4, "cornerRadius": 3, "height": {"band": 0.78}}
    return [
        {
            "mark": frame,
            "encoding": {
                "x": left,
                "x2": {"field": "right"},
                "fill": coloured(fills),
                "stroke": coloured(frames),
            },
        },
        {
            "mark": {"type": "text", "fontWeight": "bold"},
            "encoding": {
                "x": left | {"field": "middle"},
                "text": {"field": "state", "type": "nominal"},
                "color": coloured(inks),
            },
        },
    ]


def _across(most: int) -> Spec:
    """Number the places along the axis, in the middle of each."""
    return {
        "scale": {"domain": [0, most], "nice": False, "zero": True},
        "axis": {
            "title": "Place on the level",
            "values": [place + 0.5 for place in range(most)],
            "labelExpr": "ceil(datum.value)",
            "grid": False,
            "ticks": False,
            "domain": False,
        },
    }


def _places(row: LadderRow) -> Iterator[Spec]:
    """Give a box for every subject who holds a place, and for every place there may be."""
    words = [word for field, word, *_ in _PLACES for _ in range(getattr(row, field))]
    words += [""] * (row.planned_maximum - len(words))
    for place, word in enumerate(words):
        yield {
            "row": row.name,
            "place": place + 1,
            "state": word,
            "left": place + 0.05,
            "middle": place + 0.5,
            "right": place + 0.95,
        }


def _notes(row: LadderRow) -> list[str]:
    """Say how a level stands, and who took no place in the end."""
    lines = [row.status]
    evaluable = row.evaluable_without_dlt + row.dlts
    lines.append(f"{row.dlts} of {evaluable} evaluable with DLT")
    if row.not_evaluable:
        others = counted(row.not_evaluable, "other")
        lines.append(f"{others} not evaluable ({row.replaced} replaced)")
    return lines
