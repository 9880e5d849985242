"""Short ways to read one message in a test."""

from app.domain.inbound import Door
from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentResult
from app.interop.hl7v2.reading import read
from app.services.inbound import Delivery


def deliveries(raw: bytes, declared: str | None = None, **profile: object) -> list[Delivery]:
    """Read bytes by a profile with the given settings."""
    return read(raw, SenderProfile(**profile), Door.MLLP, declared)


def delivery(raw: bytes, declared: str | None = None, **profile: object) -> Delivery:
    """Read bytes that hold a single message."""
    (only,) = deliveries(raw, declared, **profile)
    return only


def results(raw: bytes, declared: str | None = None, **profile: object) -> tuple[SentResult, ...]:
    """Read a message whose results are all there."""
    found = delivery(raw, declared, **profile)
    assert (found.whole, found.refusal) == (None, None)
    assert len(found.results) == found.counted
    return found.results


def result(raw: bytes, declared: str | None = None, **profile: object) -> SentResult:
    """Read a message with a single result."""
    (only,) = results(raw, declared, **profile)
    return only
