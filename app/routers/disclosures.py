"""Reads that show who somebody is: each is an operation of its own, kept before the answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request

from app.core.keyring import Keyring
from app.routers.dependencies import Session, permit
from app.services.access import Actor
from app.services.audit import begin_operation
from app.services.role_matrix import Area, Right


async def current_keyring(request: Request) -> Keyring:
    """Return the keys that identity is kept with."""
    keyring: Keyring = request.app.state.keyring
    return keyring


Keys = Annotated[Keyring, Depends(current_keyring)]


def permit_to_see(area: Area) -> Callable[..., Coroutine[Any, Any, Actor]]:
    """Return the dependency of a GET that discloses: a read with the right, and with its operation.

    An access to the vault names the operation by which it was made.
    """

    async def permitted(
        request: Request, session: Session, actor: Actor = Depends(permit(area, Right.READ))
    ) -> Actor:
        await begin_operation(session, actor, request.scope["route"].name, None)
        return actor

    return permitted
