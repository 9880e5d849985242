"""What a search selects: filters for what the database searches, choices among what is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from app.interop.fhir.primitives import study_id
from app.interop.fhir.refusals import Issue, Refusal
from app.interop.fhir.searching import CURSOR, Query, Token
from app.interop.fhir.served_results import STATUSES as RESULT_STATUSES
from app.interop.fhir.served_results import analytes_coded
from app.interop.fhir.served_studies import study_status
from app.interop.fhir.served_subjects import STATUSES as SUBJECT_STATUSES
from app.interop.fhir.terms import CTCAE_TERM, REGISTRY, RESULT, subject_number_system
from app.services.fhir_events import EventSearch
from app.services.fhir_results import ResultSearch
from app.services.fhir_search import Found
from app.services.fhir_studies import StudyStanding
from app.services.fhir_subjects import SubjectStanding

Item = TypeVar("Item")
_HL7 = "http://hl7.org/fhir/"


def result_search(query: Query) -> ResultSearch:
    """Return the filter of a search for Observations."""
    codes, statuses = query.tokens("code"), query.tokens("status")
    result_ids, accessions = _result_identifiers(query.tokens("identifier"))
    return ResultSearch(
        ids=query.any_of("_id"),
        result_ids=result_ids,
        accessions=accessions,
        subjects=query.subjects(),
        analytes=None
        if codes is None
        else set().union(*(analytes_coded(each.value, each.system) for each in codes)),
        statuses=None
        if statuses is None
        else [ours for ours, theirs in RESULT_STATUSES.items() if _named(theirs, statuses)],
        collected=query.spans("date"),
        recorded=query.spans("_lastUpdated"),
    )


def _result_identifiers(
    tokens: Sequence[Token] | None,
) -> tuple[list[str] | None, list[str] | None]:
    """Return the ids and the accessions that are meant; an accession is under no system."""
    if tokens is None or any(not each.value and each.system == RESULT for each in tokens):
        return None, None
    return (
        [each.value for each in tokens if each.system in (None, RESULT)],
        [each.value for each in tokens if not each.system],
    )


def event_search(query: Query) -> EventSearch:
    """Return the filter of a search for AdverseEvents; `code` is another name of `event`."""
    tokens = [each for name in ("event", "code") for each in query.tokens(name) or ()]
    asked = query.any_of("event", "code") is not None
    terms = [each.value for each in tokens if each.system in (None, CTCAE_TERM)]
    if any(not each.value and each.system == CTCAE_TERM for each in tokens):
        asked = False
    return EventSearch(
        ids=query.any_of("_id"),
        subjects=query.subjects(),
        terms=terms if asked else None,
        onset=query.spans("date"),
        updated=query.spans("_lastUpdated"),
    )


def chosen_standings(query: Query, known: Iterable[SubjectStanding], study_key: str) -> Found:
    """Choose subjects by id, number, sex, status and last change."""
    system = subject_number_system(study_key)
    statuses, sexes = query.tokens("status"), query.tokens("gender")
    ids, numbers, named = query.any_of("_id"), query.tokens("identifier"), query.subjects()
    spans = query.spans("_lastUpdated")
    found = [
        each
        for each in known
        if (ids is None or str(each.row.id) in ids)
        and (numbers is None or any(token.fits(each.row.number, system) for token in numbers))
        and (named is None or {str(each.row.id), each.row.number}.intersection(named))
        and (statuses is None or _named(SUBJECT_STATUSES[each.status], statuses))
        and (sexes is None or _named(each.row.sex.value, sexes))
        and all(span.holds(each.updated_at) for span in spans)
    ]
    return _page(query, found, lambda each: str(each.row.id))


def chosen_studies(query: Query, known: Iterable[StudyStanding]) -> Found:
    """Choose studies by id, registry number or protocol number, and status."""
    ids, numbers, statuses = query.any_of("_id"), query.tokens("identifier"), query.tokens("status")
    found = [
        each
        for each in known
        if (ids is None or study_id(each.summary.key) in ids)
        and (numbers is None or any(_is_numbered(each, token) for token in numbers))
        and (statuses is None or _named(study_status(each.summary), statuses))
    ]
    return _page(query, found, lambda each: each.summary.key)


def _is_numbered(standing: StudyStanding, token: Token) -> bool:
    sponsors = standing.protocol.rules.study.sponsor_protocol
    return token.fits(standing.summary.key, REGISTRY) or token.fits(sponsors, "")


def _named(word: str, tokens: Iterable[Token]) -> bool:
    """Tell whether a word is one of those asked for, under no system or one of HL7's."""
    return any(
        token.value == word and (token.system is None or token.system.startswith(_HL7))
        for token in tokens
    )


def _page(query: Query, found: Sequence[Item], name: Callable[[Item], str]) -> Found:
    """Return the page of a list that a search wants; its cursor is the last item's name."""
    start = 0
    if query.page.cursor is not None:
        names = [name(each) for each in found]
        if query.page.cursor not in names:
            raise Refusal(Issue("invalid", f"The {CURSOR} is none of this search; start anew."))
        start = names.index(query.page.cursor) + 1
    items: Sequence[Any] = found[start : start + query.page.limit]
    more = bool(items) and start + len(items) < len(found)
    return Found(len(found), items, name(items[-1]) if more else None)
