"""Response of one subject: episodes, categories of the weeks, and times to and of response."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from tests.recomputation.counts import Answer, End, Lineage, Test, lineages, observation_end
from tests.recomputation.dosing import Course, course
from tests.recomputation.records import Study, Subject, moment

WEEK = 7


@dataclass(frozen=True)
class Reading:
    """The debatable rules under which a subject is read."""

    lineage_rule: str
    transfusion_scope: str
    counts_confounded: bool = True


@dataclass(frozen=True)
class Episode:
    """A response: its first test, its confirmation, and its first day without it."""

    start: date
    confirmed: date
    end: date | None
    end_reason: str | None


@dataclass(frozen=True)
class Strand:
    """All episodes of one criterion, and the day of a test that only waits for the next."""

    episodes: list[Episode]
    waiting: date | None

    def holds(self, day: date) -> bool:
        """Tell whether the subject is in an episode on a day."""
        return any(x.start <= day and (x.end is None or day < x.end) for x in self.episodes)

    def begun_by(self, day: date) -> bool:
        """Tell whether an episode began on or before a day."""
        return any(x.start <= day for x in self.episodes)

    def waits_by(self, day: date) -> bool:
        """Tell whether an episode may still turn out to have begun on or before a day."""
        return self.waiting is not None and self.waiting <= day


@dataclass(frozen=True)
class Week:
    """The category of one week, and what is certain of it."""

    category: str
    confirmed: str


@dataclass(frozen=True)
class Time:
    """Days up to an event, or up to where they are censored."""

    days: int
    event: bool
    reason: str


class Response:
    """One treated subject's response under one reading of the rules."""

    def __init__(
        self,
        subject: Subject,
        study: Study,
        reading: Reading,
        strict: bool = False,
        free_days: int | None = None,
    ) -> None:
        self.study, self.reading, self.subject = study, reading, subject
        self.rules, self.clock = study.rules["response"], study.clock
        self.free_days = self.rules["transfusion_free_days"] if free_days is None else free_days
        self.doses: Course = course(subject, study)
        self.first = self.clock.sure_day(self.doses.given[0]["started_at"])
        self.last = self.clock.sure_day(self.doses.given[-1]["started_at"])
        self.end: End | None = observation_end(subject, self.doses, study)
        found = lineages(subject, self.doses, study, self.end, strict=strict)
        self.lineages = found if reading.counts_confounded else [_distrusted(x) for x in found]
        self.transfusions = self._transfusions()

    def counting(self) -> list[Lineage]:
        """List the lineages that can respond."""
        every = self.reading.lineage_rule == "all"
        return [each for each in self.lineages if every or each.below_limit is True]

    def strand(self, lineage: Lineage, criterion: str) -> Strand:
        """Find the episodes of one lineage: of CR, of PR, or of whichever is met."""
        marks = [(test.day, _meets(test, criterion)) for test in lineage.tests]
        return self._episodes(marks, self._blocking(lineage))

    def complete(self) -> Strand:
        """Find the episodes in which all lineages meet CR on the same panels."""
        days = self.test_days()
        marks: list[tuple[date, Answer]] = []
        for day in days:
            found = [test.cr for x in self.lineages for test in x.tests if test.day == day]
            if len(found) == len(self.lineages) or not all(found):
                marks.append((day, _weakest(found)))
        return self._episodes(marks, self._blocking(None))

    def test_days(self) -> list[date]:
        """List the days with a count of any lineage."""
        return sorted({test.day for each in self.lineages for test in each.tests})

    def week(self, week: int, mode: str, anchor: str) -> Week:
        """Read one week in one way."""
        if anchor == "last" and self.doses.not_given:
            return Week("not_due", "not_due")
        from_day = self.first if anchor == "first" else self.last
        target = from_day + timedelta(days=week * WEEK)
        return self._at(target) if mode == "at" else self._within(target)

    def _at(self, target: date) -> Week:
        span = timedelta(days=self.rules["visit_window_days"])
        if self._is_to_come(target - span):
            return Week("not_due", "not_due")
        near = [day for day in self.test_days() if target - span <= day <= target + span]
        if not near:
            return _settled("not_due" if self._may_still_come(target + span) else "NE")
        day = min(near, key=lambda each: (abs(each - target), each))
        return self._judge(lambda strand: strand.holds(day), lambda strand: strand.waits_by(day))

    def _within(self, target: date) -> Week:
        if self._is_to_come(target):
            return Week("not_due", "not_due")
        if not any(day <= target for day in self.test_days()):
            return _settled("not_due" if self._may_still_come(target) else "NE")
        return self._judge(
            lambda strand: strand.begun_by(target), lambda strand: strand.waits_by(target)
        )

    def _is_to_come(self, day: date) -> bool:
        return self.end is None and self.clock.today < day

    def _may_still_come(self, last: date) -> bool:
        return self.end is None and self.clock.today <= last

    def _judge(self, holds: object, waits: object) -> Week:
        assert callable(holds)
        assert callable(waits)
        counting = self.counting()
        if not counting:
            return _settled("NE")
        complete = self.complete()
        partial = [self.strand(each, "pr") for each in counting]
        sure = "CR" if holds(complete) else "PR" if any(map(holds, partial)) else "NR"
        better = (sure != "CR" and waits(complete)) or (sure == "NR" and any(map(waits, partial)))
        return Week("pending" if better else sure, sure)

    def response_time(self, lineage: Lineage | None) -> Time | None:
        """Count days to the first response of a lineage, or of the subject."""
        counting = self.counting()
        if not counting or (lineage is not None and lineage not in counting):
            return None
        strands = (
            [self.strand(lineage, "or")]
            if lineage
            else [self.complete(), *(self.strand(each, "pr") for each in counting)]
        )
        starts = [episode.start for strand in strands for episode in strand.episodes]
        anchor = self.first if self.rules["response_time_limit_anchor"] == "first" else self.last
        limit = anchor + timedelta(days=self.rules["response_time_limit_days"])
        if starts and min(starts) <= limit:
            return self._time(self.first, min(starts), True, "response")
        if starts:
            return self._time(self.first, limit, False, "late_response")
        days = [test.day for test in lineage.tests] if lineage else self.test_days()
        return self._censored(self.first, limit, days)

    def duration(self, lineage: Lineage, criterion: str) -> Time | None:
        """Count days that the first response of a lineage lasted, up to the cap."""
        if lineage not in self.counting():
            return None
        anchor = self.first if self.rules["dor_cap_anchor"] == "first" else self.last
        cap = anchor + timedelta(days=self.rules["dor_cap_days"])
        episodes = [x for x in self.strand(lineage, criterion).episodes if x.start <= cap]
        if not episodes:
            return None
        first = min(episodes, key=lambda episode: episode.start)
        if first.end is not None and first.end <= cap:
            return self._time(first.start, first.end, True, str(first.end_reason))
        return self._censored(first.start, cap, [test.day for test in lineage.tests])

    def _censored(self, start: date, limit: date, days: list[date]) -> Time:
        """Stop at the last count, at most at the limit, and say what stops it there."""
        last = max(days, default=start)
        if last >= limit:
            return self._time(start, limit, False, "limit_reached")
        reason = self.end.reason if self.end and self.end.day <= limit else "last_assessment"
        return self._time(start, last, False, reason)

    def _time(self, start: date, stop: date, event: bool, reason: str) -> Time:
        return Time((stop - start).days, event, reason)

    def _transfusions(self) -> list[tuple[date, str]]:
        found = []
        for each in self.subject.transfusions:
            day = self.clock.sure_day(each["given_at"])
            excluded = self.end and self.end.excludes(moment(each["given_at"]), day)
            if each["product"] in self.rules["transfusion_products"] and not excluded:
                found.append((day, each["product"]))
        return sorted(found)

    def _blocking(self, lineage: Lineage | None) -> list[date]:
        """List the days of the transfusions that break a response."""
        if lineage is None or self.reading.transfusion_scope == "any":
            return [day for day, _ in self.transfusions if day <= self.clock.today]
        own = lineage.criteria["transfusions"]
        return [day for day, product in self.transfusions if product in own]

    def _episodes(self, marks: list[tuple[date, Answer]], blocking: list[date]) -> Strand:
        """Scan all pairs of neighbouring tests; inside an episode no other one begins."""
        episodes: list[Episode] = []
        for (one, first), (two, second) in pairwise(marks):
            covered = episodes and (episodes[-1].end is None or one < episodes[-1].end)
            if covered or not (first and second) or self._broken(one, two, blocking):
                continue
            episodes.append(self._episode(one, two, marks, blocking))
        waiting = None
        if marks and marks[-1][1] and self.end is None:
            day = marks[-1][0]
            inside = any(x.start <= day and (x.end is None or day < x.end) for x in episodes)
            if not inside and not self._broken(day, self.clock.today, blocking):
                waiting = day
        return Strand(episodes, waiting)

    def _broken(self, one: date, two: date, blocking: list[date]) -> bool:
        free = timedelta(days=self.free_days)
        return any(one - free < day <= two for day in blocking)

    def _episode(
        self, one: date, two: date, marks: list[tuple[date, Answer]], blocking: list[date]
    ) -> Episode:
        ends = [(day, 0, met) for day, met in marks if day > two and not met]
        found = [
            (day, order, "below_criteria" if met is False else "undetermined_value")
            for day, order, met in ends
        ]
        found += [(day, 1, "transfusion") for day in blocking if day > two]
        if not found:
            return Episode(one, two, None, None)
        day, _, reason = min(found)
        return Episode(one, two, day, reason)


def _meets(test: Test, criterion: str) -> Answer:
    if criterion == "cr":
        return test.cr
    if criterion == "pr":
        return test.pr
    if test.cr or test.pr:
        return True
    return False if test.cr is False and test.pr is False else None


def _weakest(found: list[Answer]) -> Answer:
    if any(answer is False for answer in found):
        return False
    return None if any(answer is None for answer in found) else True


def _settled(category: str) -> Week:
    return Week(category, category)


def _distrusted(lineage: Lineage) -> Lineage:
    """Let no flagged count meet a criterion, and no increase stand on a doubtful baseline."""
    return replace(
        lineage,
        tests=[
            replace(
                test,
                cr=False if test.flagged else test.cr,
                pr=False if test.flagged or lineage.doubtful_baseline else test.pr,
            )
            for test in lineage.tests
        ],
    )
