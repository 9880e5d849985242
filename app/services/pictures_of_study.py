"""Pictures of the study as a whole: the ladder, enrolment, adverse events, survival curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.domain.ladder import LevelTally
from app.domain.level_standing import LevelStanding, LevelStatus
from app.domain.metrics_durations import ResponseKind
from app.domain.metrics_safety import EventBasis, Incidence, TermIncidence
from app.domain.survival import SurvivalCurve
from app.domain.vocabulary import CohortPhase, Lineage
from app.pictures.adverse_events import MOST_TERMS, TermRow, draw_adverse_events
from app.pictures.enrolment import MonthRow, PlannedRow, draw_enrolment
from app.pictures.kaplan_meier import Curve, CurveColumn, StepRow, draw_kaplan_meier
from app.pictures.ladder import LadderRow, draw_ladder
from app.pictures.style import Spec, counted
from app.schemas.escalation import EscalationView
from app.schemas.pictures import PictureName
from app.services.metric_store import MetricStudy
from app.services.metrics_efficacy import count_efficacy
from app.services.metrics_enrolment import count_enrolment
from app.services.metrics_safety import count_safety
from app.services.picture_catalogue import caption

LINEAGES = {
    Lineage.NEUTROPHIL: "Neutrophils",
    Lineage.PLATELET: "Platelets",
    Lineage.HEMOGLOBIN: "Haemoglobin",
}
_STATUS = {
    LevelStatus.NOT_OPEN: "not open",
    LevelStatus.ENROLLING: "enrolling",
    LevelStatus.WAITING: "waiting for results",
    LevelStatus.NEEDS_SIX: "needs six subjects",
    LevelStatus.TOLERATED: "tolerated",
    LevelStatus.TOXIC: "toxic",
    LevelStatus.CLOSED: "closed by decision",
}


def specify_ladder(study: MetricStudy, ladder: EscalationView, recommends: bool) -> Spec:
    """Draw the ladder; the recommendation is shown to whoever may read it."""
    rows = [*(_level(study, ladder, each) for each in ladder.ladder), *_expansion(study, ladder)]
    enrolled = [subject for subject in study.subjects if subject.enrolled]
    dlts = sum(row.dlts for row in rows)
    lines = [_recommendation(ladder)] if recommends else []
    lines.append(
        "A box is a place on a level: evaluable with or without a dose-limiting toxicity (DLT), in"
        f" the DLT window of {study.rules.dlt.window_days} days, result due, still to be dosed, or"
        " free now. Empty boxes make up the planned maximum."
    )
    tells = f"{counted(len(enrolled), 'subject')} enrolled, {counted(dlts, 'subject')} with DLT."
    of = f"n = {len(enrolled)} enrolled"
    return draw_ladder(caption(study, PictureName.LADDER, *lines, of=of, tells=tells), rows)


def _recommendation(ladder: EscalationView) -> str:
    action = ladder.recommendation.value.replace("_", " ")
    level = f" (level {ladder.target_level or ladder.level})" if ladder.level else ""
    reasons = " ".join(reason.message for reason in ladder.reasons)
    return f"Recommendation: {action}{level}. {reasons}"


def _level(study: MetricStudy, ladder: EscalationView, standing: LevelStanding) -> LadderRow:
    infusions = study.rules.dosing.level(standing.level).planned_infusions
    return _row(
        study,
        ladder,
        standing.tally,
        CohortPhase.ESCALATION,
        (f"Level {standing.level}: {counted(infusions, 'infusion')}", _STATUS[standing.status]),
    )


def _expansion(study: MetricStudy, ladder: EscalationView) -> Iterator[LadderRow]:
    """Give a row to each level that is or was expanded."""
    tallies = {tally.level: tally for tally in ladder.expansions}
    present = ladder.state.expansion_level
    if present is not None:
        tallies.setdefault(present, LevelTally(level=present))
    for level, tally in tallies.items():
        standing = _expanding(study, tally) if level == present else "closed"
        words = f"Level {level}: expansion", f"expansion {standing}"
        yield _row(study, ladder, tally, CohortPhase.EXPANSION, words)


def _expanding(study: MetricStudy, tally: LevelTally) -> str:
    """Say whether the expansion still takes subjects, waits for results, or has them all."""
    if tally.slots_held < study.rules.escalation.expansion.size:
        return "open"
    return "complete" if tally.settled else "full"


def _row(
    study: MetricStudy,
    ladder: EscalationView,
    tally: LevelTally,
    phase: CohortPhase,
    words: tuple[str, str],
) -> LadderRow:
    rules = study.rules.escalation
    is_open = (tally.level, phase) == (ladder.level, ladder.phase)
    sizes = {
        CohortPhase.ESCALATION: rules.design.max_level_size,
        CohortPhase.EXPANSION: rules.expansion.size,
    }
    return LadderRow(
        name=words[0],
        status=words[1],
        planned_maximum=sizes[phase],
        free=ladder.slots_open_now if is_open else 0,
        evaluable_without_dlt=tally.evaluable - tally.dlts,
        dlts=tally.dlts,
        in_window=tally.in_window,
        unresolved=tally.unresolved,
        not_dosed=tally.enrolled_not_dosed,
        not_evaluable=tally.not_evaluable,
        replaced=sum(
            subject.enrolled.replaced
            for subject in study.subjects
            if subject.enrolled
            and (subject.enrolled.level, subject.enrolled.phase) == (tally.level, phase)
        ),
    )


def specify_enrolment(study: MetricStudy) -> Spec:
    """Draw who was screened, enrolled and first treated, month by month."""
    counts = count_enrolment(study)
    months = [
        MonthRow(
            month=month.month,
            screened=month.screened_so_far,
            enrolled=month.enrolled_so_far,
            first_treated=month.first_treated_so_far,
        )
        for month in counts.months
    ]
    planned = [
        PlannedRow(label=f"{number} {words}", subjects=number)
        for number, words in (
            (counts.planned.total_maximum, "at most in all"),
            (counts.planned.escalation_maximum, "in escalation"),
            (counts.planned.registered, "registered"),
        )
    ]
    tells = (
        f"{counted(counts.screened, 'subject')} screened, {counts.enrolled} enrolled,"
        f" {counts.treated} treated."
    )
    line = (
        "Cumulative, of all sites; enrolled counts when it was entered here."
        " Across: planned sizes, without the replaced."
    )
    return draw_enrolment(caption(study, PictureName.ENROLMENT, line, tells=tells), months, planned)


def specify_adverse_events(study: MetricStudy) -> Spec:
    """Draw the treatment-emergent events of the safety set by term."""
    counts = count_safety(study)
    rows = [
        TermRow(term=each.term, worst_grades=_emergent(each))
        for each in counts.terms
        if each.term is not None
    ]
    found = [row for row in rows if row.participants]
    line = (
        "Treatment-emergent: begun or worsened since the first infusion. Each participant counts"
        f" once in a term, at the worst grade (G1 to G5, CTCAE {counts.ctcae_version})."
    )
    if len(found) > MOST_TERMS:
        line += f" These are the {MOST_TERMS} most frequent of {len(found)} terms."
    affected = _any_emergent(counts.groups[0].incidences)
    tells = f"{affected} of {counted(counts.treated, 'treated participant')} had an event."
    return draw_adverse_events(
        caption(
            study,
            PictureName.ADVERSE_EVENTS,
            line,
            of=f"n = {counts.treated} treated",
            tells=tells,
        ),
        rows,
        counts.treated,
    )


def _emergent(term: TermIncidence) -> dict[int, int]:
    return next(
        each.worst_grades for each in term.incidences if each.basis is EventBasis.TREATMENT_EMERGENT
    )


def _any_emergent(incidences: Iterable[Incidence]) -> int:
    return next(
        each.any_grade.events for each in incidences if each.basis is EventBasis.TREATMENT_EMERGENT
    )


def specify_kaplan_meier(study: MetricStudy) -> Spec:
    """Draw the curves of time to response and, by lineage, of the duration of response."""
    counts = count_efficacy(study)
    times = [
        _curve(LINEAGES[each.lineage] if each.lineage else "Any lineage", each.kaplan_meier)
        for each in counts.times_to_response
    ]
    durations = [
        _curve(LINEAGES[each.lineage], each.kaplan_meier)
        for each in counts.durations_of_response
        if each.kind is ResponseKind.RESPONSE
    ]
    outcomes = study.rules.outcomes
    line = (
        f"Kaplan-Meier. Upright ticks: censored. Band: {round(outcomes.confidence * 100)} %"
        f" interval ({outcomes.survival_interval.value}). Median read by the rule"
        f" {outcomes.survival_median.value}."
    )
    columns = [
        CurveColumn(
            heading="Time to first response (CR or PR)",
            days="Days since the first infusion",
            share="No response yet",
            event="responded",
            curves=tuple(times),
        ),
        CurveColumn(
            heading="Duration of response (CR or PR)",
            days="Days since the response began",
            share="Still in response",
            event="ended",
            curves=tuple(durations),
        ),
    ]
    of = f"n = {counts.treated} treated"
    tells = " ".join(_tell(times[0]) if times else ())
    return draw_kaplan_meier(
        caption(study, PictureName.KAPLAN_MEIER, line, of=of, tells=tells), columns
    )


def _tell(curve: Curve) -> Iterator[str]:
    yield f"{curve.events} of {counted(curve.n, 'participant')} responded;"
    yield "the median time is" if curve.median is not None else "the median time is not reached."
    if curve.median is not None:
        yield f"{curve.median} days."


def _curve(name: str, found: SurvivalCurve) -> Curve:
    return Curve(
        name=name,
        n=found.n,
        events=found.events,
        median=found.median.value,
        steps=tuple(
            StepRow(
                day=step.time,
                at_risk=step.at_risk,
                censored=step.censored,
                survival=step.survival,
                lower=step.interval.lower if step.interval else None,
                upper=step.interval.upper if step.interval else None,
            )
            for step in found.steps
        ),
    )
