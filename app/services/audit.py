"""The operation behind every write: who, in which role, why; the database refuses writes without.

The trail itself is written by triggers, so no use case can forget it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.services.access import Actor

# What follows in the transaction names the operation by this setting.
_BEGIN = text(
    "INSERT INTO operation (study_id, id, actor_id, actor_name, role, organisation, command,"
    " reason, request_id) VALUES (:study_id, :id, :actor_id, :actor_name, :role, :organisation,"
    " :command, :reason, :request_id)"
    " RETURNING set_config('app.operation_id', CAST(id AS text), true)"
)


async def begin_operation(
    session: AsyncSession, actor: Actor, command: str, reason: str | None
) -> UUID:
    """Open the operation that every row written in this transaction will name.

    A command that states no reason of its own gives its name: creating needs none, and a state
    change that a command causes is explained by the command.
    """
    operation_id = new_id()
    values = {
        "study_id": actor.study_id,
        "id": operation_id,
        "actor_id": actor.principal_id,
        "actor_name": actor.display_name,
        "role": actor.role.value,
        "organisation": actor.organisation,
        "command": command,
        "reason": reason or command,
        "request_id": actor.request_id,
    }
    await session.execute(_BEGIN, values)
    return operation_id
