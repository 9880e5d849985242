"""Pictures of single subjects: best changes, blood counts and courses of those one may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from app.domain.disposition import EndDays, end_days
from app.domain.facts import Transfusion
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_levels import EnrolledSubject
from app.domain.metrics_safety import SEVERE_GRADE
from app.domain.response import LineageResponse, Response
from app.domain.response_episodes import Episode
from app.domain.response_flags import transfused_within
from app.domain.response_rules import LineageCriteria
from app.domain.vocabulary import Lineage, TransfusionProduct
from app.pictures.lab_trajectories import CourseRow, LineagePanel, Point, draw_lab_trajectories
from app.pictures.style import Spec, counted
from app.pictures.swimmer import Band, Mark, SwimmerRow, draw_swimmer
from app.pictures.waterfall import ChangePanel, ChangeRow, draw_waterfall
from app.schemas.pictures import PictureName
from app.services.metric_store import MetricStudy
from app.services.picture_catalogue import caption
from app.services.pictures_of_study import LINEAGES

_UNITS = {Lineage.NEUTROPHIL: "10^9/L", Lineage.PLATELET: "10^9/L", Lineage.HEMOGLOBIN: "g/L"}
_BLOOD = {
    TransfusionProduct.RED_CELLS: Mark.RED_CELLS,
    TransfusionProduct.PLATELETS: Mark.PLATELETS,
}
Shown = Iterable[MetricSubject]
"""The subjects that the reader may see."""


def specify_waterfall(study: MetricStudy, shown: Shown) -> Spec:
    """Draw the best change of each treated subject in each lineage."""
    responses = _responses(study, shown)
    days = study.rules.response.transfusion_free_days
    panels = [
        ChangePanel(
            lineage=LINEAGES[criteria.lineage],
            unit=_UNITS[criteria.lineage],
            rise=criteria.pr.value,
            rows=tuple(
                _change(subject, _of(response, criteria.lineage), criteria, days)
                for subject, response in responses
            ),
        )
        for criteria in study.rules.response.lineages
    ]
    line = (
        "From the last count before the first infusion to the best one after it, without counts in"
        f" the {days} days from a transfusion that can raise them. Letter: dose level. *: not"
        " evaluable: at baseline not shown to be below the limit of complete response."
        " Dashed: the rise of a partial response (PR)."
    )
    of = _of_whom(study, len(responses))
    return draw_waterfall(caption(study, PictureName.WATERFALL, line, of=of), panels, study.levels)


def _change(
    subject: MetricSubject, entry: LineageResponse, criteria: LineageCriteria, free_days: int
) -> ChangeRow:
    baseline = entry.baseline
    blood = _raising(subject.transfusions, criteria)
    values = [
        test.value
        for test in entry.tests
        if not transfused_within(blood, test.day, test.day, free_days)
    ]
    return ChangeRow(
        subject=subject.number,
        level=_enrolled(subject).level,
        change=max(values) - baseline.value if values and baseline else None,
        evaluable=baseline.evaluable if baseline else None,
    )


def specify_lab_trajectories(study: MetricStudy, shown: Shown) -> Spec:
    """Draw the counts of each treated subject that response is read from."""
    responses = _responses(study, shown)
    panels = [
        LineagePanel(
            lineage=LINEAGES[criteria.lineage],
            unit=_UNITS[criteria.lineage],
            limit=criteria.cr.value,
            rise=criteria.pr.value,
            rows=tuple(_course(subject, response, criteria) for subject, response in responses),
        )
        for criteria in study.rules.response.lineages
    ]
    line = (
        "Each line is a subject: baseline, then one count a day, until observation of response"
        " ends. Dashed: the limit of complete response (CR)."
    )
    of = _of_whom(study, len(responses))
    return draw_lab_trajectories(
        caption(study, PictureName.LAB_TRAJECTORIES, line, of=of), panels, study.levels
    )


def _course(subject: MetricSubject, response: Response, criteria: LineageCriteria) -> CourseRow:
    entry, zero = _of(response, criteria.lineage), _zero(response)
    before = entry.baseline
    points = [Point((test.day - zero).days, test.value, test.cr is True) for test in entry.tests]
    if before is not None:
        points.insert(0, Point((before.day - zero).days, before.value, before.evaluable is False))
    days = [(blood.day - zero).days for blood in _raising(subject.transfusions, criteria)]
    given = [each.day for each in _enrolled(subject).facts.infusions if each.given and each.day]
    return CourseRow(
        subject=subject.number,
        level=_enrolled(subject).level,
        points=tuple(points),
        transfusion_days=tuple(
            day for day in sorted(set(days)) if points and points[0].day <= day <= points[-1].day
        ),
        infusion_days=tuple(sorted((day - zero).days for day in given)),
    )


def specify_swimmer(study: MetricStudy, shown: Shown) -> Spec:
    """Draw the course of each subject of the safety set."""
    treated = [subject for subject in shown if subject.enrolled and subject.enrolled.treated]
    treated.sort(key=lambda subject: (_first_day(subject), subject.number))
    rows = [_swimmer(subject, study.today) for subject in treated]
    line = (
        "Complete response (CR) of all three lineages, partial response (PR) of any that can"
        " respond; a response that goes on is drawn to the last count."
    )
    of = _of_whom(study, len(rows))
    return draw_swimmer(caption(study, PictureName.SWIMMER, line, of=of), rows, study.levels)


def _swimmer(subject: MetricSubject, today: date) -> SwimmerRow:
    zero = _first_day(subject)
    ends = end_days(_enrolled(subject).facts.dispositions)
    last = ends.study if ends.study is not None else today
    response = subject.treated.response if subject.treated else None
    return SwimmerRow(
        subject=subject.number,
        level=_enrolled(subject).level,
        end_day=max(0, (last - zero).days),
        bands=tuple(
            (band, max(0, (start - zero).days), (end - zero).days)
            for band, start, end in (_bands(response) if response else ())
        ),
        marks=tuple(
            (mark, (day - zero).days)
            for mark, day in (
                *_marks(subject, last),
                *(_responding(response) if response else ()),
                (_end(ends), ends.life or last),
            )
            if day >= zero
        ),
    )


def _bands(response: Response) -> Iterator[tuple[Band, date, date]]:
    """Give the partial responses, overlapping ones as one, then the complete ones upon them."""
    for band in (Band.PARTIAL, Band.COMPLETE):
        spans = [
            (episode.start_day, episode.end_day or last)
            for of, episode, last in _episodes(response)
            if of is band
        ]
        for start, end in _joined(spans):
            yield band, start, end


def _responding(response: Response) -> Iterator[tuple[Mark, date]]:
    """Mark the last count of a response that had not ended by then."""
    days = [last for _, episode, last in _episodes(response) if episode.end_day is None]
    if days:
        yield Mark.RESPONDING, max(days)


def _episodes(response: Response) -> Iterator[tuple[Band, Episode, date]]:
    """Give the subject's responses, each with the last count that could have ended it."""
    for entry in response.lineages:
        for episode in entry.partial.episodes if entry.counts else ():
            yield Band.PARTIAL, episode, entry.tests[-1].day
    last = max((entry.tests[-1].day for entry in response.lineages if entry.tests), default=None)
    if response.complete is not None and last is not None:
        for episode in response.complete.episodes:
            yield Band.COMPLETE, episode, last


