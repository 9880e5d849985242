"""What makes a signature bind: fresh proof of who signs, what it says, locks, and when it is void.

Rules after 21 CFR 11.50, 11.70, 11.200 and 11.300(d). Two components make a full proof: the
person's session (the token) and a fresh authentication. The first signature of a series needs both;
while the authentication is at most five minutes old the next ones need the session alone, then both
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

MAX_AGE = timedelta(minutes=5)
# What clocks of the identity provider and of this service may differ by.
LEEWAY = timedelta(seconds=30)
FAILURES_TO_LOCK = 5
LOCKED_FOR = timedelta(minutes=15)


class Meaning(StrEnum):
    """What a signature says (21 CFR 11.50(a)(3))."""

    AUTHORED = "authored"
    REVIEWED = "reviewed"
    APPROVED = "approved"
    RESPONSIBLE = "responsible"


class SecurityEventKind(StrEnum):
    """What happened to somebody's power to sign."""

    WRONG_SECRET = "wrong_secret"  # noqa: S105 - the name of an event
    SECRET_PROVED = "secret_proved"  # noqa: S105 - the name of an event
    SIGNING_LOCKED = "signing_locked"
    SIGNING_UNLOCKED = "signing_unlocked"
    REFUSED_WHILE_LOCKED = "refused_while_locked"


def is_fresh(auth_time: datetime | None, now: datetime) -> bool:
    """Tell whether somebody authenticated at most five minutes ago, with the leeway either way."""
    return auth_time is not None and -LEEWAY <= now - auth_time <= MAX_AGE + LEEWAY


def proves(auth_time: datetime | None, acr: str | None, wanted_acr: str, now: datetime) -> bool:
    """Tell whether an authentication is fresh and of the class that signing demands."""
    return acr == wanted_acr and is_fresh(auth_time, now)


@dataclass(frozen=True, slots=True)
class SecurityMoment:
    """A security event of one person and when it happened, by the service's clock."""

    kind: SecurityEventKind
    at: datetime


# Whatever ends a series of wrong secrets; a lock that is over begins a new series, too.
_ENDS_SERIES = (
    SecurityEventKind.SECRET_PROVED,
    SecurityEventKind.SIGNING_UNLOCKED,
    SecurityEventKind.SIGNING_LOCKED,
)


def failures_in_a_row(history: Iterable[SecurityMoment]) -> int:
    """Count the wrong secrets since the last that was right, or since the last lock.

    `history` is in the order of recording.
    """
    count = 0
    for event in history:
        if event.kind in _ENDS_SERIES:
            count = 0
        elif event.kind is SecurityEventKind.WRONG_SECRET:
            count += 1
    return count


def locks_signing(history: Iterable[SecurityMoment]) -> bool:
    """Tell whether the last wrong secret was one too many."""
    return failures_in_a_row(history) >= FAILURES_TO_LOCK


def lock_end(history: Iterable[SecurityMoment], now: datetime) -> datetime | None:
    """Return until when signing is locked; None when it is not, or no more.

    The end itself is no longer locked.
    """
    ends: datetime | None = None
    for event in history:
        if event.kind is SecurityEventKind.SIGNING_LOCKED:
            ends = event.at + LOCKED_FOR
        elif event.kind is SecurityEventKind.SIGNING_UNLOCKED:
            ends = None
    return ends if ends is not None and now < ends else None


def says_the_same(signed: Any, present: Any) -> bool:
    """Tell whether all that was signed still stands in the present document.

    Members that the service has learned to show since are no change of the record; a list with
    another item is.
    """
    if isinstance(signed, Mapping):
        return isinstance(present, Mapping) and all(
            name in present and says_the_same(value, present[name])
            for name, value in signed.items()
        )
    if isinstance(signed, list):
        return (
            isinstance(present, list)
            and len(signed) == len(present)
            and all(map(says_the_same, signed, present))
        )
    # True equals 1 for Python, not for a reader of JSON.
    return isinstance(signed, bool) == isinstance(present, bool) and bool(signed == present)


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A change that led to a version of the signed record: its fields that differ."""

    version: int
    fields: frozenset[str]


def void_from(
    signed_version: int | None, changes: Iterable[VersionChange], watched: frozenset[str] | None
) -> int | None:
    """Return the first version after the signed one that changed what was signed; None if none did.

    `watched` names the fields that the signature covers, None all of them. A change that is taken
    back later still voids: what was signed was not on record in between.
    """
    if signed_version is None:
        return None
    voiding = (
        change.version
        for change in changes
        if change.version > signed_version and (watched is None or watched & change.fields)
    )
    return min(voiding, default=None)
