"""Reference ranges of laboratories: which one is in force for whom on which day, and what it fills.

A range concerns one laboratory, one analyte, one sex or both, and a band of age. Of the same of
these a newer version closes the older one on the day from which it counts; different ones never
concern the same person on the same day, so that at most one range is ever found.
"""

from __future__ import annotations

from calendar import isleap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations

from app.domain.errors import conflict
from app.domain.facts import LabResult, LimitsOfRegister, Subject
from app.domain.vocabulary import Sex


@dataclass(frozen=True, slots=True)
class RangeEnd:
    """Says that a range no longer counts from a day on; None: it was recorded by mistake."""

    day: date | None
    known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRange:
    """One version of a range; limits are in the analyte's canonical unit.

    `number` counts the versions of a laboratory's ranges of an analyte. `age_from` and `age_to` are
    completed years, both included; None is open. Without `sex` it is for both.
    """

    id: str
    number: int
    laboratory: str
    analyte: str
    sex: Sex | None = None
    age_from: int | None = None
    age_to: int | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    effective_from: date
    known_at: datetime
    ends: tuple[RangeEnd, ...] = ()

    @property
    def whom(self) -> tuple[str, str, Sex | None, int, int | None]:
        """Tell whose results of what it is for; a newer version for the same closes it."""
        return self.laboratory, self.analyte, self.sex, self.age_from or 0, self.age_to

    @property
    def is_retracted(self) -> bool:
        """Tell whether it was recorded by mistake and never counts."""
        return any(end.day is None for end in self.ends)

    @property
    def ends_on(self) -> date | None:
        """Give the first day on which it was said not to count any more."""
        return min((end.day for end in self.ends if end.day is not None), default=None)

    def concerns(self, subject: Subject, day: date) -> bool:
        """Tell whether it is for this person on a day, whatever the birthday may be."""
        return self.sex in (None, subject.sex) and all(
            (self.age_from or 0) <= age and (self.age_to is None or age <= self.age_to)
            for age in ages_on(subject, day)
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """A range with the first day on which it no longer counts, None while that is open."""

    range: ReferenceRange
    until: date | None

    def counts_on(self, day: date) -> bool:
        """Tell whether it is in force on a day."""
        return self.range.effective_from <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Register:
    """The ranges that stand, by laboratory and analyte, and all that were ever recorded."""

    every: tuple[ReferenceRange, ...]
    standing: Mapping[tuple[str, str], tuple[Standing, ...]]

    @classmethod
    def of(cls, ranges: Iterable[ReferenceRange]) -> Register:
        """Build the register from all versions, in any order."""
        every = tuple(ranges)
        found: defaultdict[tuple[str, str], list[Standing]] = defaultdict(list)
        for each in in_course(every):
            found[each.range.laboratory, each.range.analyte].append(each)
        return cls(every, {key: tuple(of_one) for key, of_one in found.items()})

    def known_before(self, moment: datetime) -> Register:
        """Return the register as it was on record before a moment."""
        return Register.of(
            replace(each, ends=tuple(end for end in each.ends if end.known_at < moment))
            for each in self.every
            if each.known_at < moment
        )

    def without(self, range_id: str) -> Register:
        """Return the register as if one range had never been recorded."""
        return Register.of(each for each in self.every if each.id != range_id)

    def find(self, lab: LabResult, subject: Subject) -> ReferenceRange | None:
        """Find the range in force for a result on the day its specimen was collected."""
        for each in self.standing.get(_origin(lab), ()):
            if each.counts_on(lab.day) and each.range.concerns(subject, lab.day):
                return each.range
        return None

    def complete(self, lab: LabResult, subject: Subject) -> LabResult:
        """Fill the limits that a result came without; its own always count first.

        A limit that contradicts the one which the result came with is not filled.
        """
        sent = as_sent(lab)
        found = self.find(sent, subject) if sent.measurement is not None else None
        if found is None:
            return sent
        lln = found.lln if sent.lln is None else sent.lln
        uln = found.uln if sent.uln is None else sent.uln
        contradicts = lln is not None and uln is not None and lln > uln
        names = tuple(
            name
            for name, own, whole in (("lln", sent.lln, lln), ("uln", sent.uln, uln))
            if own is None and whole is not None
        )
        if contradicts or not names:
            return sent
        origin = LimitsOfRegister(found.id, found.number, found.laboratory, names)
        return replace(sent, lln=lln, uln=uln, of_register=origin)

    def written_since(self, moment: datetime, lab: LabResult, subject: Subject) -> Iterator[str]:
        """Name the ranges written or ended from a moment on that a result's limits depend on."""
        for each in self.every:
            last = max([each.known_at, *(end.known_at for end in each.ends)])
            mine = (each.laboratory, each.analyte) == _origin(lab)
            began = each.effective_from <= lab.day
            if mine and began and last >= moment and each.concerns(subject, lab.day):
                yield each.id


def _origin(lab: LabResult) -> tuple[str, str]:
    """Tell by which ranges a result goes: white space around its source names no other one."""
    return (lab.source or "").strip(), lab.analyte


def as_sent(lab: LabResult) -> LabResult:
    """Return a result with the limits that it came with alone."""
    if lab.of_register is None:
        return lab
    names = lab.of_register.names
    lln, uln = (None if "lln" in names else lab.lln), (None if "uln" in names else lab.uln)
    return replace(lab, lln=lln, uln=uln, of_register=None)


def ages_on(subject: Subject, day: date) -> tuple[int, ...]:
    """Give the ages in completed years that a person can have on a day.

    Of the birth only the year is on record. The age at consent narrows it: it says on which side of
    the day of consent the birthday lies. Born on 29 February, one gets older on 1 March.
    """
    years = day.year - subject.birth_year
    had = _had_birthday(subject, day)
    found = {True: (years,), False: (years - 1,), None: (years - 1, years)}[had]
    return tuple(dict.fromkeys(max(age, 0) for age in found))


def _had_birthday(subject: Subject, day: date) -> bool | None:
    """Tell whether a birthday is past in the year of a day; None if that is not known."""
    today = _last_birthday_until(subject, day)
    if today == (12, 31):
        return True
    consent = subject.consent_day
    if subject.age_at_consent is None or consent is None:
        return None
    since_birth_year = consent.year - subject.birth_year
    consented = _last_birthday_until(subject, consent)
    if subject.age_at_consent == since_birth_year and today >= consented:
        return True
    if subject.age_at_consent == since_birth_year - 1 and today <= consented:
        return False
    return None


def _last_birthday_until(subject: Subject, day: date) -> tuple[int, int]:
    """Give the last month and day until a day on which one can be born in the year of birth."""
    until = (day.month, day.day)
    return (2, 28) if until == (2, 29) and not isleap(subject.birth_year) else until


def in_course(ranges: Iterable[ReferenceRange]) -> Iterator[Standing]:
    """Give every range that was not taken back, closed by the next one for the same."""
    same: defaultdict[object, list[ReferenceRange]] = defaultdict(list)
    for each in ranges:
        if not each.is_retracted:
            same[each.whom].append(each)
    for versions in same.values():
        in_order = sorted(versions, key=lambda each: each.effective_from)
        following = (*(each.effective_from for each in in_order[1:]), None)
        for each, begins in zip(in_order, following, strict=True):
            closed = (day for day in (begins, each.ends_on) if day is not None)
            yield Standing(each, min(closed, default=None))


def check_apart(ranges: Iterable[ReferenceRange]) -> None:
    """Refuse ranges of which two would concern one person on one day; raise conflict."""
    every = [each for each in ranges if not each.is_retracted]
    if any(_begin_together(one, other) for one, other in combinations(every, 2)):
        raise conflict(
            "range_exists",
            "A range for the same begins on this day already; take that one back first.",
        )
    standing = tuple(in_course(every))
    if any(_meet(one, other) for one, other in combinations(standing, 2)):
        raise conflict(
            "ranges_overlap",
            "Another range of this laboratory and analyte is for some of the same people on some of"
            " the same days; end that one first, or choose the ages, the sex or the day so that"
            " they are apart.",
        )


def _begin_together(one: ReferenceRange, other: ReferenceRange) -> bool:
    return (one.whom, one.effective_from) == (other.whom, other.effective_from)


def _meet(one: Standing, other: Standing) -> bool:
    """Tell whether two ranges concern one person on one day."""
    first, second = one.range, other.range
    begin = max(first.effective_from, second.effective_from)
    return (
        (first.laboratory, first.analyte) == (second.laboratory, second.analyte)
        and (first.sex is None or second.sex is None or first.sex is second.sex)
        and (first.age_to is None or (second.age_from or 0) <= first.age_to)
        and (second.age_to is None or (first.age_from or 0) <= second.age_to)
        and one.counts_on(begin)
        and other.counts_on(begin)
    )
