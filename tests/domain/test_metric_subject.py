"""Participants of the metrics: who gave the place to somebody else."""

from dataclasses import replace

from app.domain.metric_subject import with_replacements
from tests.domain.dlt_cases import course
from tests.domain.explained_cases import participant


def test_whoever_was_replaced_is_marked():
    """By the place that another names; who replaces, and who has no place, is not."""
    first, waiting = participant("001", course("A")), participant("003")
    second = participant("002", course("A"), replaces_id=first.enrolment_id)
    marked = with_replacements([first, second, waiting])
    assert marked == (
        replace(first, enrolled=replace(first.enrolled, replaced=True)),
        second,
        waiting,
    )


def test_nobody_is_marked_by_a_place_that_is_not_there():
    """The place of somebody in another study is nobody's here."""
    alone = participant("001", course("A"), replaces_id="place-elsewhere")
    assert with_replacements([alone]) == (alone,)
