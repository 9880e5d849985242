"""Inputs for the CTCAE grading tests, written as texts."""

from decimal import Decimal

from app.domain.ctcae.grading import GradingInput, grade_term
from app.domain.quantities import Comparator, Measurement


def read(value, **context):
    """Build an input from texts such as `<0.1` and keyword texts for the limits and baseline."""
    number = value.lstrip("<>=")
    sign = value[: len(value) - len(number)]
    measurement = Measurement(Decimal(number), Comparator(sign) if sign else None)
    exact = {key: Decimal(v) if isinstance(v, str) else v for key, v in context.items()}
    return GradingInput(measurement=measurement, **exact)


def one(term, analyte, value, **context):
    """Grade one value for one term."""
    return grade_term(term, analyte, read(value, **context))
