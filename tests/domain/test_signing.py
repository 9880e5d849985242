"""What makes a signature bind: freshness, the lock after wrong secrets, and when it is void."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.signing import (
    FAILURES_TO_LOCK,
    LEEWAY,
    LOCKED_FOR,
    MAX_AGE,
    SecurityEventKind,
    SecurityMoment,
    VersionChange,
    failures_in_a_row,
    is_fresh,
    lock_end,
    locks_signing,
    proves,
    says_the_same,
    void_from,
)

NOW = datetime(2026, 6, 1, 4, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
WRONG, RIGHT = SecurityEventKind.WRONG_SECRET, SecurityEventKind.SECRET_PROVED
LOCKED, UNLOCKED = SecurityEventKind.SIGNING_LOCKED, SecurityEventKind.SIGNING_UNLOCKED
REFUSED = SecurityEventKind.REFUSED_WHILE_LOCKED


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(0), True),
        (MAX_AGE, True),
        (MAX_AGE + LEEWAY, True),
        (MAX_AGE + LEEWAY + MOMENT, False),
        (-LEEWAY, True),
        (-LEEWAY - MOMENT, False),
    ],
)
def test_a_login_is_fresh_for_five_minutes(age, fresh):
    """The leeway counts on both sides and includes its end; a microsecond more does not."""
    assert is_fresh(NOW - age, NOW) is fresh


def test_the_window_is_five_minutes_and_the_leeway_half_a_minute():
    """The limits are those that the documents state."""
    limits = (MAX_AGE, LEEWAY, FAILURES_TO_LOCK, LOCKED_FOR)
    assert limits == (timedelta(minutes=5), timedelta(seconds=30), 5, timedelta(minutes=15))


@pytest.mark.parametrize(
    ("auth_time", "acr", "proof"),
    [
        (NOW, "strong", True),
        (NOW, "weak", False),
        (NOW, None, False),
        (None, "strong", False),
        (NOW - timedelta(hours=1), "strong", False),
    ],
)
def test_a_proof_is_fresh_and_of_the_class_that_is_asked_for(auth_time, acr, proof):
    """Without a time, without the class or with an old login nothing is proved."""
    assert proves(auth_time, acr, "strong", NOW) is proof


def history(*kinds):
    """Return events of these kinds, a minute apart."""
    return [SecurityMoment(kind, NOW + timedelta(minutes=n)) for n, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        ((), 0),
        ((WRONG,) * 4, 4),
        ((WRONG, WRONG, RIGHT, WRONG), 1),
        ((WRONG,) * 5 + (LOCKED,), 0),
        ((WRONG,) * 5 + (LOCKED, REFUSED, WRONG), 1),
        ((WRONG,) * 5 + (LOCKED, UNLOCKED, WRONG, WRONG), 2),
    ],
)
def test_failures_are_counted_in_a_row(kinds, count):
    """A right secret, a lock and an unlock each begin anew; a refused attempt does not count."""
    assert failures_in_a_row(history(*kinds)) == count


@pytest.mark.parametrize(("failures", "locks"), [(4, False), (5, True), (6, True)])
def test_the_fifth_failure_locks(failures, locks):
    """Four in a row do not lock, five do."""
    assert locks_signing(history(*[WRONG] * failures)) is locks


def test_a_lock_ends_with_its_time():
    """It holds to the last moment before the fifteen minutes are over, and not at that instant."""
    events = [SecurityMoment(LOCKED, NOW)]
    assert lock_end(events, NOW) == NOW + LOCKED_FOR
    assert lock_end(events, NOW + LOCKED_FOR - MOMENT) == NOW + LOCKED_FOR
    assert lock_end(events, NOW + LOCKED_FOR) is None


def test_a_lock_ends_when_it_is_unlocked_and_a_new_one_counts():
    """What came last decides; other events leave a lock as it is."""
    assert lock_end(history(WRONG, RIGHT), NOW) is None
    assert lock_end(history(LOCKED, UNLOCKED), NOW) is None
    second = NOW + timedelta(minutes=2)
    assert lock_end(history(LOCKED, UNLOCKED, LOCKED, REFUSED), second) == second + LOCKED_FOR


@pytest.mark.parametrize(
    ("signed", "present", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "learned": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": None}, {}, False),
        ({"a": 1}, [1], False),
        ([1, {"a": 1}], [1, {"a": 1, "learned": 2}], True),
        ([1], [1, 2], False),
        ([1], {"a": 1}, False),
        ([1, 2], [2, 1], False),
        (Decimal("60.50"), Decimal("60.5"), True),
        (True, 1, False),
        (0, False, False),
        ("1", 1, False),
        (None, None, True),
    ],
)
def test_what_was_signed_is_held_against_what_is_there(signed, present, same):
    """New members of an object are no change; anything else that differs is."""
    assert says_the_same(signed, present) is same


CHANGES = [
    VersionChange(2, frozenset({"note"})),
    VersionChange(3, frozenset({"weight_kg"})),
    VersionChange(4, frozenset({"weight_kg"})),
]


@pytest.mark.parametrize(
    ("signed_version", "watched", "version"),
    [
        (1, None, 2),
        (1, frozenset({"weight_kg"}), 3),
        (3, frozenset({"weight_kg"}), 4),
        (4, None, None),
        (1, frozenset({"planned_date"}), None),
        (None, None, None),
    ],
)
def test_a_signature_is_void_from_the_first_change_of_what_it_covers(
    signed_version, watched, version
):
    """Earlier changes and fields that the signature does not cover do not matter."""
    assert void_from(signed_version, CHANGES, watched) == version
