"""When a sent result was collected, reported and stated, as far as the sender's times can be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.doubts import Doubts
from app.domain.inbound import InboxReason
from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentResult
from app.domain.sent_times import SentTime, read_time, with_offset

# A sender's clock may be ahead or its zone wrong; but a statement of next year, taken at its word,
# would outrank every later one.
_FURTHEST_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The moments of a result; `collected` is None when the sender does not tell the day.

    `reported_at` is None unless it lies between collection and receipt. `stated_at`, by which
    versions are ordered, is when the message was received if the sender tells no possible moment.
    """

    collected: SentTime | None
    reported_at: datetime | None
    stated_at: datetime


def read_moments(
    sent: SentResult, profile: SenderProfile, received_at: datetime, doubts: Doubts
) -> Moments:
    """Read the moments of a result, and note why its collection time cannot be right."""
    zone = ZoneInfo(profile.time_zone)
    collected, reported, stated = (
        read_time(with_offset(text, sent.offset), zone)
        for text in (sent.collected, sent.reported, sent.stated)
    )
    if collected is None:
        doubts.add(
            InboxReason.COLLECTION_TIME, "The result does not tell the day of its collection."
        )
        return Moments(collected=None, reported_at=None, stated_at=received_at)
    if collected.instant > received_at:
        doubts.add(
            InboxReason.COLLECTION_TIME, "The specimen was collected after the result arrived."
        )
    if reported and reported.end <= collected.instant:
        doubts.add(
            InboxReason.COLLECTION_TIME,
            "The result was reported before its specimen was collected.",
        )
    return Moments(
        collected=collected,
        reported_at=_reported_at(collected, reported, received_at),
        stated_at=_stated_at(collected, stated, received_at),
    )


def _reported_at(
    collected: SentTime, reported: SentTime | None, received_at: datetime
) -> datetime | None:
    if reported is None or not collected.instant <= reported.instant <= received_at:
        return None
    return reported.instant


def _stated_at(collected: SentTime, stated: SentTime | None, received_at: datetime) -> datetime:
    """Return when a result was stated; a day that is also the collection's may begin before it."""
    if stated is None or stated.end <= collected.instant:
        return received_at
    return stated.instant if stated.instant <= received_at + _FURTHEST_AHEAD else received_at
