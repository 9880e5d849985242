"""The operating characteristics: published numbers, exactness, and the ladder itself as judge."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.committee import Decision, LadderState, apply, initial_state
from app.domain.errors import DomainError
from app.domain.escalation import recommend
from app.domain.escalation_rules import DecisionAction, Variant
from app.domain.escalation_steps import LadderAction
from app.domain.ladder import LadderFacts, LevelTally
from app.domain.operating_characteristics import operating_characteristics, rounded
from tests.domain.ladder_cases import RULES, TODAY, with_variant

NAMES = "ABCDEFGHIJ"


def computed(rates, variant: Variant):
    """Compute the characteristics for levels A, B, ... with these rates."""
    true_rates = dict(zip(NAMES, rates, strict=False))
    return operating_characteristics(true_rates, with_variant(variant).design)


def selection(result) -> list[Fraction]:
    """List the chances of no level and of each level."""
    return [result.p_none, *(level.p_selected for level in result.by_level)]


@pytest.mark.parametrize(
    ("rates", "variant", "places", "selected", "expected_n", "expected_dlts"),
    [
        (
            (".05", ".15", ".30"),
            Variant.STORER,
            6,
            (".026558", ".181262", ".400635", ".391545"),
            "10.7005",
            "1.7782",
        ),
        (
            (".10", ".20", ".30"),
            Variant.STORER,
            4,
            (".0939", ".2640", ".3247", ".3174"),
            "10.267",
            "1.958",
        ),
        (
            (".10", ".20", ".30"),
            Variant.KORN,
            4,
            (".1004", ".2819", ".3003", ".3174"),
            "11.667",
            "2.169",
        ),
    ],
)
def test_known_designs(rates, variant, places, selected, expected_n, expected_dlts):
    """Three designs whose characteristics are known to four or more places."""
    result = computed([Decimal(rate) for rate in rates], variant)
    assert [rounded(chance, places) for chance in selection(result)] == [
        Decimal(chance) for chance in selected
    ]
    wanted = Decimal(expected_n)
    assert rounded(result.expected_n, -wanted.as_tuple().exponent) == wanted
    wanted = Decimal(expected_dlts)
    assert rounded(result.expected_dlts, -wanted.as_tuple().exponent) == wanted


def test_one_level_by_hand():
    """P(pass) = q³ + 3pq⁵ and E[n] = 3 + 9pq² on a single level."""
    rate = Fraction(1, 5)
    q = 1 - rate
    (level,) = computed([rate], Variant.STORER).by_level
    assert level.p_selected == q**3 + 3 * rate * q**5
    assert level.expected_n == 3 + 9 * rate * q**2
    assert level.p_reached == 1
    assert level.p_refilled == 0


def test_the_refill_by_hand():
    """With a harmless A and a lethal B, A is always filled to six and selected."""
    result = computed([0, 1], Variant.KORN)
    assert selection(result) == [0, 1, 0]
    assert [level.expected_n for level in result.by_level] == [6, 3]
    assert result.by_level[0].p_refilled == 1
    assert result.expected_dlts == 3


@pytest.mark.parametrize("variant", list(Variant))
@pytest.mark.parametrize(("rate", "selected"), [(0, [0, 0, 0, 1]), (1, [1, 0, 0, 0])])
def test_certain_outcomes(variant, rate, selected):
    """Harmless levels are all passed, lethal ones stop the trial at A."""
    result = computed([rate] * 3, variant)
    assert selection(result) == selected
    six_at_top = variant is Variant.KORN6 and rate == 0
    assert result.expected_n == (3 if rate else 12 if six_at_top else 9)


def simulate(rates: tuple[Fraction, ...], variant: Variant):
    """Follow the ladder itself through every outcome of whole cohorts."""
    rules = replace(with_variant(variant), max_in_escalation=60, max_in_total=66)
    levels = tuple(NAMES[: len(rates)])
    found = dict.fromkeys(("none", *levels), Fraction(0))
    spent = [Fraction(0), Fraction(0)]

    def follow(state: LadderState, counts: dict[str, tuple[int, int]], chance: Fraction) -> None:
        tallies = tuple(LevelTally(level=n, evaluable=e, dlts=d) for n, (e, d) in counts.items())
        advice = recommend(LadderFacts(levels=tallies, today=TODAY), state, rules)
        if advice.action in (LadderAction.STOP_TRIAL, LadderAction.LEVEL_TOLERATED):
            found[advice.rp2d_candidate or "none"] += chance
            spent[0] += chance * sum(n for n, _ in counts.values())
            spent[1] += chance * sum(d for _, d in counts.values())
        elif advice.action is LadderAction.ENROL:
            assert advice.slots_open_now == 3
            rate = rates[levels.index(advice.level)]
            n, d = counts[advice.level]
            for dlts in range(4):
                odds = comb(3, dlts) * rate**dlts * (1 - rate) ** (3 - dlts)
                follow(state, counts | {advice.level: (n + 3, d + dlts)}, chance * odds)
        else:
            action = DecisionAction(advice.action.value)
            level = advice.target_level or advice.level
            follow(apply(state, Decision(id="dec", action=action, level=level)), counts, chance)

    follow(initial_state(levels), dict.fromkeys(levels, (0, 0)), Fraction(1))
    return found, spent


@pytest.mark.parametrize("variant", list(Variant))
@pytest.mark.parametrize(
    "rates",
    [
        (Fraction(1, 3),),
        (Fraction(1, 10), Fraction(1, 4)),
        (Fraction(1, 20), Fraction(3, 20), Fraction(3, 10)),
        (Fraction(1, 2), Fraction(1, 5), Fraction(1, 7), Fraction(2, 3)),
    ],
)
def test_the_ladder_itself_has_these_characteristics(variant, rates):
    """The same rules, followed step by step through all outcomes, give equal fractions."""
    found, (expected_n, expected_dlts) = simulate(rates, variant)
    result = computed(rates, variant)
    assert selection(result) == list(found.values())
    assert (result.expected_n, result.expected_dlts) == (expected_n, expected_dlts)


@given(
    rates=st.lists(st.fractions(0, 1, max_denominator=50), min_size=1, max_size=10),
    variant=st.sampled_from(list(Variant)),
)
@settings(max_examples=100, deadline=None)
def test_chances_sum_to_one_and_sizes_stay_in_the_envelope(rates, variant):
    """Something is selected, with 3 to 6 subjects on each level that is treated."""
    result = computed(rates, variant)
    assert sum(selection(result)) == 1
    assert all(0 <= chance <= 1 for chance in selection(result))
    assert 3 <= result.expected_n <= 6 * len(rates)
    for level in result.by_level:
        assert 3 * level.p_reached <= level.expected_n <= 6 * level.p_reached
        assert level.expected_dlts == level.expected_n * level.true_dlt_rate


@pytest.mark.parametrize("rates", [[], ["0.1"] * 11])
def test_a_ladder_has_one_to_ten_levels(rates):
    """Neither none nor eleven."""
    true_rates = {f"L{place}": Decimal(rate) for place, rate in enumerate(rates)}
    with pytest.raises(DomainError, match="between 1 and 10"):
        operating_characteristics(true_rates, RULES.design)


@pytest.mark.parametrize("rate", ["-0.01", "1.01"])
def test_a_rate_is_a_probability(rate):
    """Below 0 and above 1 are refused."""
    with pytest.raises(DomainError, match="between 0 and 1"):
        computed([Decimal(rate)], Variant.KORN)


@pytest.mark.parametrize(
    ("value", "places", "result"),
    [("1/3", 4, "0.3333"), ("2/3", 4, "0.6667"), ("1/8", 2, "0.12"), ("12", 1, "12.0")],
)
def test_rounding_is_half_to_even(value, places, result):
    """Exact fractions become decimals with the places asked for."""
    assert str(rounded(Fraction(value), places)) == result
