"""Reference ranges: every edge of age, day and sex, and every rule against brute force."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.facts import LabResult, Subject
from app.domain.quantities import Measurement
from app.domain.reference_ranges import (
    RangeEnd,
    ReferenceRange,
    Register,
    ages_on,
    as_sent,
    check_apart,
    in_course,
)
from app.domain.vocabulary import Disease, Sex

DAY = date(2026, 6, 1)
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
SEXES = (None, Sex.FEMALE, Sex.MALE)
CASES = settings(max_examples=200, deadline=None)


def reference(**changes) -> ReferenceRange:
    """Make a range for everybody."""
    made = {
        "id": "r1", "number": 1, "laboratory": "WARD", "analyte": "ALT", "lln": Decimal(5),
        "uln": Decimal(40), "effective_from": DAY, "known_at": EARLY,
    }  # fmt: skip
    return ReferenceRange(**made | changes)


def person(**changes) -> Subject:
    """Make a woman who was born in 1980."""
    made = {
        "id": "s1", "number": "001", "sex": Sex.FEMALE, "birth_year": 1980,
        "screening_day": DAY, "disease": next(iter(Disease)),
    }  # fmt: skip
    return Subject(**made | changes)


def result(day: date = DAY, **changes) -> LabResult:
    """Make a result without limits."""
    made = {
        "id": "l1", "analyte": "ALT", "measurement": Measurement(Decimal(50)), "unit": "U/L",
        "at": datetime.combine(day, time(8), UTC), "day": day, "source": "WARD",
    }  # fmt: skip
    return LabResult(**made | changes)


def ended(day: date | None, known_at: datetime = EARLY) -> tuple[RangeEnd, ...]:
    """End a range, or take it back."""
    return (RangeEnd(day, known_at),)


# ages


def test_without_a_birthday_two_ages_are_possible_until_the_last_day_of_the_year():
    """Born at any time of 1980 one is 45 or 46 in 2026, and surely 46 on 31 December."""
    assert ages_on(person(), DAY) == (45, 46)
    assert ages_on(person(), date(2026, 1, 1)) == (45, 46)
    assert ages_on(person(), date(2026, 12, 31)) == (46,)
    assert ages_on(person(birth_year=2026), DAY) == (0,)


def test_the_age_at_consent_tells_on_which_side_the_birthday_lies():
    """Having had it on 1 May one has had it on every later day of a year, and maybe before."""
    had = person(age_at_consent=46, consent_day=date(2026, 5, 1))
    assert ages_on(had, date(2026, 4, 30)) == (45, 46)
    assert ages_on(had, date(2026, 5, 1)) == (46,)
    assert ages_on(had, date(2027, 5, 1)) == (47,)
    waits = person(age_at_consent=45, consent_day=date(2026, 5, 1))
    assert ages_on(waits, date(2026, 5, 1)) == (45,)
    assert ages_on(waits, date(2027, 5, 1)) == (46,)
    assert ages_on(waits, date(2026, 5, 2)) == (45, 46)
    assert ages_on(person(age_at_consent=46), DAY) == (45, 46)


def test_a_leap_day_counts_as_the_first_of_march_elsewhere():
    """Aged 45 on 28 February of 2026 and 46 in March; consent on 29 February is such a side too."""
    before = person(age_at_consent=45, consent_day=date(2026, 2, 28))
    assert ages_on(before, date(2027, 2, 28)) == (46,)
    assert ages_on(before, date(2028, 2, 29)) == (47, 48)
    on_leap_day = person(age_at_consent=44, consent_day=date(2024, 2, 29))
    assert ages_on(on_leap_day, date(2026, 3, 1)) == (46,)
    assert ages_on(on_leap_day, date(2026, 2, 28)) == (45, 46)


def test_nobody_is_born_on_a_day_that_the_year_of_birth_lacks():
    """Not yet 38 on 28 February of 2023 is born in March at the earliest, so 38 on the leap day."""
    waits = person(birth_year=1985, age_at_consent=37, consent_day=date(2023, 2, 28))
    assert ages_on(waits, date(2024, 2, 29)) == (38,)
    had = person(birth_year=1985, age_at_consent=39, consent_day=date(2024, 2, 29))
    assert ages_on(had, date(2026, 2, 28)) == (41,)


def age_of(born: date, day: date) -> int:
    """Count birthdays one by one; in a common year 29 February is 1 March."""
    birthdays = 0
    for year in range(born.year + 1, day.year + 1):
        try:
            birthday = born.replace(year=year)
        except ValueError:
            birthday = date(year, 3, 1)
        birthdays += birthday <= day
    return birthdays


DAYS_AROUND = st.sampled_from(
    [
        date(year, month, day)
        for year in (2023, 2024, 2026)
        for month, day in ((1, 1), (2, 28), (3, 1), (6, 30), (12, 30), (12, 31))
    ]
    + [date(2024, 2, 29)]
)


@CASES
@given(
    born=st.dates(date(1984, 1, 1), date(1985, 12, 31)), consent=DAYS_AROUND, day=DAYS_AROUND,
    known=st.booleans(),
)  # fmt: skip
def test_possible_ages_are_those_of_every_birthday_that_fits(born, consent, day, known):
    """Exactly the ages of all birthdays of the year that agree with the age at consent."""
    age = age_of(born, consent) if known else None
    subject = person(birth_year=born.year, age_at_consent=age, consent_day=consent)
    fitting = [
        birthday
        for offset in range(366)
        if (birthday := date(born.year, 1, 1) + timedelta(days=offset)).year == born.year
        and (age is None or age_of(birthday, consent) == age)
    ]
    assert set(ages_on(subject, day)) == {age_of(birthday, day) for birthday in fitting}


# in force


def test_the_day_it_counts_from_is_the_first():
    """The day before nothing is in force."""
    register = Register.of([reference()])
    assert register.find(result(DAY - timedelta(days=1)), person()) is None
    assert register.find(result(DAY), person()).id == "r1"
    assert register.find(result(DAY, source="OTHER"), person()) is None
    assert register.find(result(DAY, source=None), person()) is None
    assert register.find(result(DAY, source=" WARD "), person()) is not None
    assert register.find(result(DAY, analyte="AST"), person()) is None


def test_a_newer_version_closes_the_older_whenever_it_is_recorded():
    """Each day has one version: the one that began last, until the next begins."""
    newer = reference(id="r2", number=2, effective_from=DAY + timedelta(days=10), known_at=LATE)
    for ranges in ([reference(), newer], [newer, reference()]):
        register = Register.of(ranges)
        found = [
            register.find(result(DAY + timedelta(days=days)), person()).id for days in (0, 9, 10)
        ]
        assert found == ["r1", "r1", "r2"]
    assert [each.until for each in in_course([newer, reference()])] == [newer.effective_from, None]


def test_an_open_lower_age_is_zero():
    """A version from birth on closes one without a lower age."""
    newer = reference(id="r2", age_from=0, effective_from=DAY + timedelta(days=1))
    check_apart([reference(), newer])
    register = Register.of([reference(), newer])
    assert register.find(result(newer.effective_from), person()).id == "r2"


def test_a_range_that_was_taken_back_never_counted():
    """The older one counts on; one that was ended does not count again."""
    newer = reference(id="r2", effective_from=DAY + timedelta(days=10))
    later = result(DAY + timedelta(days=20))
    back = Register.of([reference(), replace(newer, ends=ended(None))])
    assert back.find(later, person()).id == "r1"
    over = Register.of([reference(), replace(newer, ends=ended(DAY + timedelta(days=20)))])
    assert over.find(later, person()) is None
    assert over.find(result(DAY + timedelta(days=19)), person()).id == "r2"


@pytest.mark.parametrize("sex", SEXES)
def test_whose_sex_is_unknown_has_ranges_for_both_only(sex):
    """Neither that of women nor that of men is taken."""
    found = Register.of([reference(sex=sex)]).find(result(), person(sex=None))
    assert (found is not None) is (sex is None)


def test_a_band_has_to_hold_every_possible_age():
    """Who is 45 or 46 gets no range that ends at 45, or begins at 46."""
    for band, holds in {
        (None, 45): False, (46, None): False, (45, 46): True, (46, 46): False, (45, 45): False,
        (None, None): True, (0, 120): True,
    }.items():  # fmt: skip
        register = Register.of([reference(age_from=band[0], age_to=band[1])])
        assert (register.find(result(), person()) is not None) is holds, band


# what is filled


def test_a_result_gets_what_it_came_without():
    """Its own limits count first, each for itself; where the others are from is said."""
    register = Register.of([reference(number=3)])
    whole = register.complete(result(), person())
    assert (whole.lln, whole.uln) == (5, 40)
    assert str(whole.of_register) == "reference range 3 of WARD (r1)"
    own = register.complete(result(uln=Decimal(50)), person())
    assert (own.lln, own.uln, own.of_register.names) == (5, 50, ("lln",))
    both = result(lln=Decimal(1), uln=Decimal(50))
    assert register.complete(both, person()) == both
    assert as_sent(whole) == result()
    assert as_sent(own) == result(uln=Decimal(50))


def test_a_limit_that_contradicts_the_results_own_is_not_filled():
    """A lower limit of 5 beside an upper one of 4 would cost both."""
    sent = result(uln=Decimal(4))
    assert Register.of([reference()]).complete(sent, person()) == sent
    assert Register.of([reference()]).complete(result(uln=Decimal(5)), person()).lln == 5


def test_one_sided_ranges_and_results_without_a_number():
    """Only what the range has is filled, and only beside a number."""
    register = Register.of([reference(lln=None)])
    assert register.complete(result(), person()).of_register.names == ("uln",)
    sent = result(uln=Decimal(50))
    assert register.complete(sent, person()) == sent
    finding = result(measurement=None)
    assert register.complete(finding, person()) == finding


def test_completing_again_starts_from_what_was_sent():
    """Another register takes away what the first one filled."""
    filled = Register.of([reference()]).complete(result(), person())
    assert Register.of([]).complete(filled, person()) == result()
    other = Register.of([reference(id="r2", uln=Decimal(60))]).complete(filled, person())
    assert (other.uln, other.of_register.range_id) == (60, "r2")


# in hindsight


def test_the_register_of_a_moment_knows_what_was_recorded_before_it():
    """A range recorded at the moment itself is not known, nor an end."""
    late = reference(id="r2", effective_from=DAY - timedelta(days=9), known_at=LATE)
    register = Register.of([replace(reference(), ends=ended(DAY, LATE)), late])
    assert register.find(result(), person()) is None
    then = register.known_before(LATE)
    assert [each.id for each in then.every] == ["r1"]
    assert then.find(result(), person()).id == "r1"
    assert register.known_before(EARLY).every == ()
    assert [each.id for each in register.without("r1").every] == ["r2"]


def test_what_was_written_since_is_what_a_results_limits_depend_on():
    """Versions for the same people that had begun, recorded or ended from the moment on."""
    register = Register.of(
        [
            reference(id="old"),
            reference(id="ended", effective_from=DAY - timedelta(days=9), ends=ended(DAY, LATE)),
            reference(id="new", known_at=LATE),
            reference(id="ahead", known_at=LATE, effective_from=DAY + timedelta(days=1)),
            reference(id="men", known_at=LATE, sex=Sex.MALE),
            reference(id="elsewhere", known_at=LATE, laboratory="OTHER"),
        ]
    )
    assert list(register.written_since(LATE, result(), person())) == ["ended", "new"]


# apart


def overlap_code(*ranges: ReferenceRange) -> str | None:
    """Give the code of the refusal, None where the ranges are apart."""
    try:
        check_apart(ranges)
    except DomainError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"age_from": 18, "age_to": 64, "sex": Sex.MALE}, "ranges_overlap"),
        ({"age_from": 64}, "ranges_overlap"),
        ({"age_from": 65}, None),
        ({"age_to": 17}, None),
        ({"age_to": 18}, "ranges_overlap"),
        ({"age_from": 18, "age_to": 64}, "range_exists"),
        ({"age_from": 18, "age_to": 64, "effective_from": DAY + timedelta(days=1)}, None),
        ({"laboratory": "OTHER"}, None),
        ({"analyte": "AST"}, None),
        ({"effective_from": DAY - timedelta(days=9), "ends": ended(DAY)}, None),
        (
            {"effective_from": DAY - timedelta(days=9), "ends": ended(DAY + timedelta(days=1))},
            "ranges_overlap",
        ),
        ({"ends": ended(None)}, None),
    ],
)
def test_which_ranges_are_apart(changes, code):
    """Held against a range for all from 18 to 64; one for both sexes meets one for men."""
    first = reference(age_from=18, age_to=64)
    second = reference(**{"id": "r2"} | changes)
    assert overlap_code(first, second) == code
    assert overlap_code(second, first) == code


def test_taking_back_a_version_can_open_one_that_is_in_the_way():
    """What a newer version closed comes back, and meets what was recorded for later."""
    old, newer = reference(), reference(id="r2", effective_from=DAY + timedelta(days=10))
    newer = replace(newer, ends=ended(DAY + timedelta(days=20)))
    men = reference(id="r3", sex=Sex.MALE, effective_from=DAY + timedelta(days=20))
    assert overlap_code(old, newer, men) is None
    assert overlap_code(old, replace(newer, ends=ended(None)), men) == "ranges_overlap"


AGES = st.sampled_from([(None, None), (0, None), (None, 1), (2, None), (0, 0), (1, 2), (2, 3)])
OFFSETS = st.integers(0, 5)


@st.composite
def ranges(draw) -> list[ReferenceRange]:
    """Draw up to four ranges within a few days and years of age."""
    found = []
    for place in range(draw(st.integers(1, 4))):
        begin, (first, last) = draw(OFFSETS), draw(AGES)
        end = draw(st.one_of(st.just(()), st.just(ended(None)), st.integers(1, 6)))
        found.append(
            reference(
                id=f"r{place}", number=place + 1, age_from=first, age_to=last,
                sex=draw(st.sampled_from(SEXES)),
                laboratory=draw(st.sampled_from(["WARD", "WARD", "OTHER"])),
                effective_from=DAY + timedelta(days=begin),
                ends=ended(DAY + timedelta(days=end)) if isinstance(end, int) else end,
            )
        )  # fmt: skip
    return found


def counting(every: list[ReferenceRange], cell: tuple) -> list[ReferenceRange]:
    """Find day by day what counts: of the same the one that began last, unless it is over."""
    laboratory, sex, age, day = cell
    groups: dict[tuple, list[ReferenceRange]] = {}
    for each in every:
        taken_back = any(end.day is None for end in each.ends)
        if each.laboratory == laboratory and not taken_back and each.effective_from <= day:
            key = (each.sex, each.age_from or 0, each.age_to)
            groups.setdefault(key, []).append(each)
    last = [max(group, key=lambda each: each.effective_from) for group in groups.values()]
    return [
        each
        for each in last
        if all(day < end.day for end in each.ends)
        and each.sex in (None, sex)
        and (each.age_from or 0) <= age
        and (each.age_to is None or age <= each.age_to)
    ]


CELLS = list(
    product(
        ("WARD", "OTHER"), (Sex.FEMALE, Sex.MALE), range(5),
        (DAY + timedelta(days=days) for days in range(-1, 12)),
    )
)  # fmt: skip


@CASES
@given(ranges())
def test_overlaps_are_those_that_brute_force_finds(every):
    """Refused exactly if two versions begin together, or two count for one person on one day."""
    standing = [each for each in every if not any(end.day is None for end in each.ends)]
    begins = [(each.whom, each.effective_from) for each in standing]
    if len(set(begins)) < len(begins):
        assert overlap_code(*every) == "range_exists"
        return
    twice = any(len(counting(every, cell)) > 1 for cell in CELLS)
    assert (overlap_code(*every) == "ranges_overlap") is twice


@CASES
@given(ranges())
def test_every_lookup_finds_what_brute_force_finds(every):
    """For each person and day of ranges that are apart: that one, or none."""
    if overlap_code(*every) is not None:
        every = every[:1]
    register = Register.of(every)
    for laboratory, sex, age, day in CELLS:
        # On the day of consent the age is known.
        subject = person(
            sex=sex, birth_year=day.year - age - 1, age_at_consent=age, consent_day=day
        )
        found = register.find(result(day, source=laboratory), subject)
        assert [found] * (found is not None) == counting(every, (laboratory, sex, age, day))
