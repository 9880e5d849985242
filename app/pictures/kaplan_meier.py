"""Kaplan-Meier curves: how soon subjects respond, and how long responses last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.pictures.style import (
    BLUE,
    INK,
    SKY,
    Caption,
    Spec,
    heading,
    nothing,
    of_kind,
    picture,
)

_WIDTH, _HEIGHT, _RISK_HEIGHT = 288, 150, 18
_TICKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of a curve: those at risk just before the day, and the estimate from it on."""

    day: int
    at_risk: int
    censored: int
    survival: Decimal
    lower: Decimal | None
    upper: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One curve: whose it is, how many, the median in days if reached, and the steps by day."""

    name: str
    n: int
    events: int
    median: Decimal | None
    steps: tuple[StepRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveColumn:
    """Curves of one kind: a heading, the words of the axes and of an event, and the curves."""

    heading: str
    days: str
    share: str
    event: str
    curves: tuple[Curve, ...]


def draw_kaplan_meier(caption: Caption, columns: Sequence[CurveColumn]) -> Spec:
    """Draw the columns beside each other; below each curve stand the numbers at risk."""
    if not any(curve.n for column in columns for curve in column.curves):
        return nothing(caption, "Nobody has been treated yet.")
    return picture(caption, {"hconcat": [_column(each) for each in columns], "spacing": 30})


def _column(column: CurveColumn) -> Spec:
    last = max((step.day for curve in column.curves for step in curve.steps), default=0)
    return {
        "title": heading(column.heading) | {"offset": 12},
        "vconcat": [_curve(column, curve, max(last, 28)) for curve in column.curves],
        "spacing": 18,
    }


def _curve(column: CurveColumn, curve: Curve, last: int) -> Spec:
    ticks = list(range(0, last + 1, _interval(last)))
    median = f"median {curve.median} days" if curve.median is not None else "median not reached"
    title = f"{curve.name}: n = {curve.n}, {curve.events} {column.event}, {median}"
    if not curve.n:
        title = f"{curve.name}: nobody yet (n = 0)"
    x = {
        "field": "day",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, last + max(1, last // 50)], "nice": False},
        "axis": {"values": ticks, "grid": False, "labelFlush": False},
    }
    return {
        "title": heading(title) | {"fontSize": 12},
        "spacing": 2,
        "vconcat": [_plot(column, curve, last, x), _numbers_at_risk(column, curve, ticks, x)],
        "resolve": {"scale": {"x": "shared"}},
    }


def _plot(column: CurveColumn, curve: Curve, last: int, x: Spec) -> Spec:
    """Draw the band, the steps and a tick where somebody was censored."""
    share = {
        "field": "survival",
        "type": "quantitative",
        "title": column.share,
        "scale": {"domain": [0, 1]},
        "axis": {"values": [0, 0.25, 0.5, 0.75, 1], "format": ".0%"},
    }
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": list(_values(curve, last))},
        "encoding": {"x": x},
        "layer": [
            {
                "transform": of_kind("band"),
                "mark": {"type": "rect", "color": SKY, "opacity": 0.28},
                "encoding": {
                    "x2": {"field": "until"},
                    "y": share | {"field": "lower"},
                    "y2": {"field": "upper"},
                },
            },
            {
                "transform": of_kind("step"),
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2,
                         "color": BLUE},
                "encoding": {"y": share},
            },
            {
                "transform": of_kind("censored"),
                "mark": {"type": "tick", "orient": "vertical", "size": 11, "thickness": 1.6,
                         "color": INK},
                "encoding": {"y": share},
            },
        ],
    }  # fmt: skip


def _numbers_at_risk(column: CurveColumn, curve: Curve, ticks: Sequence[int], x: Spec) -> Spec:
    """Write how many are still followed just before each day of the axis."""
    values = [{"day": day, "at_risk": _at_risk(curve, day)} for day in ticks]
    title = {"title": column.days, "labels": False, "ticks": False, "domain": False}
    return {
        "width": _WIDTH,
        "height": _RISK_HEIGHT,
        "view": {"stroke": None},
        "data": {"values": values},
        "mark": {"type": "text", "baseline": "middle"},
        "encoding": {
            "x": x | {"axis": title | {"grid": False, "titlePadding": 2}},
            "y": {
                "datum": "At risk",
                "type": "nominal",
                "title": None,
                "axis": {"ticks": False, "domain": False, "offset": 14},
            },
            "text": {"field": "at_risk", "type": "quantitative"},
        },
    }


def _at_risk(curve: Curve, day: int) -> int:
    """Count those whose time is this day or later."""
    return next((step.at_risk for step in curve.steps if step.day >= day), 0)


def _values(curve: Curve, last: int) -> Iterator[Spec]:
    """Give the steps from 1 on day 0 to the last time, the bands between them, the censored."""
    if not curve.steps:
        return
    yield {"kind": "step", "day": 0, "survival": 1}
    ends = [step.day for step in curve.steps[1:]] + [curve.steps[-1].day]
    for step, until in zip(curve.steps, ends, strict=True):
        own = {"day": step.day, "survival": step.survival, "at_risk": step.at_risk}
        yield {"kind": "step"} | own
        if step.lower is not None and step.upper is not None:
            band = {"lower": step.lower, "upper": step.upper, "until": until}
            yield {"kind": "band", "day": step.day} | band
        if step.censored:
            yield {"kind": "censored", "censored": step.censored} | own


def _interval(last: int) -> int:
    """Choose whole weeks between ticks, so that a handful of them spans the axis."""
    weeks = next(each for each in (1, 2, 4, 8, 13, 26, 52, 104, 208) if each * 7 * _TICKS >= last)
    return weeks * 7
