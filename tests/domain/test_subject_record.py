"""What a subject's record can say, at each limit."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from app.domain.dosing import DosingRules
from app.domain.errors import DomainError
from app.domain.facts import Subject
from app.domain.subject_record import check_subject
from app.domain.vocabulary import Disease, Sex
from tests.protocol_data import section

RULES = section("dosing", DosingRules).weight
TODAY = date(2026, 6, 1)
SUBJECT = Subject(
    id="s",
    number="S-001",
    sex=Sex.FEMALE,
    birth_year=1980,
    age_at_consent=45,
    consent_day=date(2026, 5, 30),
    screening_day=TODAY,
    disease=Disease.LYMPHOMA,
    car_t_day=date(2026, 4, 1),
    weight_kg=Decimal(60),
)


def refusal(**changes: object) -> str | None:
    """Return the code of the refusal of a changed record, None if it can be so."""
    try:
        check_subject(replace(SUBJECT, **changes), TODAY, RULES)
    except DomainError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"consent_day": None, "age_at_consent": 12}, None),
        ({"age_at_consent": None}, None),
        ({"age_at_consent": 46}, None),
        ({"age_at_consent": 44}, "age_does_not_fit"),
        ({"age_at_consent": 47}, "age_does_not_fit"),
        ({"screening_day": date(2026, 6, 2)}, "future_date"),
        ({"consent_day": date(2026, 6, 2)}, "future_date"),
        ({"car_t_day": date(2026, 6, 2)}, "future_date"),
        ({"allogeneic_transplant_day": date(2026, 6, 2)}, "future_date"),
        ({"birth_year": 2026, "age_at_consent": 0}, None),
        ({"birth_year": 2027, "age_at_consent": None}, "born_after_screening"),
        ({"weight_kg": None}, None),
        ({"weight_kg": Decimal(20)}, None),
        ({"weight_kg": Decimal("19.9")}, "weight_implausible"),
        ({"weight_kg": Decimal(300)}, None),
        ({"weight_kg": Decimal("300.1")}, "weight_implausible"),
    ],
)
def test_a_record_does_not_contradict_itself(changes, code):
    """Both sides of every limit."""
    assert refusal(**changes) == code
