"""On what a create or an update depends: an identifier, an id of the sender's own, a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from app.interop.fhir.elements import Element, child, kind, text
from app.interop.fhir.primitives import is_id
from app.interop.fhir.refusals import Issue, Refusal

Identifier = tuple[str, str]
OBSERVATION = "Observation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under which terms a resource is sent.

    `client_id` is the id under which it is put, `condition` the identifier (system, value) under
    which none may have come, `version` what the version that counts has to be named, or `*`.
    """

    client_id: str = ""
    condition: Identifier | None = None
    must_be_new: bool = False
    version: str | None = None


NO_TERMS = Terms()


def condition(queries: Sequence[str]) -> Identifier | None:
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


def entry_terms(entry: Element, resource: Element) -> Terms:
    """Read the terms of an entry of a batch or transaction; raise Refusal for what they cannot be.

    The method is POST or PUT.
    """
    request = child(entry, "request")
    address, _, query = text(request, "url").partition("?")
    queries = [text(request, "ifNoneExist"), query]
    if text(request, "ifMatch"):
        raise _not_supported("An entry cannot depend on a version; put it by itself.")
    if text(request, "method") == "PUT":
        return _put_terms(request, address, resource, any(queries))
    if address != kind(resource):
        raise _misfit()
    if text(request, "ifNoneMatch"):
        raise _not_supported("Only a PUT can be made on ifNoneMatch; use ifNoneExist.")
    wanted = condition(queries)
    if wanted and kind(resource) != OBSERVATION:
        raise _not_supported("Only the create of an Observation can be conditional.")
    return Terms(condition=wanted)


def _put_terms(request: Element, address: str, resource: Element, conditional: bool) -> Terms:
    client_id, held = text(resource, "id"), text(request, "ifNoneMatch")
    if not is_id(client_id) or address != f"{kind(resource)}/{client_id}":
        raise _misfit()
    if conditional:
        sentence = "Only the create of an Observation can be conditional on an identifier."
        raise Refusal(Issue("invalid", sentence))
    if held not in {"", "*"} or (held and kind(resource) != OBSERVATION):
        raise _not_supported("The only ifNoneMatch of an entry is *, for an Observation.")
    if kind(resource) != OBSERVATION:
        return NO_TERMS
    return Terms(client_id=client_id, must_be_new=bool(held))


def _misfit() -> Refusal:
    return Refusal(Issue("value", "The url of the request does not fit its method and resource."))


def _not_supported(sentence: str) -> Refusal:
    return Refusal(Issue("not-supported", sentence))
