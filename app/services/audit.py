"""The operation behind every write: who, in which role, why; the database refuses writes without.

The trail itself is written by triggers, so no use case can forget it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Text, cast, func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Operation
from app.services.access import Actor

# What follows in the transaction names the operation by this setting.
_BEGIN = insert(Operation).returning(
    Operation.id, func.set_config("app.operation_id", cast(Operation.id, Text), True)
)

_OPENED = "operation"


@dataclass(frozen=True, slots=True)
class Opened:
    """The operation of a transaction."""

    study_id: UUID
    operation_id: UUID
    command: str
    is_signed: bool = False


async def begin_operation(
    session: AsyncSession, actor: Actor, command: str, reason: str | None
) -> UUID:
    """Open the operation that every row written in this transaction will name.

    A command that states no reason of its own gives its name: creating needs none, and a state
    change that a command causes is explained by the command.
    """
    values = {
        "study_id": actor.study_id,
        "actor_id": actor.principal_id,
        "actor_name": actor.display_name,
        "role": actor.role.value,
        "organisation": actor.organisation,
        "command": command,
        "reason": reason or command,
        "request_id": actor.request_id,
    }
    operation_id: UUID = (await session.execute(_BEGIN.values(values))).scalar_one()
    session.info[_OPENED] = Opened(actor.study_id, operation_id, command)
    return operation_id


def mark_signed(session: AsyncSession) -> None:
    """Note that the operation that was opened carries a signature."""
    session.info[_OPENED] = replace(session.info[_OPENED], is_signed=True)


def opened_operation(session: AsyncSession) -> Opened | None:
    """Return the operation that was opened in a session last, None when it only reads."""
    return session.info.get(_OPENED)
