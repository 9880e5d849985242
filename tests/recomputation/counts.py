"""Blood counts of one subject: the baseline of each lineage, and what each later day shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.recomputation.dosing import Course
from tests.recomputation.records import Row, Study, Subject, moment, number

USABLE = ("final", "corrected", "amended")
Answer = bool | None


@dataclass(frozen=True)
class End:
    """What ended the observation of response: nothing later counts."""

    day: date
    reason: str
    instant: datetime | None

    def excludes(self, instant: datetime, day: date) -> bool:
        """A therapy counts from its instant on, a departure from the next day on."""
        return instant >= self.instant if self.instant else day > self.day


@dataclass(frozen=True)
class Test:
    """One local day of one lineage; None where the data cannot tell."""

    day: date
    cr: Answer
    pr: Answer
    flagged: bool


@dataclass(frozen=True)
class Lineage:
    """One lineage: whether it was below its CR limit before treatment, and its days since."""

    criteria: Row
    below_limit: Answer
    doubtful_baseline: bool
    tests: list[Test]

    @property
    def name(self) -> str:
        """The lineage's name."""
        found: str = self.criteria["lineage"]
        return found


def observation_end(subject: Subject, doses: Course, study: Study) -> End | None:
    """Find the first departure or therapy of its own after the first infusion began."""
    clock, rules = study.clock, study.rules["response"]["censoring"]
    start = moment(doses.given[0]["started_at"])
    first = clock.sure_day(doses.given[0]["started_at"])
    ends = [
        End(day, event, None)
        for day, event in subject.departures
        if event in rules["dispositions"] and first <= day <= clock.today
    ]
    ends += [
        End(
            clock.sure_day(each["started_at"]), each["medication_class"], moment(each["started_at"])
        )
        for each in subject.medications
        if each["medication_class"] in rules["medications"]
        and moment(each["started_at"]) > start
        and clock.sure_day(each["started_at"]) <= clock.today
    ]
    latest = datetime.max.replace(tzinfo=start.tzinfo)
    return min(ends, key=lambda x: (x.day, x.instant or latest, x.reason), default=None)


def lineages(
    subject: Subject, doses: Course, study: Study, end: End | None, **options: Any
) -> list[Lineage]:
    """Read every lineage's counts; `strict` is a planted mistake for the controls."""
    return [
        _Reader(subject, doses, study, end, criteria, **options).lineage()
        for criteria in study.rules["response"]["lineages"]
    ]


