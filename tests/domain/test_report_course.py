"""Awareness as a course: which class an event reached when, and what a correction takes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.expectedness import ReferenceEntry, ReferenceVersion
from app.domain.facts import AdverseEvent
from app.domain.report_course import (
    EventVersion,
    Followed,
    Reached,
    check_reassessed,
    due_reports,
    follow,
)
from app.domain.reports_sent import TrackedReport, track_reports
from app.domain.safety_reporting import (
    Moment,
    ReportClass,
    ReportKind,
    ReportStatus,
    SafetyReportingRules,
)
from app.domain.vocabulary import Causality, SeriousnessCriterion
from tests.protocol_data import section

RULES = section("safety_reporting", SafetyReportingRules)
SHANGHAI = ZoneInfo("Asia/Shanghai")
SERIOUS, OTHER, FAST = (
    ReportClass.SERIOUS,
    ReportClass.SUSAR_OTHER,
    ReportClass.SUSAR_FATAL_OR_LIFE_THREATENING,
)
HOSPITAL = frozenset({SeriousnessCriterion.HOSPITALIZATION})
THREAT = frozenset({SeriousnessCriterion.LIFE_THREATENING})
NOT_SERIOUS: frozenset[SeriousnessCriterion] = frozenset()


def on(day: int, hour: int = 12) -> Moment:
    """Return an hour of a day of June, or of the days after it."""
    at = datetime(2026, 6, 1, hour, tzinfo=SHANGHAI) + timedelta(days=day - 1)
    return Moment(at, at.date())


AWARE = on(1)
EVENT = AdverseEvent(
    id="event-1",
    term="Sepsis",
    soc="Infections and infestations",
    grade=4,
    onset_at=on(1, 6).at,
    onset_day=on(1).day,
    causality=Causality.POSSIBLE,
    seriousness=HOSPITAL,
)


def version(number: int, day: int, aware: Moment = AWARE, **changes: object) -> EventVersion:
    """Record a version on a day; what is no column of a version is one of the event."""
    own = {name: changes.pop(name) for name in ("expected", "corrects", "told") if name in changes}
    made = EventVersion(
        version=number,
        recorded=on(day),
        aware=aware,
        event=replace(EVENT, **changes),  # type: ignore[arg-type]
        expected=None,
    )
    return replace(made, **own)  # type: ignore[arg-type]


def listing(signed: int, grade: int = 4, number: int = 1) -> ReferenceVersion:
    """Sign on a day of June that sepsis is expected up to a grade."""
    entries = (ReferenceEntry(term="Sepsis", max_expected_grade=grade),)
    return ReferenceVersion(
        number=number, effective_on=date(2026, 1, 1), signed_on=on(signed).day, entries=entries
    )


def followed(
    *versions: EventVersion, lists: tuple[ReferenceVersion, ...] = (), news: tuple[Moment, ...] = ()
) -> Followed:
    """Follow an event by the shipped rules."""
    return follow(versions, news, lists, RULES)


def starts(found: Followed) -> dict[ReportClass, Moment]:
    """Tell since when the classes that stand were reached."""
    return {each.concerns: each.aware for each in found.reached if each.corrected is None}


def clocks(found: Followed, now: Moment) -> list[tuple[ReportKind, ReportClass, ReportStatus]]:
    """List the clocks of an event of which nothing was sent."""
    tracked: tuple[TrackedReport, ...] = track_reports(
        due_reports("event-1", found.reached, RULES), (), now
    )
    return [(each.due.kind, each.due.concerns, each.status) for each in tracked]


def test_a_class_starts_with_the_version_that_reached_it() -> None:
    """At the awareness that is stated anew with it, else when it was recorded; not at the first."""
    first = version(1, 1)
    recorded = followed(first, version(2, 5, seriousness=THREAT))
    assert starts(recorded) == {SERIOUS: AWARE, OTHER: AWARE, FAST: on(5)}
    stated = followed(first, version(2, 5, aware=on(4), seriousness=THREAT))
    assert starts(stated) == {SERIOUS: AWARE, OTHER: AWARE, FAST: on(4)}
    assert [each.version for each in stated.reached] == [1, 1, 2]


@pytest.mark.parametrize(
    "milder",
    [{"seriousness": NOT_SERIOUS}, {"causality": Causality.UNRELATED}, {"expected": True},
     {"aware": on(30)}, {"seriousness": HOSPITAL}],
)  # fmt: skip
def test_nothing_but_a_correction_stops_a_clock(milder: dict[str, Any]) -> None:
    """Whatever the event becomes, and however late the site says it knew, each clock runs on."""
    fatal = followed(version(1, 1, seriousness=THREAT), version(2, 20, **milder))
    assert starts(fatal) == {SERIOUS: AWARE, FAST: AWARE}
    assert {status for *_, status in clocks(fatal, on(40))} == {ReportStatus.OVERDUE}
    again = followed(
        version(1, 1, seriousness=THREAT),
        version(2, 20, **milder),
        version(3, 25, milder.get("aware", AWARE), seriousness=THREAT),
    )
    assert starts(again) == starts(fatal)


def test_a_correction_takes_back_what_is_not_late() -> None:
    """On the fourth day the 24 hours are over and seven days are not."""
    found = followed(
        version(1, 1, seriousness=THREAT),
        version(2, 4, corrects=True, seriousness=NOT_SERIOUS),
    )
    assert (found.classes, starts(found)) == (frozenset(), {})
    assert clocks(found, on(60)) == [(ReportKind.SERIOUS_INITIAL, SERIOUS, ReportStatus.OVERDUE)]


def test_what_is_left_after_a_correction_goes_on_from_its_start() -> None:
    """A SUSAR that was never fatal was a SUSAR all the time; one that is none again begins anew."""
    fatal = version(1, 1, seriousness=THREAT)
    milder = followed(fatal, version(2, 4, corrects=True))
    assert starts(milder) == {SERIOUS: AWARE, OTHER: AWARE}
    assert [each.version for each in milder.reached] == [1, 1, 1]
    unrelated = version(2, 4, corrects=True, causality=Causality.UNRELATED)
    again = followed(fatal, unrelated, version(3, 9, seriousness=THREAT))
    assert starts(again) == {SERIOUS: AWARE, FAST: on(9)}


def test_a_later_awareness_counts_as_a_correction_only() -> None:
    """An earlier one counts at once, also for the milder class that the event had before."""
    first = version(1, 1)
    later = followed(first, version(2, 2, aware=on(2), corrects=True))
    assert starts(later) == {SERIOUS: on(2), OTHER: on(2)}
    earlier = version(3, 6, aware=on(1, 9), seriousness=THREAT)
    found = followed(first, version(2, 5, seriousness=THREAT), earlier)
    assert set(starts(found).values()) == {on(1, 9)}


def test_expectedness_is_judged_when_each_class_is_reached() -> None:
    """A list signed later undoes no SUSAR, a death beyond it is judged by the list of that day."""
    first = version(1, 1)
    moved = followed(first, version(2, 20, aware=on(20)), lists=(listing(10),))
    assert starts(moved) == {SERIOUS: AWARE, OTHER: AWARE}
    assert moved.expectedness.expected is None
    known = followed(first, version(2, 20, told=True), lists=(listing(1), listing(10, 3, 2)))
    assert starts(known) == {SERIOUS: AWARE}
    worse = version(2, 20, grade=5, seriousness=THREAT)
    assert starts(followed(first, worse, lists=(listing(1),)))[FAST] == on(20)
    expected = followed(first, worse, lists=(listing(1), listing(10, 5, 2)))
    assert starts(expected) == {SERIOUS: AWARE}
    assert expected.expectedness.reference_version == 2


def test_the_word_goes_with_the_grade_it_was_said_of() -> None:
    """Expected at grade four says nothing of a death, until it is said again."""
    first = version(1, 1, expected=True)
    fatal = version(2, 5, grade=5, seriousness=THREAT)
    lapsed = followed(first, fatal, version(3, 6, grade=5, seriousness=THREAT, told=True))
    assert starts(lapsed) == {SERIOUS: AWARE, FAST: on(5)}
    assert lapsed.expectedness.difference is not None
    said = followed(first, fatal, version(3, 6, grade=5, seriousness=THREAT, expected=True))
    assert (said.expectedness.expected, said.expectedness.difference) == (True, None)
    never = followed(version(1, 1), fatal)
    assert never.expectedness.difference is None


def test_news_counts_from_the_class_on() -> None:
    """What was told before the event became a SUSAR starts no clock that is overdue at birth."""
    unlikely: dict[str, Any] = {"causality": Causality.UNLIKELY}
    found = followed(
        version(1, 1, **unlikely),
        version(2, 2, told=True, **unlikely),
        version(3, 30, aware=on(29), told=True),
        version(4, 31, aware=on(29), told=True),
        news=(on(5), on(29), on(40)),
    )
    (susar,) = [each for each in found.reached if each.concerns is OTHER]
    assert susar.news == (on(29), on(31), on(40))
    assert {status for *_, status in clocks(found, on(31))[1:]} == {ReportStatus.OPEN}


def test_a_correction_is_no_news_of_what_it_denies() -> None:
    """Nor is anything that comes later; what came before it was news."""
    found = followed(
        version(1, 1),
        version(2, 3, told=True),
        version(3, 9, told=True, corrects=True, expected=True),
        version(4, 10, told=True, expected=True),
        news=(on(8), on(9), on(12)),
    )
    (denied,) = [each for each in found.reached if each.corrected]
    assert (denied.concerns, denied.news) == (OTHER, (on(3), on(8)))


def test_a_correction_needs_another_assessment() -> None:
    """To say that it was wrong and give the same is refused."""
    check_reassessed((4, True), (4, None))
    with pytest.raises(DomainError) as refused:
        check_reassessed((4, True), (4, True))
    assert refused.value.code == "no_other_assessment"


VERSIONS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from([None, 0, 3]),
        st.sampled_from([NOT_SERIOUS, HOSPITAL, THREAT]),
        st.sampled_from([None, *Causality]),
        st.sampled_from([None, True, False]),
        st.booleans(),
    ),
    min_size=2,
    max_size=6,
)


def course(drawn: list[Any], correcting: bool) -> list[EventVersion]:
    """Record versions one after the other; some state since when the site was aware."""
    made: list[EventVersion] = []
    day, aware = 10, on(9)
    for number, (later, back, seriousness, causality, expected, corrects) in enumerate(drawn, 1):
        day += later
        aware = aware if back is None else on(day - back)
        made.append(
            version(
                number,
                day,
                aware=aware,
                seriousness=seriousness,
                causality=causality,
                expected=expected,
                corrects=correcting and corrects,
                told=number > 1,
            )
        )
    return made


@settings(max_examples=150, deadline=None)
@given(drawn=VERSIONS, signed=st.integers(5, 40))
def test_without_a_correction_no_start_is_lost_or_moved_later(
    drawn: list[Any], signed: int
) -> None:
    """Whatever is recorded next, each class stays reached, from its start or an earlier one."""
    versions = course(drawn, correcting=False)
    lists = (listing(signed),)
    for known in range(1, len(versions)):
        before = starts(followed(*versions[:known], lists=lists))
        after = starts(followed(*versions[: known + 1], lists=lists))
        for concerns, start in before.items():
            assert after[concerns].at <= start.at


@settings(max_examples=150, deadline=None)
@given(drawn=VERSIONS, signed=st.integers(5, 40))
def test_what_is_late_stays_late(drawn: list[Any], signed: int) -> None:
    """Nothing that is recorded on a day takes a report away that was overdue by then."""
    versions = course(drawn, correcting=True)
    lists = (listing(signed),)

    def late(known: int, now: Moment) -> set[tuple[ReportKind, bool]]:
        reached: tuple[Reached, ...] = followed(*versions[:known], lists=lists).reached
        tracked = track_reports(due_reports("event-1", reached, RULES), (), now)
        return {
            (each.due.kind, each.due.recipient == "sponsor")
            for each in tracked
            if each.status is ReportStatus.OVERDUE
        }

    for known in range(1, len(versions)):
        now = versions[known].recorded
        assert late(known, now) <= late(known + 1, now)
