"""Aggregates have no room for one participant, nor for what small cells could be told by."""

import typing
from dataclasses import dataclass, fields, is_dataclass, make_dataclass
from datetime import date, datetime
from uuid import UUID

import pytest

from app.domain.vocabulary import Sex
from app.schemas.metrics import EfficacyMetricsView, EnrolmentMetricsView, SafetyMetricsView
from app.schemas.metrics_explanation import Explanation
from app.schemas.metrics_laboratory import LaboratoryMetricsView
from app.schemas.metrics_operations import OperationsMetricsView

VIEWS = (
    EnrolmentMetricsView,
    SafetyMetricsView,
    EfficacyMetricsView,
    LaboratoryMetricsView,
    OperationsMetricsView,
)
# Moments that are of the answer, and of nobody.
OF_THE_ANSWER = {"study_day", "as_of", "records_until"}
FORBIDDEN_TYPES = (date, datetime, UUID, Sex)
FORBIDDEN_WORDS = {
    "id", "ids", "number", "sex", "gender", "birth", "age", "site", "initials", "day", "date",
    "week_of", "records", "evidence",
}  # fmt: skip


def types_in(hint):
    """List the types that a hint names."""
    inner = typing.get_args(hint)
    return [each for part in inner for each in types_in(part)] if inner else [hint]


def forbidden(view, at="", seen=()):
    """List the members of a view that could tell of one participant."""
    hints = typing.get_type_hints(view)
    for field in fields(view):
        place = f"{at}/{field.name}"
        if not at and field.name in OF_THE_ANSWER:
            continue
        words = set(field.name.split("_"))
        for each in types_in(hints[field.name]):
            if each is Explanation:
                continue
            is_word = words & FORBIDDEN_WORDS and not is_counted(each, words)
            if is_word or (isinstance(each, type) and issubclass(each, FORBIDDEN_TYPES)):
                yield place
            if is_dataclass(each) and each not in seen:
                yield from forbidden(each, place, (*seen, each))


def is_counted(found, words):
    """Tell whether a suspicious name is of no participant: a rule's, a digest's or a target's."""
    return bool(words & {"rule", "digest", "target"}) and found in (str, int)


@pytest.mark.parametrize("view", VIEWS)
def test_no_answer_has_room_for_a_participant(view):
    """No id, no number, no site, and no date; age and sex are crossed with nothing."""
    assert list(forbidden(view)) == []


@dataclass(frozen=True)
class Row:
    """A row of what is forbidden."""

    onset_day: date
    sex: str
    by_sex: dict[Sex, int]
    subject_id: str


def test_control_the_walk_finds_what_is_forbidden():
    """Below lists and mappings too, by name and by type."""
    view = make_dataclass("View", [("study_day", date), ("rows", dict[str, tuple[Row, ...]])])
    places = {"/rows/onset_day", "/rows/sex", "/rows/by_sex", "/rows/subject_id"}
    assert set(forbidden(view)) == places
