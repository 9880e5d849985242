"""Protocol deviations on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.deviations import Deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationView(Deviation):
    """One subject's departure from the protocol; (subject_id, key) stays while its cause does."""

    subject_id: UUID
    subject_number: str
    protocol_version: int
    protocol_digest: str
    as_of: datetime
