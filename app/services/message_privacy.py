"""What of a message is not kept in the open: control ids that name a patient, answers to HL7 v2.

A control id is what a sender likes; the answer repeats the header. Both may hold a patient's words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.core.keyring import Keyring, UnreadableSecret
from app.domain.inbound import Door

_MARK = "withheld-"
# Answers at the other doors are written by us alone, and searched.
_ECHOING = (Door.HL7V2, Door.MLLP)


@dataclass(frozen=True, slots=True)
class ControlId:
    """The control id that a sender gave a message, and its keyed hash in hexadecimal."""

    said: str = field(repr=False)
    token: str
    names_somebody: bool

    @property
    def stand_in(self) -> str:
        """Give what is kept instead of one that names somebody."""
        return _MARK + self.token

    @property
    def kept(self) -> str:
        """Give what is kept of it in the open."""
        return self.stand_in if self.names_somebody else self.said


def sealed_answer(
    keyring: Keyring, door: Door, message_id: UUID, answer: bytes | None
) -> bytes | None:
    """Return an answer as it is kept."""
    if answer is None or door not in _ECHOING:
        return answer
    return keyring.seal(answer, _place(message_id))


def opened_answer(keyring: Keyring, message_id: UUID, kept: bytes | None) -> bytes | None:
    """Return a kept answer as it goes out once more; older ones were kept in the open."""
    if kept is None:
        return None
    try:
        return keyring.open(kept, _place(message_id))
    except UnreadableSecret:
        return kept


def _place(message_id: UUID) -> str:
    return f"inbound_message/{message_id}/answer"
