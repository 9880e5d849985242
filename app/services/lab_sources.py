"""Under which source a result is filed: a registered laboratory system's own code, or what is said.

One system's results stand under one source whatever the door, so that what it sends as JSON and as
a message is one result.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.analytes import find_analyte
from app.domain.errors import forbidden, invalid
from app.domain.reported_results import LabEntry
from app.domain.vocabulary import Role
from app.models import Sender
from app.services.access import Actor

OF_PEOPLE = "manual"


@dataclass(frozen=True, slots=True)
class OwnSource:
    """What a registered sender files under, and the analytes it may report, None for any."""

    code: str
    analytes: frozenset[str] | None


async def own_source(session: AsyncSession, actor: Actor) -> OwnSource | None:
    """Find the source of a laboratory system, None for people and for one that is not registered.

    Raises forbidden for a sender that is closed.
    """
    if actor.role is not Role.LABORATORY_SYSTEM:
        return None
    query = select(Sender.code, Sender.analytes, Sender.active).where(
        Sender.study_id == actor.study_id, Sender.principal_id == actor.principal_id
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    if not row.active:
        raise forbidden(
            "sender_closed", "This sender is closed; let a data manager open it before it sends."
        )
    return OwnSource(row.code, None if row.analytes is None else frozenset(row.analytes))


def source_of(entry: LabEntry, own: OwnSource | None) -> str:
    """Return the source of one result; raise invalid for what a sender may not say or report."""
    if own is None:
        return entry.source or OF_PEOPLE
    if entry.source not in (None, own.code):
        raise invalid(
            "source_not_yours",
            "A registered laboratory system files under its own code; leave the source out.",
            "/source",
        )
    analyte = find_analyte(entry.result.analyte)
    if own.analytes is not None and analyte is not None and analyte.key not in own.analytes:
        raise invalid(
            "analyte_not_allowed",
            "This sender is not registered for this analyte; let a data manager allow it.",
            "/analyte",
        )
    return own.code
