"""Adverse events: how many participants had each term, each counted once at the worst grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.pictures.style import INK, QUIET, Caption, Spec, nothing, picture, wrapped

GRADES = (1, 2, 3, 4, 5)
# From light to dark, so that the order is seen in grey too; black ink until grade 3.
_FILLS = ("#FFF3D6", "#FBC875", "#E8853D", "#A63A1F", "#3D0C11")
_INKS = (INK, INK, INK, "white", "white")
_ROW_HEIGHT, _WIDTH = 26, 400
MOST_TERMS = 40
_LINE_LENGTH = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class TermRow:
    """One term and the participants at each worst grade."""

    term: str
    worst_grades: dict[int, int]

    @property
    def participants(self) -> int:
        """Count the participants with the term."""
        return sum(self.worst_grades.values())


def draw_adverse_events(caption: Caption, rows: Sequence[TermRow], treated: int) -> Spec:
    """Draw a bar for each term, the most frequent on top, stacked by worst grade."""
    shown = sorted((row for row in rows if row.participants), key=_order)[:MOST_TERMS]
    if not shown:
        return nothing(caption, "No adverse event has been recorded since a first infusion.")
    term = {
        "field": "term",
        "type": "nominal",
        "sort": [_name(row) for row in shown],
        "title": None,
        "axis": {
            "ticks": False,
            "domain": False,
            "labelPadding": 8,
            "labelLineHeight": 12,
            "labelExpr": "split(datum.label, '\\n')",
        },
    }
    participants = {
        "type": "quantitative",
        "title": f"Participants (of {treated} treated)",
        "scale": {"domain": [0, max(row.participants for row in shown)], "nice": False},
        "axis": {"tickMinStep": 1, "format": "d"},
    }
    return picture(
        caption,
        {
            "width": _WIDTH,
            "height": _ROW_HEIGHT * len(shown),
            "encoding": {"y": term},
            "layer": [*_bars(shown, participants), _totals(shown, treated, participants)],
            "resolve": {"scale": {"color": "independent"}},
        },
    )


def _bars(rows: Sequence[TermRow], participants: Spec) -> list[Spec]:
    """Draw the segments of all bars, then their grades in words."""
    data = {"values": [segment for row in rows for segment in _segments(row)]}
    grade = {"field": "grade", "type": "ordinal", "title": "Worst grade (CTCAE)"}
    fills = {"domain": list(GRADES), "range": list(_FILLS)}
    inks = {"domain": list(GRADES), "range": list(_INKS)}
    return [
        {
            "data": data,
            "mark": {"type": "bar", "stroke": INK, "strokeWidth": 0.8, "height": {"band": 0.74}},
            "encoding": {
                "x": participants | {"field": "from"},
                "x2": {"field": "to"},
                "color": grade | {"scale": fills},
            },
        },
        {
            "data": data,
            "mark": {"type": "text", "fontWeight": "bold"},
            "encoding": {
                "x": participants | {"field": "middle"},
                "text": {"field": "mark", "type": "nominal"},
                "color": grade | {"scale": inks, "legend": None},
            },
        },
    ]


def _totals(rows: Sequence[TermRow], treated: int, participants: Spec) -> Spec:
    """Write at the end of each bar how many participants it stands for."""
    values = [
        {"term": _name(row), "total": row.participants, "label": _label(row, treated)}
        for row in rows
    ]
    return {
        "data": {"values": values},
        "mark": {"type": "text", "align": "left", "dx": 6, "color": QUIET},
        "encoding": {
            "x": participants | {"field": "total"},
            "text": {"field": "label", "type": "nominal"},
        },
    }


def _order(row: TermRow) -> tuple[int, int, str]:
    severe = sum(n for grade, n in row.worst_grades.items() if grade >= 3)
    return -row.participants, -severe, row.term


def _segments(row: TermRow) -> list[Spec]:
    """Cut the bar of a term into its grades."""
    segments, end = [], 0
    for grade in GRADES:
        number = row.worst_grades.get(grade, 0)
        if number:
            segments.append(
                {
                    "term": _name(row),
                    "grade": grade,
                    "participants": number,
                    "from": end,
                    "middle": end + number / 2,
                    "to": end + number,
                    "mark": f"G{grade}",
                }
            )
        end += number
    return segments


def _name(row: TermRow) -> str:
    """Write a long term in lines."""
    return "\n".join(wrapped(row.term, _LINE_LENGTH))


def _label(row: TermRow, treated: int) -> str:
    """Write how many participants of those treated."""
    percent = f" ({round(100 * row.participants / treated)} %)" if treated else ""
    return f"{row.participants} of {treated}{percent}"
