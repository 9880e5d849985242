"""What a laboratory system submits: a resource or a bundle, read into results and entries.

The reading depends on the bytes and the study's key alone, so that what waits in the inbox is
found again by its position.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.domain.sent_results import SentResult
from app.interop.fhir.conditions import NO_TERMS, OBSERVATION, Terms, entry_terms
from app.interop.fhir.elements import Element, child, children, count, is_test, kind, text
from app.interop.fhir.observations import (
    TEST_DATA,
    Report,
    diagnostic_report,
    member_report,
    read_observation,
)
from app.interop.fhir.references import Surroundings, surroundings
from app.interop.fhir.refusals import Issue, Refusal

# A bundle of 500 entries or more is refused (413); the results in it have their own limit.
MAX_ENTRIES = 499
MAX_RESULTS = 1000
REPORT = "DiagnosticReport"
BUNDLE, HEADER = "Bundle", "MessageHeader"
READ_TYPES = (OBSERVATION, REPORT)


class SubmissionKind(StrEnum):
    """In which form results come; a bundle's kind is its type."""

    RESOURCE = "resource"
    BATCH = "batch"
    TRANSACTION = "transaction"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a submission: the places of its results, or why it is not taken.

    `observations` are the resources read in it, each with the places of its results.
    """

    resource: Element = field(repr=False)
    terms: Terms = NO_TERMS
    positions: tuple[int, ...] = ()
    observations: tuple[tuple[Element, tuple[int, ...]], ...] = field(default=(), repr=False)
    problem: Issue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What was sent: its results in the order of sending, and its entries.

    `complete` tells that every Observation that plain search finds was read.
    """

    kind: SubmissionKind
    control_id: str | None
    entries: tuple[Entry, ...]
    results: tuple[SentResult, ...]
    complete: bool
    header: Element = field(default_factory=dict, repr=False)


def read_submission(document: Any, study_key: str) -> Submission:
    """Read what was submitted; raise Refusal for what no result can be read from."""
    if not isinstance(document, dict) or not kind(document):
        raise Refusal(Issue("structure", "The body is no FHIR resource; give its resourceType."))
    if kind(document) == BUNDLE:
        return _read_bundle(document, study_key)
    if kind(document) not in READ_TYPES:
        raise Refusal(not_supported(kind(document)))
    reading = _Reading(surroundings(study_key, ()), document, [document])
    entry = reading.take(document, NO_TERMS)
    return reading.submission(SubmissionKind.RESOURCE, None, (entry,), document)


def under(submission: Submission, terms: Terms) -> Submission:
    """Return the submission of one resource with the terms under which it is sent."""
    (entry,) = submission.entries
    return replace(submission, entries=(replace(entry, terms=terms),))


def not_supported(resource_type: str) -> Issue:
    """Say that a type of resource is not stored here."""
    shown = resource_type if resource_type.isascii() and resource_type.isalpha() else "This type"
    return Issue(
        "not-supported",
        f"{shown[:64]} is read where results refer to it and is not stored; send Observation or"
        " DiagnosticReport.",
    )


def _read_bundle(bundle: Element, study_key: str) -> Submission:
    form, entries = _form(bundle), _entries(bundle)
    resources = [child(entry, "resource") for entry in entries]
    around = surroundings(study_key, entries)
    reading = _Reading(around, bundle, resources)
    is_message = form is SubmissionKind.MESSAGE
    header = resources[0] if resources and is_message else {}
    if is_message and kind(header) != HEADER:
        sentence = "The first entry of a message is its MessageHeader."
        raise Refusal(Issue("structure", sentence, "Bundle.entry[0]"))
    taken = tuple(
        reading.take(resource, NO_TERMS if is_message else _terms(entry, resource))
        for entry, resource in zip(entries, resources, strict=True)
    )
    control_id = (
        text(child(bundle, "identifier"), "value") or text(header, "id") or text(bundle, "id")
    )
    submission = reading.submission(form, control_id or None, taken, bundle)
    return replace(submission, header=header)


def _form(bundle: Element) -> SubmissionKind:
    known = {each.value for each in SubmissionKind if each is not SubmissionKind.RESOURCE}
    if text(bundle, "type") not in known:
        sentence = "Send a Bundle of type batch, transaction or message."
        raise Refusal(Issue("value", sentence, "Bundle.type"))
    return SubmissionKind(text(bundle, "type"))


