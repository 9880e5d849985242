"""What became of what a laboratory system sent, for that system alone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from app.routers.dependencies import Session
from app.routers.lis_dependencies import CallingSystem, SenderRoute
from app.routers.problems import documented
from app.schemas.submissions import SubmissionView
from app.services import submissions

router = APIRouter(prefix="/lis/messages", route_class=SenderRoute, tags=["laboratory systems"])


@router.get(
    "/{message_id}",
    summary="Read what became of a message",
    response_model=SubmissionView,
    responses=documented(404),
)
async def read_submission(session: Session, caller: CallingSystem, message_id: UUID) -> Any:
    """Tell a sender how many of its results are filed and what waits; never a value.

    The id is the one that the acknowledgement names.
    """
    return await submissions.read_submission(session, caller, message_id)
