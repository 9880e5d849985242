"""What all pictures have in common: size, fonts, colours, captions, and what an empty one says.

The colours are Okabe and Ito's, which people with any colour vision can tell apart; wherever they
carry a meaning, a shape, a dash or a word carries it too, so that a black-and-white print is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MEDIA_TYPE = "application/vnd.vegalite.v6+json"
WIDTH = 760
INK, QUIET, FAINT = "#1A1A1A", "#595959", "#D9D9D9"
BLUE, SKY, VERMILLION, ORANGE = "#0072B2", "#56B4E9", "#C04A00", "#E69F00"
GREEN, YELLOW, PURPLE = "#009E73", "#F5E9A0", "#9A4F7F"
# Light, middle and dark, so that they differ in grey too.
LEVEL_COLOURS = (SKY, VERMILLION, "#23395B", ORANGE, GREEN, PURPLE)
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_SMALL, _TEXT, _HEADING, _TITLE = 12, 13, 14, 18
UPRIGHT = "M-0.25,-1L0.25,-1L0.25,1L-0.25,1Z"
"""The path of an upright stroke, in place of a shape's name."""
# Of one line of a subtitle, so that it does not run out of the picture.
_LINE_LENGTH = 105
_CONFIG: Spec = {
    "aria": False,
    "font": _FONT,
    "background": "white",
    "view": {"stroke": FAINT},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "fontSize": _TITLE,
        "subtitleFontSize": _TEXT,
        "subtitleColor": QUIET,
        "subtitlePadding": 6,
        "subtitleLineHeight": 18,
        "color": INK,
        "offset": 14,
    },
    "axis": {
        "labelFontSize": _SMALL,
        "titleFontSize": _TEXT,
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "gridColor": "#E6E6E6",
        "domainColor": QUIET,
        "tickColor": QUIET,
        "labelLimit": 260,
    },
    "legend": {
        "labelFontSize": _SMALL,
        "titleFontSize": _TEXT,
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "labelLimit": 400,
        "symbolSize": 110,
        "orient": "bottom",
        "direction": "horizontal",
        "layout": {"bottom": {"anchor": "start", "direction": "vertical", "margin": 8}},
    },
    "header": {
        "labelFontSize": _HEADING,
        "labelFontWeight": "bold",
        "labelColor": INK,
        "titleFontSize": _TEXT,
    },
    "text": {"fontSize": _SMALL, "color": INK, "font": _FONT},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What stands above a picture, and the sentence for those who cannot see it.

    `lines` come below the title; `basis` is the last of them: what the picture rests on.
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    basis: str
    description: str


def picture(caption: Caption, body: Spec) -> Spec:
    """Put a body of marks, layers or panels under its caption."""
    lines = [part for line in (*caption.lines, caption.basis) for part in wrapped(line)]
    return {
        "$schema": SCHEMA,
        "name": caption.name,
        "description": caption.description,
        "title": {"text": caption.title, "subtitle": lines},
        "padding": 12,
        "config": _CONFIG,
        **body,
    }


def nothing(caption: Caption, sentence: str) -> Spec:
    """Say that there is nothing to show yet, and why."""
    return picture(
        caption,
        {
            "width": WIDTH - 100,
            "height": 80,
            "data": {"values": [{"text": sentence}]},
            "mark": {"type": "text", "fontSize": _HEADING, "color": QUIET},
            "encoding": {"text": {"field": "text", "type": "nominal"}},
        },
    )


def of_kind(kind: str) -> list[Spec]:
    """Keep the rows of one kind, of data that all layers share."""
    return [{"filter": {"field": "kind", "equal": kind}}]


def levels_scale(levels: Sequence[str], range_: Iterable[Any]) -> Spec:
    """Give every dose level its own look, the lowest the first one."""
    return {
        "domain": list(levels),
        "range": [each for each, _ in zip(range_, levels, strict=False)],
    }


def heading(text: str | list[str]) -> Spec:
    """Put words above one panel of a picture, from where its plot begins."""
    return {"text": text, "frame": "group", "fontSize": _HEADING, "offset": 8}


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def wrapped(line: str, length: int = _LINE_LENGTH) -> list[str]:
    """Break a line between words where it would be too long."""
    parts = [""]
    for word in line.split():
        joined = f"{parts[-1]} {word}".strip()
        if len(joined) > length:
            parts.append(word)
        else:
            parts[-1] = joined
    return parts
