"""Enrolled subjects for the tests of suppositions, and how a supposition reads in short."""

from dataclasses import replace

from pydantic import TypeAdapter

from app.domain.dlt import DltFacts
from app.domain.evaluability import evaluability
from app.domain.ladder import Counted, count_ladder
from app.domain.protocol import ProtocolDefinition
from app.domain.vocabulary import CohortPhase
from app.domain.what_if import Enrolled, Supposition, WhatIf, what_if
from app.protocols import read_definition
from tests.domain.dlt_cases import adjudication, course, day, event, given_infusion
from tests.domain.ladder_cases import decided

RULES = TypeAdapter(ProtocolDefinition).validate_python(read_definition("NCT07212335", 1))
IN_WINDOW, AFTER = 10, 40


def enrolled(name: str, facts: DltFacts, today: int, **changes) -> Enrolled:
    """Put a subject on its level and judge it on a day counted from its first infusion."""
    judged = evaluability(facts, day(today), RULES.dlt, RULES.schedule.infusion_window_days)
    subject = Enrolled(
        id=name,
        level=facts.level.name,
        phase=CohortPhase.ESCALATION,
        course=facts,
        evaluability=judged,
    )
    return replace(subject, **changes)


def shifted(facts: DltFacts, offset: int, **changes) -> DltFacts:
    """Move every infusion by some days."""
    moved = tuple(
        given_infusion(each.number, 7 * place + offset, **changes)
        for place, each in enumerate(facts.infusions)
    )
    return replace(facts, infusions=moved)


def clean(name: str, level: str = "A") -> Enrolled:
    """Make a subject who came through its window long ago."""
    return enrolled(name, shifted(course(level), -80), 0)


def with_dlt(name: str, level: str = "A") -> Enrolled:
    """Make a subject with a signed dose-limiting toxicity."""
    facts = replace(course(level), events=(event(),), adjudications=(adjudication(True),))
    return enrolled(name, facts, IN_WINDOW)


def observed(name: str, level: str = "A", today: int = IN_WINDOW) -> Enrolled:
    """Make a subject in its window."""
    return enrolled(name, course(level), today)


def pending(name: str, offset: int = -40) -> Enrolled:
    """Make a subject with an event that waits for its adjudication, long after the window."""
    facts = replace(shifted(course("A"), offset), events=(event(offset + 10),))
    return enrolled(name, facts, IN_WINDOW)


def suppose(*subjects: Enrolled, steps=(), today=IN_WINDOW, rules=RULES, triggers=()):
    """Draw every supposition, on a day counted from the first infusion."""
    state = decided(*steps)
    counted = [Counted(each.level, each.phase, each.evaluability) for each in subjects]
    facts = count_ladder(counted, state, day(today), triggers)
    return what_if(subjects, facts, state, rules)


def found(cases: tuple[WhatIf, ...], word: Supposition) -> list[WhatIf]:
    """Pick the cases of one kind."""
    return [case for case in cases if case.supposition is word]


def summary(case: WhatIf):
    """Say a case in short."""
    return case.outlook.recommendation, case.outlook.level, case.outlook.target_level
