"""What a subject's record can say: days that have come, an age that fits, a plausible weight."""

from __future__ import annotations

from datetime import date

from app.domain.dosing import WeightRules, check_weight
from app.domain.errors import invalid
from app.domain.facts import Subject


def check_subject(subject: Subject, today: date, rules: WeightRules) -> None:
    """Refuse a record that contradicts itself, as of the study day `today`.

    Raises invalid with the pointer of the field at fault.
    """
    _check_days(subject, today)
    _check_birth(subject)
    if subject.weight_kg is not None:
        check_weight(subject.weight_kg, rules)


def _check_days(subject: Subject, today: date) -> None:
    """Refuse days in the future for what has to have happened already."""
    days = {
        "consent_date": subject.consent_day,
        "screening_date": subject.screening_day,
        "car_t_date": subject.car_t_day,
        "allogeneic_transplant_date": subject.allogeneic_transplant_day,
    }
    for name, day in days.items():
        if day is not None and day > today:
            raise invalid("future_date", f"{name} lies in the future.", f"/{name}")


def _check_birth(subject: Subject) -> None:
    """Refuse a birth after the screening and an age that the birth year does not allow."""
    if subject.birth_year > subject.screening_day.year:
        raise invalid("born_after_screening", "birth_year lies after the screening.", "/birth_year")
    if subject.age_at_consent is None or subject.consent_day is None:
        return
    birthdays = subject.consent_day.year - subject.birth_year
    if subject.age_at_consent not in (birthdays, birthdays - 1):
        raise invalid(
            "age_does_not_fit",
            "age_at_consent does not fit birth_year and consent_date; check all three.",
            "/age_at_consent",
        )
