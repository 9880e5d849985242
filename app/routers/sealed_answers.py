"""The receipt on the answer of an act that binds: where it is, and whether it is sealed yet."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from app.services.audit import Opened
from app.services.receipts import binds, is_sealed_soon

RECEIPT, STATUS = "Receipt", "Receipt-Status"
_AUDIT = "/api/v1/studies/{study}/audit/receipts/{operation_id}"


def name_receipt(request: Request, response: Response, opened: Opened | None) -> None:
    """Say before the commit where the receipt will be, so that a repeated request hears it too."""
    if opened is not None and binds(opened):
        study = request.path_params["study"]
        path = _AUDIT.format(study=study, operation_id=opened.operation_id)
        response.headers[RECEIPT] = path


async def await_receipt(request: Request, response: Response, opened: Opened | None) -> None:
    """Wait a little after the commit for the seal; what was committed stays so either way."""
    if opened is not None and RECEIPT in response.headers:
        is_sealed = await is_sealed_soon(request.app.state.database, opened)
        response.headers[STATUS] = "sealed" if is_sealed else "pending"
