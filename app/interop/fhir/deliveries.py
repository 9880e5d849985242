"""From bytes to what the inbound service takes, and from its receipt to what is kept as answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import parse_qsl
from uuid import UUID

from app.core.keyring import Keyring
from app.domain.errors import Reason
from app.domain.inbound import Door, InboundOutcome, InboxReason
from app.interop.fhir.elements import Element, children, text
from app.interop.fhir.refusals import Issue, Refusal
from app.interop.fhir.submissions import Submission
from app.services.inbound import Delivery, Receipt, ResultReceipt
from app.services.senders import CallingSender


def delivery(raw: bytes, submission: Submission, control_id: str | None) -> Delivery:
    """Return a submission as a delivery; one that was not read whole waits for a person."""
    return Delivery(
        door=Door.FHIR,
        raw=raw,
        control_id=control_id or submission.control_id,
        results=submission.results,
        counted=len(submission.results),
        whole=None if submission.complete else InboxReason.COUNT_MISMATCH,
    )


def put_id(client_id: str) -> str:
    """Return the control id of what a sender puts under an id of its own."""
    return f"Observation/{client_id}"


def identified(keyring: Keyring, caller: CallingSender, identifier: tuple[str, str]) -> str:
    """Return the control id of what a sender calls by an identifier (system, value).

    It is a keyed hash: an identifier may be a patient's.
    """
    token = keyring.token("observation", str(caller.sender_id), *identifier)
    return f"Observation?identifier={token.hex()}"


def own_identifier(resource: Element) -> tuple[str, str] | None:
    """Return the first identifier (system, value) of a resource."""
    found = (
        (text(each, "system"), text(each, "value")) for each in children(resource, "identifier")
    )
    return next((each for each in found if each[1]), None)


def condition(queries: Sequence[str]) -> tuple[str, str] | None:
    """Read the condition of a create: `identifier=system|value`, as a header or a query.

    Raises Refusal for a condition that cannot be judged; ignoring it would store a result twice.
    """
    wanted = dict.fromkeys(query for query in queries if query)
    if not wanted:
        return None
    parameters = [item for query in wanted for item in parse_qsl(query, keep_blank_values=True)]
    name, value = parameters[0] if len(parameters) == 1 else ("", "")
    system, bar, identifier = value.rpartition("|")
    if name != "identifier" or not bar or not identifier:
        sentence = "A create can be conditional on one identifier only: identifier=system|value."
        raise Refusal(Issue("invalid", sentence, "If-None-Exist"))
    return system, identifier


def remember(receipt: Receipt) -> bytes:
    """Write what became of a submission, to answer it once more."""
    kept = {
        "item": str(receipt.message_item_id) if receipt.message_item_id else None,
        "results": [
            {
                "position": each.position,
                "outcome": each.outcome.value,
                "result": str(each.lab_result_id) if each.lab_result_id else None,
                "item": str(each.inbox_item_id) if each.inbox_item_id else None,
                "reasons": [[reason.code, reason.message] for reason in each.reasons],
            }
            for each in receipt.results
        ],
    }
    return json.dumps(kept).encode()


def recall(answer: bytes) -> tuple[tuple[ResultReceipt, ...], UUID | None]:
    """Read what became of a submission: its results, and the item it waits as, if whole."""
    kept = json.loads(answer)
    results = tuple(
        ResultReceipt(
            position=each["position"],
            outcome=InboundOutcome(each["outcome"]),
            lab_result_id=UUID(each["result"]) if each["result"] else None,
            inbox_item_id=UUID(each["item"]) if each["item"] else None,
            reasons=tuple(Reason(code, message) for code, message in each["reasons"]),
        )
        for each in kept["results"]
    )
    return results, UUID(kept["item"]) if kept["item"] else None
