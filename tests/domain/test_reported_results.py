"""Reported results: exact conversion, and refusal of everything doubtful."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.analytes import ANALYTES
from app.domain.errors import DomainError
from app.domain.quantities import Comparator
from app.domain.reported_results import (
    CanonicalNumbers,
    ReportedResult,
    canonical_numbers,
    known_analyte,
    write_out,
)
from app.domain.vocabulary import Finding, LabStatus

COLLECTED = datetime(2026, 5, 20, 1, tzinfo=UTC)


def numbers(analyte, **parts):
    """Convert a result given by texts."""
    for name in ("value", "lln", "uln"):
        if parts.get(name) is not None:
            parts[name] = Decimal(parts[name])
    reported = ReportedResult(analyte=analyte, collected_at=COLLECTED, **parts)
    return canonical_numbers(known_analyte(analyte), reported)


def refused(analyte, **parts):
    """Return the code and the pointer of a refusal."""
    with pytest.raises(DomainError) as caught:
        numbers(analyte, **parts)
    return caught.value.code, caught.value.reasons[0].pointer


def test_value_and_range_share_their_factor():
    """One and the same conversion keeps the value where it stood in its range."""
    assert numbers("CREA", value="1.2", unit="mg/dL", lln="0.6", uln="1.2") == CanonicalNumbers(
        value=Decimal("106.0824"), unit="umol/L", lln=Decimal("53.0412"), uln=Decimal("106.0824")
    )


@pytest.mark.parametrize(
    ("value", "unit"),
    [("10.2", "g/L"), ("102", "g/dL"), ("19.9", "g/L"), ("250.1", "g/L"), ("-1", "g/L")],
)
def test_nobody_has_this_hemoglobin(value, unit):
    """20 to 250 g/L is what a living person can have."""
    assert refused("HGB", value=value, unit=unit) == ("implausible_value", "/value")


@pytest.mark.parametrize(("value", "unit"), [("20", "g/L"), ("250", "g/L"), ("2", "g/dL")])
def test_the_plausible_range_includes_its_ends(value, unit):
    """What is just possible is taken."""
    assert numbers("HGB", value=value, unit=unit).unit == "g/L"


def test_a_lower_limit_of_zero_stands_for_none():
    """Laboratories print 0 where only the upper limit means anything."""
    assert numbers("CREA", value="90", unit="umol/L", lln="0", uln="104").lln == 0
    assert refused("CREA", value="90", unit="umol/L", lln="1", uln="104") == (
        "implausible_range", "/lln",
    )  # fmt: skip
    assert refused("ALT", value="90", unit="U/L", uln="0") == ("implausible_range", "/uln")


def test_limits_may_be_equal_but_not_inverted():
    """A range of one point is odd, an inverted one is wrong."""
    assert numbers("NA", value="140", unit="mmol/L", lln="140", uln="140").uln == 140
    assert refused("NA", value="140", unit="mmol/L", lln="145", uln="135") == (
        "range_inverted", "/lln",
    )  # fmt: skip


def test_what_cannot_be_kept_exactly_is_refused():
    """150.25 lb has ten decimals in kilograms; rounding it silently is out of the question."""
    assert numbers("WEIGHT", value="150.2", unit="lb").value == Decimal("68.129573974")
    assert refused("WEIGHT", value="150.25", unit="lb") == ("value_too_precise", "/value")
    assert refused("WEIGHT", value="60", unit="kg", uln="60.0000000001") == (
        "value_too_precise", "/uln",
    )  # fmt: skip
    assert refused("HGB", value="1" * 41, unit="g/L") == ("value_not_measurable", "/value")


def test_a_comparator_belongs_to_a_value():
    """So do the unit and the limits."""
    for name, part in (("comparator", Comparator.LT), ("unit", "g/L"), ("lln", "115")):
        code, pointer = refused("HCG_S", finding=Finding.NEGATIVE, **{name: part})
        assert (code, pointer) == (f"{name}_without_value", f"/{name}")


def test_a_cancelled_result_needs_no_content():
    """Every other status does."""
    assert numbers("HGB", status=LabStatus.CANCELLED) == CanonicalNumbers()
    assert refused("HGB", status=LabStatus.PRELIMINARY) == ("content_missing", "/value")


def test_a_finding_is_taken_where_the_catalogue_says_so():
    """Hemoglobin is never positive; hepatitis B surface antigen has no number."""
    assert numbers("HBSAG", finding=Finding.POSITIVE) == CanonicalNumbers()
    assert refused("HGB", finding=Finding.POSITIVE, value="102", unit="g/L") == (
        "finding_not_taken", "/finding",
    )  # fmt: skip
    assert refused("HBSAG", value="1", unit="1") == ("unknown_unit", "/unit")


def test_numbers_are_written_out_as_sent():
    """Zeros at the end and the comparator are kept; an exponent is not."""
    reported = ReportedResult(
        analyte="ANC",
        value=Decimal("0.10"),
        comparator=Comparator.LE,
        unit="10*9/L",
        uln=Decimal("1E+1"),
        collected_at=COLLECTED,
    )
    original = write_out(reported)
    assert (original.value, original.unit, original.lln, original.uln) == (
        "<=0.10", "10*9/L", None, "10",
    )  # fmt: skip


def test_a_report_before_the_collection_is_refused():
    """One of the two moments is wrong; the same instant is not."""
    early = COLLECTED - timedelta(microseconds=1)
    code, pointer = refused("PLT", value="98", unit="10*9/L", reported_at=early)
    assert (code, pointer) == ("reported_before_collected", "/reported_at")
    assert numbers("PLT", value="98", unit="10*9/L", reported_at=COLLECTED).value == 98


MEASURED = [
    (analyte, unit)
    for analyte in ANALYTES
    if analyte.family
    for unit in analyte.family.conversions
    if unit
]


@settings(max_examples=150, deadline=None)
@given(pair=st.sampled_from(MEASURED), share=st.decimals("0.01", "0.99", places=2))
def test_a_value_at_its_limit_stays_at_its_limit(pair, share):
    """In whatever unit, a value equal to its upper limit is converted to a value equal to it."""
    analyte, unit = pair
    conversion = analyte.family.conversions[unit]
    inside = analyte.plausible_low + (analyte.plausible_high - analyte.plausible_low) * share
    value = round((inside - conversion.offset) / conversion.factor, 1)
    assume(conversion.apply(value) > analyte.plausible_low)
    reported = ReportedResult(
        analyte=analyte.key, value=value, unit=unit, uln=value, collected_at=COLLECTED
    )
    found = canonical_numbers(analyte, reported)
    assert found.value == found.uln == conversion.apply(value)
