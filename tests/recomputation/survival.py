"""Kaplan-Meier from its definition, with exact fractions and a log-log Greenwood interval."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.recomputation.records import Row, number
from tests.recomputation.shares import rounded

DIGITS = 50
Curve = dict[str, Any]


def kaplan_meier(times: list[tuple[int, bool]], rules: Row) -> Curve:
    """Estimate survival from (days, event) pairs; at one time events come before censorings.

    S(t) is the product over the distinct times up to t of 1 - events / at risk.
    """
    deviate = normal_deviate((1 + number(rules["confidence"])) / 2)
    steps: list[Row] = []
    survival, greenwood = Fraction(1), Fraction(0)
    for time in sorted({days for days, _ in times}):
        at_risk = sum(days >= time for days, _ in times)
        events = sum(days == time and event for days, event in times)
        survival *= Fraction(at_risk - events, at_risk)
        if events < at_risk:
            greenwood += Fraction(events, at_risk * (at_risk - events))
        steps.append(
            {
                "time": time,
                "at_risk": at_risk,
                "events": events,
                "censored": sum(days == time and not event for days, event in times),
                "survival": rounded(survival),
                "survival_exact": str(survival),
                "interval": _interval(survival, greenwood, deviate, rules),
            }
        )
    return {
        "n": len(times),
        "events": sum(event for _, event in times),
        "steps": steps,
        "median": {"value": _median(steps), "rule": rules["survival_median"]},
    }


def _interval(survival: Fraction, greenwood: Fraction, deviate: Decimal, rules: Row) -> Row | None:
    """Transform by log(-log S) and back."""
    if survival in (0, 1):
        return None
    with localcontext() as context:
        context.prec = DIGITS
        value = Decimal(survival.numerator) / survival.denominator
        variance = Decimal(greenwood.numerator) / greenwood.denominator
        half = deviate * variance.sqrt() / -value.ln()
        centre = (-value.ln()).ln()
        lower, upper = ((-(centre + side * half).exp()).exp() for side in (1, -1))
    return {
        "lower": rounded(lower),
        "upper": rounded(upper),
        "confidence": number(rules["confidence"]),
        "method": rules["survival_interval"],
    }


def normal_deviate(probability: Decimal) -> Decimal:
    """Find z with P(Z <= z) = probability by Newton's method on the density's own series."""
    with localcontext() as context:
        context.prec = DIGITS
        pi = Decimal("3.14159265358979323846264338327950288419716939937510582")
        z = Decimal(0)
        for _ in range(200):
            density = (-z * z / 2).exp() / (2 * pi).sqrt()
            step = (probability - _normal(z, pi)) / density
            z += step
            if abs(step) < Decimal(10) ** (10 - DIGITS):
                break
        return z


def _normal(z: Decimal, pi: Decimal) -> Decimal:
    """Give P(Z <= z) by the alternating Taylor series of the density."""
    term, total, k = z, z, 0
    while abs(term) > Decimal(10) ** (5 - DIGITS):
        k += 1
        term = -term * z * z / (2 * k)
        total += term / (2 * k + 1)
    return Decimal("0.5") + total / (2 * pi).sqrt()


def _median(steps: list[Row]) -> Decimal | None:
    """Read the median as SAS does: the first time below one half, or the middle at it."""
    half = Fraction(1, 2)
    below = [step["time"] for step in steps if Fraction(step["survival_exact"]) < half]
    if not below:
        return None
    at_half = [step["time"] for step in steps if Fraction(step["survival_exact"]) == half]
    if at_half:
        return Decimal(at_half[0] + below[0]) / 2
    return Decimal(below[0])


def simple_median(values: list[int]) -> Decimal | None:
    """Give the middle of numbers, or the mean of the middle two."""
    return middle([Decimal(value) for value in values])


def middle(values: list[Decimal]) -> Decimal | None:
    """Give the middle value, or the mean of the middle two; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
