"""The rules behind the numbers of the metrics name what the protocol has."""

from app.domain.metrics_sources import METRIC_RULES, rules_of
from app.domain.metrics_support import MetricFamily
from app.domain.protocol import Assumption
from tests.protocol_data import section

ASSUMPTIONS = section("assumptions", tuple[Assumption, ...])


def test_rules_name_assumptions_of_the_shipped_protocol():
    """Each reading that a rule names is one of the definition."""
    named = {each for rule in METRIC_RULES for each in rule.assumptions}
    assert {"C7", "C30", "C38"} <= named
    assert named <= {assumption.id for assumption in ASSUMPTIONS}


def test_every_rule_is_of_one_answer():
    """All answers have rules, each place once, and a sentence."""
    every = [rule for family in MetricFamily for rule in rules_of(family)]
    assert len(every) == len(METRIC_RULES)
    for family in MetricFamily:
        places = [rule.metrics for rule in rules_of(family)]
        assert places
        assert len(places) == len(set(places))
    assert all(rule.sentence.endswith(".") and rule.rules for rule in METRIC_RULES)
