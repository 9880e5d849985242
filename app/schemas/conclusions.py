"""What every conclusion says beside itself: the protocol version and the moment it rests on."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.schemas.types import View


class Conclusion(View):
    """The base of all conclusions."""

    protocol_version: int = Field(description="Number of the protocol version in force.")
    protocol_digest: str = Field(description="SHA-256 of that version's definition.")
    as_of: datetime = Field(description="The moment the answer holds for.")
