"""Properties that CTCAE v5.0 laboratory grading keeps over all tables, values and gaps."""

from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.ctcae.grading import GradingInput, grade_term
from app.domain.ctcae.tables import LAB_TABLES, TABLES_BY_ANALYTE, Basis, Condition, Direction
from app.domain.quantities import Comparator, Measurement

TABLE = st.sampled_from(LAB_TABLES)
USING_BASELINE = {
    table
    for table in LAB_TABLES
    for rule in table.rules
    if rule.condition in {Condition.BASELINE_NORMAL, Condition.BASELINE_ABNORMAL}
}
SMALLEST = Decimal("0.000001")
NUMBERS = st.decimals(0, 3000, places=3)
FACTORS = st.sampled_from([Decimal(f) for f in ("0.25", "0.5", "0.9", "1", "1.5", "3", "10", "21")])


@st.composite
def around(draw, table):
    """Draw a value near some edge of the table: on it, one smallest step beside it, or free."""
    edge = draw(st.sampled_from(table.rules)).number
    scale = draw(FACTORS)
    near = st.sampled_from([abs(edge) * scale + step for step in (-SMALLEST, Decimal(0), SMALLEST)])
    return abs(draw(st.one_of(near, NUMBERS)))


@st.composite
def complete(draw, table):
    """Draw everything that a grade can depend on."""
    low, high = sorted((draw(around(table)), draw(around(table))))
    return {
        "lln": low,
        "uln": high + SMALLEST,
        "baseline": draw(st.none() | around(table)),
        "baseline_uln": draw(st.none() | around(table)),
        "on_anticoagulant": draw(st.booleans()),
    }


def graded(table, value, context, comparator=None):
    """Grade a number in a context for the term of a table."""
    measured = Measurement(value, comparator)
    given_input = GradingInput(measurement=measured, **context)
    return grade_term(table.term.name, table.analyte, given_input)


def worse(table, value, other):
    """Tell which of two values is further on the bad side of a table."""
    return min(value, other) if table.direction is Direction.LOW else max(value, other)


@settings(max_examples=200)
@given(data=st.data(), table=TABLE)
def test_complete_data_give_exactly_one_existing_grade(data, table):
    """With everything known there is one grade, 0 or one that the term has, within its bounds."""
    context = data.draw(complete(table))
    result = graded(table, data.draw(around(table)), context)
    assert result.gradable
    assert result.grade == 0 or result.grade in table.term.grades
    assert result.grade == result.grade_min <= result.grade_max
    assert result.needs_clinical_input == (result.missing == ("symptoms",))
    assert (result.rule == f"ctcae5:{table.term.name}:0") == (result.grade == 0)


@settings(max_examples=200)
@given(data=st.data(), table=TABLE)
def test_a_worse_value_never_has_a_lower_grade(data, table):
    """Severity grows in the bad direction, whatever the limits and the baseline."""
    context = data.draw(complete(table))
    first, second = data.draw(around(table)), data.draw(around(table))
    bad = worse(table, first, second)
    good = first if bad == second else second
    bad_result, good_result = graded(table, bad, context), graded(table, good, context)
    assert bad_result.grade_min >= good_result.grade_min
    assert bad_result.grade_max >= good_result.grade_max


@settings(max_examples=200)
@given(data=st.data(), table=TABLE, dropped=st.sets(st.sampled_from(["lln", "uln"]), min_size=1))
def test_missing_limits_never_contradict_the_known_ones(data, table, dropped):
    """The grade with limits lies within the bounds without; a grade once given does not change."""
    context = data.draw(complete(table))
    value = data.draw(around(table))
    known = graded(table, value, context)
    partial = graded(table, value, {**context, **dict.fromkeys(dropped)})
    assert partial.grade_min <= known.grade_min <= known.grade_max <= partial.grade_max
    if partial.gradable:
        assert partial.grade == known.grade


@settings(max_examples=200)
@given(data=st.data(), table=st.sampled_from([t for t in LAB_TABLES if t not in USING_BASELINE]))
def test_not_gradable_means_that_a_limit_could_change_the_answer(data, table):
    """If a missing limit leaves the grade open, two limits exist that give different grades."""
    context = {**data.draw(complete(table)), "lln": None, "uln": None}
    value = data.draw(around(table))
    result = graded(table, value, context)
    assume(not result.gradable)
    name = "lln" if table.direction is Direction.LOW else "uln"
    assert name in result.missing
    assume(value > 0)
    limits = (SMALLEST / 10**6, Decimal(10) ** 12)
    seen = {graded(table, value, {**context, name: limit}).grade for limit in limits}
    assert len(seen) == 2
    assert min(seen) == result.grade_min


@settings(max_examples=200)
@given(data=st.data(), table=TABLE, sign=st.sampled_from(Comparator), share=FACTORS)
def test_a_bound_never_contradicts_a_value_that_it_allows(data, table, sign, share):
    """Every value that fits the bound has a grade within the bounds, the same if it was given."""
    context = data.draw(complete(table))
    bound = data.draw(around(table))
    value = bound * share
    fits = {
        Comparator.LT: value < bound,
        Comparator.LE: value <= bound,
        Comparator.GE: value >= bound,
        Comparator.GT: value > bound,
    }
    assume(fits[sign])
    by_bound, by_value = graded(table, bound, context, sign), graded(table, value, context)
    assert by_bound.grade_min <= by_value.grade_min <= by_value.grade_max <= by_bound.grade_max
    if by_bound.gradable:
        assert by_bound.grade == by_value.grade


@settings(max_examples=100)
@given(data=st.data())
def test_the_answer_on_anticoagulation_stays_within_the_bounds(data):
    """Knowing about anticoagulation moves the grade only within the announced bounds."""
    (table,) = TABLES_BY_ANALYTE["INR"]
    context = data.draw(complete(table))
    value = data.draw(around(table))
    unknown = graded(table, value, {**context, "on_anticoagulant": None})
    answers = [graded(table, value, {**context, "on_anticoagulant": a}) for a in (False, True)]
    assert [answer.grade for answer in answers] == [unknown.grade_min, unknown.grade_max]
    assert unknown.grade == unknown.grade_min


@settings(max_examples=200)
@given(data=st.data(), table=st.sampled_from(sorted(USING_BASELINE, key=lambda t: t.analyte)))
def test_an_abnormal_baseline_itself_is_grade_0(data, table):
    """Whatever it is, a value at an abnormal baseline has grade 0."""
    uln = data.draw(st.decimals("0.001", 500, places=3))
    baseline = uln + data.draw(st.decimals("0.001", 5000, places=3))
    assert graded(table, baseline, {"uln": uln, "baseline": baseline}).grade == 0
    times = next(r.number for r in table.rules if r.grade == 4 and r.basis is Basis.TIMES_BASELINE)
    assert graded(table, baseline * times, {"uln": uln, "baseline": baseline}).grade == 3
