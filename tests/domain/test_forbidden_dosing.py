"""Infusions that began while nobody was to be dosed."""

from dataclasses import replace
from datetime import date

from app.domain.deviations import DeviationRules, DeviationSeverity
from app.domain.errors import Reason
from app.domain.forbidden_dosing import ForbiddenDose, forbidden_dosing
from tests.domain.infusion_facts import given
from tests.protocol_data import section

RULES = section("deviations", DeviationRules)
HELD = (Reason("hold_in_force", "The trial is on hold."), Reason("level_toxic", "Level A too."))
DOSE = ForbiddenDose(infusion=given(2, date(2026, 1, 5)), reasons=HELD)


def test_a_forbidden_dose_is_a_major_deviation():
    """Its sentence says what forbade it, its key names the infusion."""
    (found,) = forbidden_dosing([DOSE], RULES)
    assert (found.key, found.day) == ("dosed_while_not_allowed:2", date(2026, 1, 5))
    assert found.severity is DeviationSeverity.MAJOR
    assert found.evidence == ("infusion-2",)
    assert found.sentence.endswith("not allowed: The trial is on hold. Level A too.")


def test_an_allowed_or_absent_dose_is_none():
    """Without a reason or a start there is nothing to report."""
    waiting = replace(DOSE, infusion=replace(DOSE.infusion, day=None, started_at=None))
    assert forbidden_dosing([replace(DOSE, reasons=()), waiting], RULES) == ()
