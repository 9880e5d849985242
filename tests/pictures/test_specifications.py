"""Every picture brings its data, says what it is, and is a specification that the library takes."""

import re

import pytest
import vl_convert

from app.core.drawing import VERSION
from app.core.serialization import to_json
from app.pictures import adverse_events, style
from tests.pictures.samples import (
    BASIS,
    COURSE,
    CURVE,
    LEVEL,
    SAMPLES,
    SWIMMER,
    caption,
    columns,
    trajectories,
    waterfall,
)
from tests.pictures.samples import CHANGES as CHANGED

NAMES = sorted(SAMPLES)


def rows(specification):
    """List all rows of data in a specification, wherever they hang."""
    found = []
    if isinstance(specification, dict):
        found += specification.get("data", {}).get("values", [])
        parts = [part for key, part in specification.items() if key != "data"]
    else:
        parts = specification if isinstance(specification, list) else []
    return found + [row for part in parts for row in rows(part)]


def having(specification, **wanted):
    """List the rows with these values."""
    return [row for row in rows(specification) if wanted.items() <= row.items()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", ["full", "empty"])
def test_the_library_takes_it_without_a_warning(capfd, name, state):
    """It compiles with the version that draws, and nothing in it is ignored."""
    specification = getattr(SAMPLES[name], state)()
    made = vl_convert.vegalite_to_vega(
        to_json(specification), vl_version=VERSION, show_warnings=True
    )
    assert made["$schema"].endswith("/vega/v6.json")
    assert capfd.readouterr() == ("", "")


def test_a_warning_would_be_seen(capfd):
    """What the library ignores, it says: a dash on a rectangle."""
    wrong = {"mark": "rect", "data": {"values": [{"a": "b"}]}}
    wrong["encoding"] = {"strokeDash": {"field": "a", "type": "nominal"}}
    vl_convert.vegalite_to_vega(wrong, vl_version=VERSION, show_warnings=True)
    assert "strokeDash dropped" in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", ["full", "empty"])
def test_it_says_what_it_is_and_what_it_rests_on(name, state):
    """Title, basis and description are there, and nothing is loaded from anywhere."""
    specification = getattr(SAMPLES[name], state)()
    assert specification["title"]["text"] == f"Title of {name}"
    assert specification["title"]["subtitle"] == ["A line.", BASIS]
    assert specification["description"] == f"D {name}"
    assert '"url"' not in to_json(specification)


@pytest.mark.parametrize("name", NAMES)
def test_with_nobody_it_says_so(name):
    """A study in which nothing happened gets a sentence in place of axes."""
    (row,) = rows(SAMPLES[name].empty())
    assert row["text"].endswith(".")
    assert len(row["text"]) > 20


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_give_the_same_bytes(name):
    """Nothing in it is drawn by lot or read from a clock."""
    assert to_json(SAMPLES[name].full()) == to_json(SAMPLES[name].full())


def test_the_ladder_has_a_box_for_every_place():
    """Who counts comes first, then who may, then what is free, then what the plan allows."""
    specification = SAMPLES["ladder"].full()
    boxes = [row for row in rows(specification) if "state" in row]
    assert [(box["place"], box["state"]) for box in boxes] == [
        (1, "no DLT"), (2, "DLT"), (3, "in window"), (4, "to dose"), (5, "free"), (6, ""),
    ]  # fmt: skip
    (notes,) = [row["lines"] for row in rows(specification) if "lines" in row]
    assert notes == [
        LEVEL.status,
        "1 of 2 evaluable with DLT",
        "2 others not evaluable (1 replaced)",
    ]


def test_enrolment_has_every_month_of_every_line():
    """The words of each line give its last number."""
    specification = SAMPLES["enrolment"].full()
    for line, numbers in (
        ("Screened (n = 5)", [3, 5]),
        ("Enrolled (n = 4)", [2, 4]),
        ("First treated (n = 4)", [1, 4]),
    ):
        assert [row["subjects"] for row in having(specification, line=line)] == numbers
    assert having(specification, planned=24)


def test_adverse_events_are_ordered_by_participants_then_by_gravity():
    """A term without participants is left out; the segments of a bar follow one another."""
    specification = SAMPLES["adverse-events"].full()
    totals = [row for row in rows(specification) if "total" in row]
    assert [(row["term"], row["label"]) for row in totals] == [
        ("Fever", "3 of 6 (50 %)"),
        ("Chills", "3 of 6 (50 %)"),
        ("Lung infection", "1 of 6 (17 %)"),
    ]
    fever = [(row["grade"], row["from"], row["to"]) for row in having(specification, term="Fever")
             if "grade" in row]  # fmt: skip
    assert fever[:2] == [(1, 0, 2), (3, 2, 3)]


def test_many_terms_are_cut_to_the_most_frequent():
    """A picture with more rows than a page is not looked at."""
    many = [
        adverse_events.TermRow(term=f"Term {number}", worst_grades={1: number})
        for number in range(1, adverse_events.MOST_TERMS + 6)
    ]
    drawn = adverse_events.draw_adverse_events(caption("adverse-events"), many, 99)
    shown = {row["term"] for row in rows(drawn)}
    assert len(shown) == adverse_events.MOST_TERMS
    assert "Term 5" not in shown
    assert "Term 6" in shown


def test_a_survival_curve_begins_at_one_and_counts_those_at_risk():
    """Steps, bands where there are limits, ticks where somebody was censored, numbers below."""
    specification = SAMPLES["kaplan-meier"].full()
    steps = [(row["day"], row["survival"]) for row in having(specification, kind="step")]
    assert steps == [(0, 1), *((step.day, step.survival) for step in CURVE.steps)]
    bands = [(row["day"], row["until"]) for row in having(specification, kind="band")]
    assert bands == [(14, 70)]
    assert [row["day"] for row in having(specification, kind="censored")] == [14]
    at_risk = [(row["day"], row["at_risk"]) for row in rows(specification) if "kind" not in row]
    assert at_risk == [(0, 4), (14, 4), (28, 2), (42, 2), (56, 2), (70, 2)]
    assert "n = 4, 3 responded, median 70.5 days" in to_json(specification)


def test_a_curve_without_anybody_stands_beside_the_others():
    """An empty curve says so and draws nothing; a median that is not reached says so."""
    nobody = type(CURVE)(name="Neutrophils", n=0, events=0, median=None, steps=())
    open_end = type(CURVE)(name="Any", n=4, events=1, median=None, steps=CURVE.steps[:1])
    text = to_json(SAMPLES["kaplan-meier"].full.__globals__["draw_kaplan_meier"](
        caption("kaplan-meier"), columns(nobody, open_end)
    ))  # fmt: skip
    assert "Neutrophils: nobody yet (n = 0)" in text
    assert "Any: n = 4, 1 responded, median not reached" in text


def test_changes_are_sorted_and_marked():
    """The largest comes first; who could not respond has a star; who has no change is counted."""
    specification = waterfall(*CHANGED)
    marks = [(row["subject"], row["mark"]) for row in rows(specification) if "mark" in row]
    assert marks == [("S-002", "B"), ("S-003", "A*"), ("S-001", "A")]
    title = specification["vconcat"][0]["title"]["text"]
    assert title == "Platelets: n = 3, of whom 1 not evaluable (*); 1 without a count to compare"


def test_counts_are_drawn_with_their_marks():
    """Each count with its value; a transfusion sits on the line between its neighbours."""
    specification = trajectories(COURSE)
    counts = [
        (row["day"], row["value"], row["what"]) for row in having(specification, kind="count")
    ]
    assert [(day, value) for day, value, _ in counts] == [
        (point.day, point.value) for point in COURSE.points
    ]
    assert [what.startswith("Count at") for *_, what in counts] == [False, False, True]
    (transfusion,) = having(specification, kind="transfusion")
    assert transfusion["value"] == 65
    assert [row["day"] for row in having(specification, kind="infusion")] == [0, 7]


def test_a_transfusion_on_the_day_of_a_count_or_past_the_line_takes_a_count():
    """No value is made up beyond what was measured."""
    course = type(COURSE)(
        subject="S-002", level="B", points=COURSE.points, transfusion_days=(-9, 6, 30),
        infusion_days=(),
    )  # fmt: skip
    values = [row["value"] for row in having(trajectories(course), kind="transfusion")]
    assert values == [40, 90, 120]


def test_a_course_has_its_bands_and_marks_on_their_days():
    """The whole bar lies below the responses; every kind of mark is drawn."""
    specification = SAMPLES["swimmer"].full()
    bands = [
        (row["what"], row["from_day"], row["to_day"]) for row in having(specification, kind="band")
    ]
    assert bands[0] == ("In follow-up", 0, SWIMMER.end_day)
    assert bands[1:] == list(SWIMMER.bands)
    marks = [(row["what"], row["day"]) for row in having(specification, kind="mark")]
    assert marks == list(SWIMMER.marks)


def _luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one, other):
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_words_are_legible():
    """Every colour of words has the contrast of WCAG AA (4.5) on what it is written on."""
    white = "#FFFFFF"
    on = [(style.INK, white), (style.QUIET, white), (white, style.VERMILLION)]
    on += [(style.INK, fill) for fill in (style.SKY, style.YELLOW)]
    on += [
        (white if ink == "white" else ink, fill)
        for ink, fill in zip(adverse_events._INKS, adverse_events._FILLS, strict=True)
    ]
    assert [pair for pair in on if _contrast(*pair) < 4.5] == []


def test_what_is_ordered_differs_in_grey_too():
    """Grades get darker and the first three levels differ, so a print without colour works."""
    grades = [_luminance(fill) for fill in adverse_events._FILLS]
    assert grades == sorted(grades, reverse=True)
    levels = style.LEVEL_COLOURS[:3]
    pairs = [(a, b) for place, a in enumerate(levels) for b in levels[place + 1 :]]
    assert min(_contrast(*pair) for pair in pairs) > 1.8


@pytest.mark.parametrize("name", NAMES)
def test_no_word_is_small(name):
    """Fonts have at least 11 points."""
    sizes = re.findall(r'"[a-zA-Z]*[fF]ontSize":(\d+)', to_json(SAMPLES[name].full()))
    assert sizes
    assert min(map(int, sizes)) >= 11


def test_a_long_line_is_broken_between_words():
    """A caption does not run out of the picture."""
    lines = style.wrapped("word " * 60)
    assert max(map(len, lines)) <= 105
    assert " ".join(lines).split() == ["word"] * 60