def _entries(bundle: Element) -> list[Element]:
    """List the entries; what is none stays as an empty one, for the answer keeps their order."""
    listed = bundle.get("entry")
    items = listed if isinstance(listed, list) else list(children(bundle, "entry"))
    if len(items) > MAX_ENTRIES:
        sentence = f"A Bundle may have {MAX_ENTRIES} entries; send it in parts."
        raise Refusal(Issue("too-costly", sentence))
    return [item if isinstance(item, dict) else {} for item in items]


class _Reading:
    """The results of one submission while it is read."""

    def __init__(self, around: Surroundings, document: Element, entries: list[Element]) -> None:
        self._around = around
        frames = (each for each in (document, *entries) if kind(each) in {BUNDLE, HEADER})
        self._is_test = any(is_test(each) for each in frames)
        self._plain = Report(message_time=text(document, "timestamp"))
        self._results: list[SentResult] = []
        self._observations = 0
        # By identity: two observations may be equal in every word.
        self._reports: dict[int, Report] = {}
        for learn in (self._learn_report, self._learn_panel):
            for entry in entries:
                inner = around.within(entry)
                for each in (entry, *children(entry, "contained")):
                    learn(each, inner)

    def take(self, resource: Element, terms: Terms | Issue) -> Entry:
        """Read every Observation of a resource, itself and those that it contains.

        `terms` may be why it is not taken.
        """
        if isinstance(terms, Issue):
            self._observations += count(resource, OBSERVATION)
            return Entry(resource=resource, problem=terms)
        inner = self._around.within(resource)
        read = tuple(
            (each, self._observation(each, inner))
            for each in (resource, *children(resource, "contained"))
            if kind(each) == OBSERVATION
        )
        positions = tuple(place for _, places in read for place in places)
        return Entry(resource=resource, terms=terms, positions=positions, observations=read)

    def _observation(self, resource: Element, inner: Surroundings) -> tuple[int, ...]:
        """Read one Observation and return the places of its results."""
        self._observations += 1
        before = len(self._results)
        report = self._reports.get(id(resource), self._plain)
        for result in read_observation(resource, inner, report):
            status = TEST_DATA if self._is_test else result.status
            self._results.append(replace(result, status=status))
        return tuple(range(before, len(self._results)))

    def submission(
        self,
        form: SubmissionKind,
        control_id: str | None,
        entries: tuple[Entry, ...],
        all_: Element,
    ) -> Submission:
        """Put together what was read; `all_` is the whole document."""
        if len(self._results) > MAX_RESULTS:
            sentence = f"A submission may have {MAX_RESULTS} results; send it in parts."
            raise Refusal(Issue("too-costly", sentence))
        return Submission(
            kind=form,
            control_id=control_id,
            entries=entries,
            results=tuple(self._results),
            complete=count(all_, OBSERVATION) == self._observations,
        )

    def _learn_report(self, resource: Element, inner: Surroundings) -> None:
        """Remember what a report says about the observations that it names."""
        if kind(resource) == REPORT:
            said = diagnostic_report(resource, inner, self._plain.message_time)
            for observation in filter(None, map(inner.resolve, children(resource, "result"))):
                self._reports[id(observation)] = said

    def _learn_panel(self, resource: Element, inner: Surroundings) -> None:
        """Remember what a panel says about its members; a report that names them comes first."""
        if kind(resource) == OBSERVATION and resource.get("hasMember"):
            said = member_report(resource, inner, self._reports.get(id(resource), self._plain))
            for member in filter(None, map(inner.resolve, children(resource, "hasMember"))):
                known = self._reports.get(id(member))
                self._reports[id(member)] = replace(known, panel=said.panel) if known else said


def _terms(entry: Element, resource: Element) -> Terms | Issue:
    """Read the terms of an entry of a batch or transaction, or say why it is not taken."""
    if text(child(entry, "request"), "method") not in {"POST", "PUT"}:
        return Issue("not-supported", "An entry has to be a POST or PUT of a resource.")
    if not kind(resource):
        return Issue("structure", "The entry has no resource with a resourceType.")
    if kind(resource) not in READ_TYPES:
        return not_supported(kind(resource))
    try:
        return entry_terms(entry, resource)
    except Refusal as refusal:
        return refusal.issues[0]