class _Reader:
    """Reads the counts of one lineage."""

    def __init__(
        self,
        subject: Subject,
        doses: Course,
        study: Study,
        end: End | None,
        criteria: Row,
        strict: bool = False,
    ) -> None:
        self.subject, self.doses, self.study, self.end = subject, doses, study, end
        self.criteria, self.rules, self.strict = criteria, study.rules["response"], strict
        self.clock = study.clock
        self.counts = sorted(
            (
                each
                for each in subject.labs
                if each["analyte"] == criteria["analyte"]
                and each["status"] in USABLE
                and each["value"] is not None
                and self.clock.sure_day(each["collected_at"]) <= self.clock.today
            ),
            key=lambda each: moment(each["collected_at"]),
        )

    def lineage(self) -> Lineage:
        """Find the baseline and see each day after the first infusion against it."""
        baseline = self._baseline()
        below = _negated(self._reaches(baseline, "cr")) if baseline else False
        first = self.clock.sure_day(self.doses.given[0]["started_at"])
        doubtful = baseline is not None and self._doubtful_baseline(baseline, first)
        by_day: dict[date, list[Row]] = {}
        for each in self.counts:
            day = self.clock.sure_day(each["collected_at"])
            instant = moment(each["collected_at"])
            if day > first and not (self.end and self.end.excludes(instant, day)):
                by_day.setdefault(day, []).append(each)
        tests = [self._test(day, rows, baseline) for day, rows in sorted(by_day.items())]
        return Lineage(self.criteria, below, doubtful, tests)

    def _baseline(self) -> Row | None:
        """Take the last count before the first infusion; of several at one instant the highest."""
        start = moment(self.doses.given[0]["started_at"])
        earlier = [each for each in self.counts if moment(each["collected_at"]) < start]
        if not earlier:
            return None
        last = moment(earlier[-1]["collected_at"])
        return max(
            (each for each in earlier if moment(each["collected_at"]) == last),
            key=lambda each: number(each["value"]),
        )

    def _test(self, day: date, rows: list[Row], baseline: Row | None) -> Test:
        """See a day by its lowest value: it meets what all its values meet."""
        cr = _all_of([self._reaches(row, "cr") for row in rows])
        pr = _all_of([self._increased(row, baseline) for row in rows])
        return Test(day, cr, pr, any(self._moved(row, day) for row in rows))

    def _reaches(self, row: Row, criterion: str) -> Answer:
        return self._at_least(number(row["value"]), row["comparator"], criterion)

    def _increased(self, row: Row, baseline: Row | None) -> Answer:
        """Compare with the baseline as far as both bounds allow."""
        if baseline is None:
            return None
        against = {None: None, "<": ">", "<=": ">=", ">": "<", ">=": "<="}[baseline["comparator"]]
        words = {row["comparator"], against} - {None}
        if {word[0] for word in words} == {"<", ">"}:
            return None
        # Two bounds in one direction: strict if either is.
        word = min(words, key=len) if words else None
        return self._at_least(number(row["value"]) - number(baseline["value"]), word, "pr")

    def _at_least(self, value: Decimal, comparator: str | None, criterion: str) -> Answer:
        limit = number(self.criteria[criterion]["value"])
        if self.criteria[criterion]["relation"] != ">=":
            raise NotImplementedError(self.criteria[criterion]["relation"])
        if comparator is None:
            return value > limit if self.strict else value >= limit
        if comparator in (">", ">="):
            return True if value >= limit else None
        surely_below = value <= limit if comparator == "<" else value < limit
        return False if surely_below else None

    def _doubtful_baseline(self, baseline: Row, first: date) -> bool:
        day = self.clock.sure_day(baseline["collected_at"])
        free = timedelta(days=self.rules["transfusion_free_days"])
        transfused = any(
            each["product"] in self.rules["transfusion_products"]
            and day - free < self.clock.sure_day(each["given_at"]) <= day
            for each in self.subject.transfusions
        )
        moved = self._moved(baseline, day)
        old = (first - day).days > self.rules["baseline_max_age_days"]
        return transfused or moved or old or baseline["comparator"] is not None

    def _moved(self, row: Row, day: date) -> bool:
        """Tell whether something given before may have moved this count."""
        rules, instant = self.rules["confounders"], moment(row["collected_at"])
        name = self.criteria["lineage"]
        return (
            any(
                name in each["lineages"] and self._medicated(each, instant, day)
                for each in rules["medications"]
            )
            or (name in rules["dexamethasone_lineages"] and self._dexamethasone(instant, day))
            or (
                name in rules["granulocyte_transfusion_lineages"]
                and any(
                    each["product"] == "granulocytes"
                    and moment(each["given_at"]) <= instant
                    and (day - self.clock.sure_day(each["given_at"])).days
                    < rules["granulocyte_transfusion_days"]
                    for each in self.subject.transfusions
                )
            )
        )

    def _medicated(self, rule: Row, instant: datetime, day: date) -> bool:
        return any(
            each["medication_class"] == rule["medication_class"]
            and moment(each["started_at"]) <= instant
            and self._days_since(each, day) <= rule["within_days"]
            for each in self.subject.medications
        )

    def _days_since(self, each: Row, day: date) -> int:
        if each["ongoing"]:
            return 0
        last = self.clock.sure_day(each["ended_at"] or each["started_at"])
        return max(0, (day - last).days)

    def _dexamethasone(self, instant: datetime, day: date) -> bool:
        hours = timedelta(hours=self.study.rules["response"]["confounders"]["dexamethasone_hours"])
        doses = [
            each["premedication_at"]
            for each in self.subject.infusions
            if each["premedication_drug"] == "dexamethasone" and each["premedication_at"]
        ]
        courses: list[Row] = []
        for each in self.subject.medications:
            if each["medication_class"] == "dexamethasone":
                start = self.clock.sure_day(each["started_at"])
                single = not each["ongoing"] and self.clock.day(each["ended_at"]) in (None, start)
                (doses if single else courses).append(each["started_at"] if single else each)
        return any(timedelta(0) <= instant - moment(each) <= hours for each in doses) or any(
            moment(each["started_at"]) <= instant
            and timedelta(days=self._days_since(each, day)) <= hours
            for each in courses
        )


def _negated(answer: Answer) -> Answer:
    return None if answer is None else not answer


def _all_of(answers: list[Answer]) -> Answer:
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True