def _joined(spans: Iterable[tuple[date, date]]) -> list[tuple[date, date]]:
    joined: list[tuple[date, date]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _marks(subject: MetricSubject, last: date) -> Iterator[tuple[Mark, date]]:
    """Give what happened up to the last day of follow-up."""
    enrolled = _enrolled(subject)
    for infusion in enrolled.facts.started:
        if infusion.day is not None:
            yield Mark.INFUSION, infusion.day
    for blood in subject.transfusions:
        if blood.day <= last:
            yield _BLOOD.get(blood.product, Mark.OTHER_BLOOD), blood.day
    dlts = {ruling.adverse_event_id for ruling in enrolled.evaluability.status.dlts}
    for event in subject.events:
        if event.id in dlts:
            yield Mark.DLT, event.onset_day
        elif event.grade >= SEVERE_GRADE:
            yield Mark.SEVERE_EVENT, event.onset_day


def _end(ends: EndDays) -> Mark:
    """Say how the bar of a subject ends."""
    if ends.life is not None:
        return Mark.DIED
    return Mark.GOES_ON if ends.study is None else Mark.ENDED


def _responses(study: MetricStudy, shown: Shown) -> list[tuple[MetricSubject, Response]]:
    """Keep who received an infusion of a recorded volume (C10)."""
    return [(subject, subject.treated.response) for subject in shown if subject.treated is not None]


def _of_whom(study: MetricStudy, shown: int) -> str:
    """Say how many of the treated are shown: a reader of some sites does not see all."""
    treated = sum(subject.enrolled.treated for subject in study.subjects if subject.enrolled)
    if shown == treated:
        return f"n = {treated} treated"
    return f"{shown} of {counted(treated, 'treated subject')}"


def _of(response: Response, lineage: Lineage) -> LineageResponse:
    return next(entry for entry in response.lineages if entry.lineage is lineage)


def _raising(transfusions: Iterable[Transfusion], criteria: LineageCriteria) -> list[Transfusion]:
    """Keep the transfusions of products that can raise the lineage's count."""
    return [each for each in transfusions if each.product in criteria.transfusions]


def _enrolled(subject: MetricSubject) -> EnrolledSubject:
    assert subject.enrolled is not None
    return subject.enrolled


def _first_day(subject: MetricSubject) -> date:
    day = _enrolled(subject).first_infusion_day
    assert day is not None
    return day


def _zero(response: Response) -> date:
    assert response.treatment is not None
    return response.treatment.first_day
