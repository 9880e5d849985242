"""Subjects with hand-made courses for the tests of the trial's aggregates."""

from app.domain.evaluability import evaluability
from app.domain.metrics_efficacy import TreatedSubject
from app.domain.metrics_levels import EnrolledSubject
from app.domain.response import derive_response
from app.domain.response_confounded import read_without_confounded
from app.domain.vocabulary import CohortPhase
from tests.domain import dlt_cases, response_cases


def treated(level, *groups, as_of=400, **bundle):
    """Make a treated subject from facts of response."""
    rules, today = response_cases.RULES, response_cases.day(as_of)
    facts = response_cases.facts(*groups, **bundle)
    return TreatedSubject(
        level=level,
        response=derive_response(facts, rules, today),
        without_confounded=read_without_confounded(facts, rules, today),
    )


def enrolled(facts, as_of=100, phase=CohortPhase.ESCALATION, *, replaced=False):
    """Make an enrolled subject from facts of dose-limiting toxicity."""
    return EnrolledSubject(
        phase=phase,
        replaced=replaced,
        facts=facts,
        evaluability=evaluability(facts, dlt_cases.day(as_of), dlt_cases.RULES, 2),
    )
