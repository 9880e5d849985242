"""Since when an event must be reported as what: its versions followed, and the reports then due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.errors import invalid
from app.domain.expectedness import (
    Expectedness,
    ReferenceVersion,
    expectedness,
    version_in_force,
    word_lapses,
)
from app.domain.facts import AdverseEvent
from app.domain.safety_reporting import (
    ClockStart,
    DueReport,
    Jurisdiction,
    Moment,
    ReportClass,
    ReportClock,
    SafetyReportingRules,
    report_classes,
)

_FAST, _OTHER = ReportClass.SUSAR_FATAL_OR_LIFE_THREATENING, ReportClass.SUSAR_OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class EventVersion:
    """One version of an event as it was recorded; `event` has the worst grade known by then.

    `aware` and `expected` are what it states. `corrects` says that the assessment before it was
    never right, `told` that it is news to whoever received a report.
    """

    version: int
    recorded: Moment
    aware: Moment
    event: AdverseEvent
    expected: bool | None
    corrects: bool = False
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """That an event reached a class: by which version, and since when the site was aware of it.

    `corrected` is when somebody said that it never was of this class, None while that stands.
    """

    concerns: ReportClass
    version: int
    aware: Moment
    corrected: Moment | None = None
    news: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What an event is by its last version, and every class that it reached on the way there."""

    expectedness: Expectedness
    classes: frozenset[ReportClass]
    reached: tuple[Reached, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A version and what it makes of the event; `stated` if it names its own awareness."""

    version: EventVersion
    aware: Moment
    stated: bool
    expectedness: Expectedness
    classes: frozenset[ReportClass]

    @property
    def held(self) -> frozenset[ReportClass]:
        """The classes of the version; a fatal SUSAR is any other SUSAR as well."""
        return self.classes | {_OTHER} if _FAST in self.classes else self.classes


def follow(
    versions: Sequence[EventVersion],
    follow_ups: Sequence[Moment],
    references: Sequence[ReferenceVersion],
    rules: SafetyReportingRules,
) -> Followed:
    """Follow an event through its versions, the first first, of which there is at least one.

    A class is reached once: at the awareness that its version states anew, else when that version
    was recorded. It stays reached, whatever the event becomes, until a version corrects it. What
    was expected is judged at the awareness of each class: nothing that is signed later undoes it.
    """
    judged = _judge(versions, references, rules)
    return Followed(
        expectedness=judged[-1].expectedness,
        classes=judged[-1].classes,
        reached=tuple(_with_news(each, versions, follow_ups) for each in _reached(judged)),
    )


def check_reassessed(before: tuple[object, ...], after: tuple[object, ...]) -> None:
    """Refuse a correction of an assessment that leaves it as it was; raises invalid."""
    if before == after:
        raise invalid(
            "no_other_assessment",
            "A correction of the assessment needs another assessment; give it, or leave the"
            " correction out.",
            "/body/corrects_assessment",
        )


def due_reports(
    event_id: str, reached: Iterable[Reached], rules: SafetyReportingRules
) -> tuple[DueReport, ...]:
    """List every report due on an event, in the order of the rules.

    The day of first awareness is day 0 and every calendar day counts, holidays included.
    """
    classes = tuple(reached)
    return tuple(
        _due(event_id, (jurisdiction, clock), each, start)
        for jurisdiction in rules.jurisdictions
        for clock in jurisdiction.clocks
        for each in classes
        if each.concerns is clock.concerns
        for start in (each.news if clock.starts is ClockStart.NEW_INFORMATION else (each.aware,))
    )


def _judge(
    versions: Sequence[EventVersion],
    references: Sequence[ReferenceVersion],
    rules: SafetyReportingRules,
) -> list[_Judged]:
    """Judge each version at the awareness before, or at its own where that is another one.

    It has its own where it makes something of the event that it was not, states that the site
    knew earlier, or corrects.
    """
    judged: list[_Judged] = []
    lapsed = False
    for each in versions:
        before = judged[-1] if judged else None
        lapsed = each.expected is None and (lapsed or _word_lapsed(before, each))
        stated = before is None or before.version.aware.at != each.aware.at
        for aware in _awareness(before, each, stated):
            reference = version_in_force(references, aware.day)
            expected = expectedness(
                each.expected, each.event.term, each.event.grade, reference, lapsed=lapsed
            )
            classes = report_classes(each.event, expected.expected, rules)
            found = _Judged(
                version=each, aware=aware, stated=stated, expectedness=expected, classes=classes
            )
            if before is None or classes <= before.held:
                break
        judged.append(found)
    return judged


def _awareness(before: _Judged | None, each: EventVersion, stated: bool) -> tuple[Moment, ...]:
    """Return the awareness that a version is judged at, with the one of what is new in it."""
    if before is None:
        return (each.aware,)
    if stated and (each.corrects or each.aware.at < before.aware.at):
        return (each.aware,)
    return (before.aware, each.aware if stated else each.recorded)


def _word_lapsed(before: _Judged | None, each: EventVersion) -> bool:
    """Tell whether the word on expectedness went with the version that it was about."""
    if before is None:
        return False
    was = before.version
    return word_lapses(
        was.expected, (was.event.term, was.event.grade), (each.event.term, each.event.grade)
    )


def _reached(judged: Sequence[_Judged]) -> list[Reached]:
    """List the classes that were reached, those that were corrected first."""
    standing: dict[ReportClass, Reached] = {}
    corrected: list[Reached] = []
    for each in judged:
        gone = {
            concerns: was
            for concerns, was in standing.items()
            if each.version.corrects and _takes_back(each, was)
        }
        corrected += [replace(was, corrected=each.version.recorded) for was in gone.values()]
        standing = {
            concerns: _moved(was, each)
            for concerns, was in standing.items()
            if concerns not in gone
        }
        for concerns in sorted(each.classes - standing.keys()):
            if concerns is not _OTHER or _FAST not in standing:
                standing[concerns] = _begun(concerns, each, gone)
    return [*corrected, *standing.values()]


def _takes_back(each: _Judged, was: Reached) -> bool:
    """Tell whether a correction denies a class, or says that the site learned of it later."""
    return was.concerns not in each.held or (each.stated and each.aware.at > was.aware.at)


def _moved(was: Reached, each: _Judged) -> Reached:
    """Count a class from an earlier awareness that is stated for it; a later one moves nothing."""
    earlier = each.stated and was.concerns in each.held and each.aware.at < was.aware.at
    return replace(was, aware=each.aware) if earlier else was


def _begun(concerns: ReportClass, each: _Judged, gone: dict[ReportClass, Reached]) -> Reached:
    """Begin a class; what is left of a graver one that was corrected goes on from its start."""
    former = gone.get(concerns) or (gone.get(_FAST) if concerns is _OTHER else None)
    if former is None:
        return Reached(concerns=concerns, version=each.version.version, aware=each.aware)
    aware = each.aware if each.stated else former.aware
    return Reached(concerns=concerns, version=former.version, aware=aware)


def _with_news(
    was: Reached, versions: Iterable[EventVersion], follow_ups: Iterable[Moment]
) -> Reached:
    """Add what came to light since the event was of the class and the site aware of it."""
    told = [each.recorded for each in versions if each.told and each.version > was.version]
    until = was.corrected
    news = {
        moment
        for moment in (*told, *follow_ups)
        if moment.at >= was.aware.at and (until is None or moment.at < until.at)
    }
    return replace(was, news=tuple(sorted(news, key=lambda moment: moment.at)))


def _due(
    event_id: str, of: tuple[Jurisdiction, ReportClock], reached: Reached, start: Moment
) -> DueReport:
    jurisdiction, clock = of
    hours, days = clock.hours, clock.days
    return DueReport(
        kind=clock.kind,
        concerns=clock.concerns,
        jurisdiction=jurisdiction.name,
        recipient=clock.recipient,
        starts=clock.starts,
        counted_from=start,
        due_at=None if hours is None else start.at + timedelta(hours=hours),
        due_day=None if days is None else start.day + timedelta(days=days),
        evidence=(event_id,),
        rule=f"safety_reporting.jurisdictions.{jurisdiction.name}.{clock.kind}.{clock.concerns}",
        event_version=reached.version,
        corrected=reached.corrected,
    )
