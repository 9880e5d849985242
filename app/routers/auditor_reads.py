"""What auditors read is logged: who asked for what of which study, never what they were shown.

It is in the service's log and not in the trail: a trail that grew with each page that is read of it
would have no last page, and no read would be answered by what the client holds already.
"""

from __future__ import annotations

from fastapi import Request

from app.core.logging import log
from app.domain.vocabulary import Role
from app.services.access import Actor


def note_read(request: Request, actor: Actor) -> None:
    """Log a read of somebody who acts as auditor, once; a write is in the trail."""
    if getattr(request.state, "read_is_noted", False):
        return
    if request.method == "GET" and actor.role is Role.AUDITOR:
        request.state.read_is_noted = True
        log.info(
            "auditor_read",
            request_id=actor.request_id,
            study=actor.study_key,
            principal_id=str(actor.principal_id),
            operation=request.scope["route"].name,
        )
