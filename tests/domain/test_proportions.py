"""Shares of participants: what is counted, rounded and left empty."""

from decimal import Decimal

import pytest

from app.domain.outcomes import OutcomeRules
from app.domain.proportions import proportion
from tests.protocol_data import section

RULES = section("outcomes", OutcomeRules)


def test_a_share_has_its_rate_and_exact_limits():
    """1 of 6 is 0.16666667, with the published limits 0.42 % and 64.12 %."""
    share = proportion(1, 6, RULES)
    assert (share.events, share.n, share.rate) == (1, 6, Decimal("0.16666667"))
    assert (round(share.lower, 4), round(share.upper, 4)) == (Decimal("0.0042"), Decimal("0.6412"))


def test_a_share_of_nobody_is_empty():
    """Without participants there is no rate and no limit, and no error."""
    share = proportion(0, 0, RULES)
    assert (share.events, share.n) == (0, 0)
    assert (share.rate, share.lower, share.upper) == (None, None, None)


def test_more_events_than_participants_are_refused():
    """A participant is counted once, so events cannot exceed n."""
    with pytest.raises(ValueError, match="events <= n"):
        proportion(4, 3, RULES)
