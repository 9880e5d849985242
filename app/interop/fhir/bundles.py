"""Bundles that are answered: search results, outcomes of a batch or transaction, of a message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from app.interop.fhir.elements import Element, child, text
from app.interop.fhir.outcomes import operation_outcome
from app.interop.fhir.primitives import Resource, instant, is_id, present
from app.interop.fhir.searching import CURSOR, Query
from app.interop.fhir.submissions import Entry
from app.interop.fhir.taken import Taken
from app.interop.fhir.taking import Answered, Preference, entry_issues
from app.services.fhir_search import Found

# The status of an entry by the code of what is wrong with it.
_REFUSED = {
    "not-supported": "422 Unprocessable Entity",
    "structure": "400 Bad Request",
    "value": "400 Bad Request",
    "invalid": "400 Bad Request",
    "conflict": "412 Precondition Failed",
    "multiple-matches": "412 Precondition Failed",
    "business-rule": "422 Unprocessable Entity",
}


def searchset(
    address: str, base: str, query: Query, found: Found, resources: Sequence[Resource]
) -> Resource:
    """Return a page of what was found; `address` is that of the search, `base` the façade's.

    The self link names the parameters that were understood.
    """
    links = [{"relation": "self", "url": _link(address, query.kept)}]
    if found.next is not None:
        kept = [item for item in query.kept if item[0] != CURSOR]
        links.append({"relation": "next", "url": _link(address, [*kept, (CURSOR, found.next)])})
    entries = [
        {
            "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": found.total,
        "link": links,
        **present(entry=entries),
    }


def message_response(
    header: Element, base: str, outcome: Resource, ids: tuple[UUID, UUID, UUID], at: datetime
) -> Resource:
    """Return the answer to a message: accepted, with what became of its results.

    `ids` are those of the bundle, of its header and of the outcome.
    """
    bundle_id, header_id, outcome_id = map(str, ids)
    answer = {
        "resourceType": "MessageHeader",
        "id": header_id,
        **_event(header),
        "source": {"name": "MSC-ICAHT", "endpoint": base},
        "response": {
            "identifier": text(header, "id") if is_id(text(header, "id")) else "unknown",
            "code": "ok",
            "details": {"reference": f"urn:uuid:{outcome_id}"},
        },
    }
    return {
        "resourceType": "Bundle",
        "id": bundle_id,
        "type": "message",
        "timestamp": instant(at),
        "entry": [
            {"fullUrl": f"urn:uuid:{header_id}", "resource": answer},
            {"fullUrl": f"urn:uuid:{outcome_id}", "resource": {**outcome, "id": outcome_id}},
        ],
    }


def outcome_bundle(form: str, answered: Answered, prefer: Preference) -> Resource:
    """Return the answer to a batch or transaction (`form`): for each entry what became of it."""
    entries = [
        {"response": _response(entry, answered.of(place), prefer)}
        for place, entry in enumerate(answered.entries)
    ]
    return {"resourceType": "Bundle", "type": f"{form}-response", "entry": entries}


def _response(entry: Entry, own: Taken, prefer: Preference) -> Resource:
    if entry.problem is not None:
        status = "200 OK" if prefer.lenient else _REFUSED[entry.problem.code]
        return {
            "status": status,
            "outcome": operation_outcome(entry_issues(entry.problem, prefer)),
        }
    version = own.only_version
    return {
        "status": "201 Created" if own.is_created else "200 OK",
        **present(
            location=f"Observation/{version.result_id}" if version else None,
            etag=f'W/"{version.result_version}"' if version else None,
            lastModified=instant(version.recorded_at) if version else None,
        ),
        "outcome": operation_outcome(own.issues),
    }


def _event(header: Element) -> Resource:
    """Echo what a message was about."""
    coding = child(header, "eventCoding")
    if text(coding, "code"):
        shown = present(system=text(coding, "system"), code=text(coding, "code"))
        return {"eventCoding": shown}
    return {"eventUri": text(header, "eventUri") or "urn:msc-icaht:results"}


def _link(address: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(parameters)}" if parameters else address
