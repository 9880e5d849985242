"""From bytes to what the inbound service takes, and from its receipt to what is kept as answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.core.keyring import Keyring
from app.domain.errors import Reason
from app.domain.inbound import Door, InboundOutcome, InboxReason
from app.interop.fhir.conditions import Identifier
from app.interop.fhir.elements import Element, child, children, text
from app.interop.fhir.submissions import Submission
from app.services.inbound import Delivery, Receipt, ResultReceipt
from app.services.senders import CallingSender

# Results by the names of the sender's own under which they came: places in the submission.
Names = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a submission: its results, the item it waits as if whole, its names."""

    results: tuple[ResultReceipt, ...]
    item_id: UUID | None
    names: Mapping[str, Sequence[int]]


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


def is_expected(submission: Submission, caller: CallingSender) -> bool:
    """Tell whether a message names no other application and no other facility than its sender's.

    These are `source.name` and `sender` of its header, where a translated MSH-3 and MSH-4 stand.
    """
    header, sender = submission.header, child(submission.header, "sender")
    named = (
        (caller.sending_application, text(child(header, "source"), "name")),
        (
            caller.sending_facility,
            text(child(sender, "identifier"), "value") or text(sender, "display"),
        ),
    )
    return all(not wanted or not given or wanted == given for wanted, given in named)


def put_id(client_id: str) -> str:
    """Return the control id of what a sender puts under an id of its own."""
    return f"Observation/{client_id}"


def identified(keyring: Keyring, caller: CallingSender, identifier: Identifier) -> str:
    """Return the control id of what a sender calls by an identifier (system, value).

    It is a keyed hash: an identifier may be a patient's.
    """
    token = keyring.token("observation", str(caller.sender_id), *identifier)
    return f"Observation?identifier={token.hex()}"


def identifiers(resource: Element) -> list[Identifier]:
    """Return the identifiers (system, value) of a resource."""
    found = (
        (text(each, "system"), text(each, "value")) for each in children(resource, "identifier")
    )
    return [each for each in found if each[1]]


def names_of(keyring: Keyring, caller: CallingSender, submission: Submission) -> Names:
    """Return under which names the results of a submission come, each with their places."""
    names: dict[str, tuple[int, ...]] = {}
    for entry in submission.entries:
        if entry.terms.client_id:
            name = put_id(entry.terms.client_id)
            names[name] = (*names.get(name, ()), *entry.positions)
        for resource, places in entry.observations:
            for identifier in identifiers(resource):
                name = identified(keyring, caller, identifier)
                names[name] = (*names.get(name, ()), *places)
    return names


def remember(receipt: Receipt, names: Names) -> bytes:
    """Write what became of a submission, to answer it once more and to find it by its names."""
    taken = {each.position for each in receipt.results}
    kept = {
        "names": {
            name: [place for place in places if place in taken]
            for name, places in names.items()
            if receipt.message_item_id or taken.intersection(places)
        },
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


def recall(answer: bytes) -> Remembered:
    """Read what became of a submission."""
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
    return Remembered(results, UUID(kept["item"]) if kept["item"] else None, kept.get("names", {}))
