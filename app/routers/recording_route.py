"""The route that records results: an ordinary request takes the short way of app/services.

The short way gives the answer that the endpoint would give; whatever it does not take goes on to
the endpoint, with nothing stored.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from app.core.security import Identity
from app.domain.reported_results import RecordingOutcome
from app.routers.dependencies import owner_of, request_key
from app.routers.route import TrialRoute
from app.routers.strict_json import StrictRequest
from app.schemas.labs import (
    LabBatchCreate,
    LabCreate,
    LabReceipt,
    OriginalView,
)
from app.services.evidence_mapping import local_day
from app.services.idempotency import Answer
from app.services.lab_admission import Sender, Sending, Stored
from app.services.lab_intake import LabIntake

_MEDIA_TYPE = "application/json"
_LONGEST_KEY = 200
_NOTHING_ELSE = {"code": None, "message": None, "inbox_item_id": None}


class RecordingRoute(TrialRoute):
    """Stores ordinary results without the endpoint; those who come together share a transaction."""

    async def answer_shortly(self, request: StrictRequest) -> Response | None:
        """Answer an ordinary request; None leaves it to the endpoint."""
        body = await request.json()
        is_batch = isinstance(body, dict) and "results" in body
        try:
            sent = (
                LabBatchCreate.model_validate(body) if is_batch else LabCreate.model_validate(body)
            )
        except ValidationError:
            return None
        given = request.headers.getlist("idempotency-key")
        if len(given) > 1 or not all(0 < len(key) <= _LONGEST_KEY for key in given):
            return None
        who: Identity = request.state.identity
        items = sent.results if isinstance(sent, LabBatchCreate) else [sent]
        intake: LabIntake = request.app.state.lab_intake
        answer = await intake.take(
            Sending(
                sender=Sender(who.issuer, who.subject, request.path_params["study"]),
                request_id=request.scope["request_id"],
                command=self.name,
                entries=[item.entry() for item in items],
                shows_result=not is_batch,
                key=await request_key(request, owner_of(who), given[0]) if given else None,
                answer=_batch if is_batch else _single,
                now=request.app.state.clock(),
            )
        )
        if answer is None:
            return None
        return Response(answer.body, answer.status, answer.headers)


def _single(stored: Stored) -> Answer:
    """Show the one result that is stored, as LabReceipt; it has been validated as it came."""
    (row,) = stored.rows
    original = {name: row[f"original_{name}"] for name in OriginalView.model_fields}
    shown = {name: row[name] for name in LabReceipt.model_fields if name in row}
    receipt = LabReceipt.model_construct(
        **shown,
        is_current=True,
        day=local_day(row["collected_at"], ZoneInfo(stored.actor.time_zone)),
        original=OriginalView.model_construct(**original),
        applied_limits=None,
        grades=None,
        baseline=None,
        outcome=RecordingOutcome.CREATED,
    )
    return Answer(201, {"content-type": _MEDIA_TYPE}, to_json(receipt))


def _batch(stored: Stored) -> Answer:
    """Tell that every result is stored, in the words of LabBatchReceipt."""
    created = RecordingOutcome.CREATED
    receipt = {
        "received": len(stored.rows),
        "created": len(stored.rows),
        "duplicates": 0,
        "refused": 0,
        "inbox": 0,
        "results": [
            {**_NOTHING_ELSE, "index": index, "outcome": created, "id": row["id"]}
            for index, row in enumerate(stored.rows)
        ],
    }
    return Answer(200, {"content-type": _MEDIA_TYPE}, to_json(receipt))
