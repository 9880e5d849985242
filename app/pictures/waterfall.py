"""Waterfall: the best change of each subject from its baseline, one panel for each lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.pictures.style import (
    INK,
    LEVEL_COLOURS,
    QUIET,
    Caption,
    Spec,
    heading,
    levels_scale,
    nothing,
    picture,
)

_WIDTH, _HEIGHT = 620, 150


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One subject in one lineage; `change` is None without a baseline or a count after it.

    `evaluable` tells whether the lineage was below its limit at baseline, None if that is open.
    """

    subject: str
    level: str
    change: Decimal | None
    evaluable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePanel:
    """One lineage: its name, unit, the rise that makes a partial response, and the subjects."""

    lineage: str
    unit: str
    rise: Decimal
    rows: tuple[ChangeRow, ...]


def draw_waterfall(caption: Caption, panels: Sequence[ChangePanel], levels: Sequence[str]) -> Spec:
    """Draw the changes of each lineage, the largest first; pale bars could not respond."""
    if not any(row.change is not None for panel in panels for row in panel.rows):
        return nothing(caption, "No treated subject has a baseline and a later count yet.")
    return picture(
        caption,
        {
            "vconcat": [_panel(panel, levels) for panel in panels],
            "spacing": 26,
            "resolve": {"scale": {"x": "independent"}},
        },
    )


def _panel(panel: ChangePanel, levels: Sequence[str]) -> Spec:
    known = [row for row in panel.rows if row.change is not None]
    known.sort(key=lambda row: (-(row.change or 0), row.subject))
    values = [
        {
            "subject": row.subject,
            "level": row.level,
            "change": row.change,
            "top": max(row.change or 0, 0),
            "rated": "evaluable" if row.evaluable else "not evaluable",
            "mark": row.level if row.evaluable else f"{row.level}*",
        }
        for row in known
    ]
    subject = {
        "field": "subject",
        "type": "nominal",
        "sort": [row.subject for row in known],
        "title": None,
        "axis": {"labelAngle": -60, "ticks": False, "domain": False, "labelPadding": 4},
        "scale": {"paddingInner": 0.18, "paddingOuter": 0.3},
    }
    return {
        "title": heading(_heading(panel, known)),
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": values},
        "encoding": {"x": subject},
        "layer": [_bars(panel, levels), *_rise(panel), *_letters()],
    }


def _heading(panel: ChangePanel, known: Sequence[ChangeRow]) -> str:
    """Say how many are shown, and who of the treated is not or could not respond."""
    missing = len(panel.rows) - len(known)
    out = sum(not row.evaluable for row in known)
    words = f"{panel.lineage}: n = {len(known)}"
    words += f", of whom {out} not evaluable (*)" if out else ""
    return words + (f"; {missing} without a count to compare" if missing else "")


def _bars(panel: ChangePanel, levels: Sequence[str]) -> Spec:
    rated = {"domain": ["evaluable", "not evaluable"], "range": [1, 0.15]}
    return {
        "mark": {"type": "bar", "stroke": INK},
        "encoding": {
            "y": {
                "field": "change",
                "type": "quantitative",
                "title": ["Best change from", f"baseline ({panel.unit})"],
            },
            "color": {
                "field": "level",
                "type": "nominal",
                "title": "Dose level",
                "scale": levels_scale(levels, LEVEL_COLOURS),
            },
            "fillOpacity": {"field": "rated", "type": "ordinal", "scale": rated, "legend": None},
        },
    }


def _rise(panel: ChangePanel) -> list[Spec]:
    """Draw the rise of a partial response across, with its words to the right of the plot."""
    data = {"values": [{"rise": panel.rise, "label": f"PR: +{panel.rise}"}]}
    place = {"x": None, "y": {"field": "rise", "type": "quantitative"}}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "strokeDash": [6, 4], "color": INK},
            "encoding": place,
        },
        {
            "data": data,
            "mark": {"type": "text", "align": "left", "x": "width", "dx": 5, "color": QUIET},
            "encoding": place | {"text": {"field": "label", "type": "nominal"}},
        },
    ]


def _letters() -> list[Spec]:
    """Write the level above each bar, on white where the rise of a response passes."""
    words = {"type": "text", "fontWeight": "bold", "baseline": "bottom", "dy": -3}
    encoding = {
        "y": {"field": "top", "type": "quantitative"},
        "text": {"field": "mark", "type": "nominal"},
    }
    halo = {"stroke": "white", "strokeWidth": 4}
    return [{"mark": words | halo, "encoding": encoding}, {"mark": words, "encoding": encoding}]
