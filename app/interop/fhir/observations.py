"""One Observation in its surroundings, as the results that it sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from app.domain.sent_results import SentCode, SentIdentifier, SentResult
from app.interop.fhir.elements import Element, child, children, is_test, number, text
from app.interop.fhir.references import Surroundings
from app.interop.fhir.values import ValueText, absent_reason, read_values, unit_of

# What may turn the meaning of a resource around; R4 forbids to read on without understanding it.
_MODIFIERS = ("modifierExtension", "implicitRules")
NOT_UNDERSTOOD = "modified"
TEST_DATA = "test data"
_RETRACTED = "entered-in-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report, a panel or the message says about the observations in it."""

    patients: tuple[SentIdentifier, ...] = ()
    panel: SentCode | None = None
    accession: str = ""
    collected: str = ""
    reported: str = ""
    status: str = ""
    message_time: str = ""


def read_observation(
    resource: Element, around: Surroundings, report: Report
) -> tuple[SentResult, ...]:
    """Read the results of one Observation: its own value and one for each component.

    A panel that only groups others (hasMember or components, no value of its own) sends no result
    itself.
    """
    inner = around.within(resource)
    shared = _shared(resource, inner, report)
    components = tuple(children(resource, "component"))
    values = read_values(resource)
    groups = bool(components) or resource.get("hasMember")
    own = () if groups and not values else (_result(resource, shared, values),)
    panel = next(iter(_codes(resource)), report.panel)
    of_panel = replace(shared, panel=panel)
    return own + tuple(_component(each, of_panel) for each in components)


def _component(holder: Element, shared: SentResult) -> SentResult:
    status = NOT_UNDERSTOOD if holder.get("modifierExtension") else shared.status
    return _result(holder, replace(shared, status=status), read_values(holder))


def member_report(resource: Element, around: Surroundings, report: Report) -> Report:
    """Return what a panel says about its members."""
    shared = _shared(resource, around.within(resource), report)
    return replace(
        report,
        patients=shared.patients,
        panel=next(iter(_codes(resource)), report.panel),
        accession=shared.accession,
        collected=shared.collected,
        reported=shared.reported,
    )


def diagnostic_report(resource: Element, around: Surroundings, message_time: str) -> Report:
    """Read what a DiagnosticReport says about its results; its identifier is the accession."""
    inner = around.within(resource)
    issued = text(resource, "issued")
    return Report(
        patients=inner.patients(child(resource, "subject")),
        panel=next(iter(_codes(resource)), None),
        accession=_specimen(resource, inner)
        or text(child(resource, "identifier"), "value")
        or _order(resource, inner),
        collected=_collected(resource, inner),
        reported=issued,
        status=_status(resource),
        message_time=message_time,
    )


def _shared(resource: Element, around: Surroundings, report: Report) -> SentResult:
    """Read what an observation says about all of its values."""
    issued = text(resource, "issued") or report.reported
    updated = text(child(resource, "meta"), "lastUpdated")
    stated = issued or updated or report.message_time
    return SentResult(
        patients=around.patients(child(resource, "subject")) or report.patients,
        codes=(),
        panel=report.panel,
        accession=_specimen(resource, around) or report.accession or _order(resource, around),
        status=_joined(_status(resource), report.status),
        collected=_collected(resource, around) or report.collected,
        reported=issued,
        stated=stated,
        stated_by_message=not (issued or updated),
    )


def _result(holder: Element, shared: SentResult, values: tuple[ValueText, ...]) -> SentResult:
    """Add to what is shared what one value says."""
    low, high, range_text = _reference_range(holder, {value.unit for value in values})
    content: dict[str, Any] = {}
    if values:
        content = {
            "value_type": values[0].value_type,
            "values": tuple(value.components for value in values),
            "unit": next((value.unit for value in values if value.unit), ""),
        }
    elif absent_reason(holder):
        content = {"value_type": "ST", "values": ((absent_reason(holder),),)}
    return replace(
        shared,
        codes=_codes(holder),
        low=low,
        high=high,
        reference_range=range_text,
        flags=tuple(_flags(holder)),
        **content,
    )


def _codes(holder: Element) -> tuple[SentCode, ...]:
    """Read the codes; where there is none, the text stands in as a code of the sender's own."""
    concept = child(holder, "code")
    codes = tuple(
        SentCode(
            code=text(coding, "code"),
            system=text(coding, "system"),
            text=text(coding, "display") or text(concept, "text"),
        )
        for coding in children(concept, "coding")
        if text(coding, "code")
    )
    shown = text(concept, "text") or text(child(concept, "coding"), "display")
    return codes or ((SentCode(code=shown, text=shown),) if shown else ())


def _status(resource: Element) -> str:
    """Return the status word, unless something says that it may not be taken at its word."""
    if is_test(resource):
        return TEST_DATA
    if any(resource.get(name) for name in _MODIFIERS):
        return NOT_UNDERSTOOD
    return text(resource, "status")


def _joined(own: str, of_report: str) -> str:
    """Make the results of a report that is withdrawn, modified or a test a question to a person."""
    if of_report in {_RETRACTED, NOT_UNDERSTOOD, TEST_DATA} and own != _RETRACTED:
        return f"{own} in a report {of_report}"
    return own


def _specimen(resource: Element, around: Surroundings) -> str:
    return around.name(child(resource, "specimen"), "accessionIdentifier")


def _order(resource: Element, around: Surroundings) -> str:
    return around.name(child(resource, "basedOn"), "requisition")


def _collected(resource: Element, around: Surroundings) -> str:
    """Return when the specimen was taken: the effective time, else what the specimen says."""
    specimen = around.resolve(child(resource, "specimen"))
    return _moment(resource, "effective") or _moment(child(specimen, "collection"), "collected")


def _moment(holder: Element, choice: str) -> str:
    """Return a time given as an instant or as the start of a period."""
    period = child(holder, f"{choice}Period")
    return (
        text(holder, f"{choice}DateTime")
        or text(holder, f"{choice}Instant")
        or text(period, "start")
        or text(period, "end")
    )


def _reference_range(holder: Element, units: set[str]) -> tuple[str, str, str]:
    """Return low, high and text of the one normal range.

    Limits count only in the unit of the value: nobody converts a range on a guess. What is no
    limit says so in its text, which could be read as one otherwise.
    """
    ranges = [each for each in children(holder, "referenceRange") if _range_text(each)]
    if len(ranges) != 1:
        return "", "", "; ".join(filter(None, (_range_text(each) for each in ranges)))
    (only,) = ranges
    low, high = child(only, "low"), child(only, "high")
    other_units = {unit_of(low), unit_of(high)} - units - {""}
    if _special_kind(only) or (units and other_units):
        return "", "", _range_text(only)
    return number(low, "value"), number(high, "value"), text(only, "text") or _range_text(only)


def _special_kind(element: Element) -> str:
    """Return what kind of range it is if not the normal one, such as a treatment target."""
    kind = child(element, "type")
    codes = [text(coding, "code") for coding in children(kind, "coding")] or [text(kind, "text")]
    return next((code for code in codes if code not in {"", "normal"}), "")


def _range_text(element: Element) -> str:
    """Return a range as a person reads it: its kind, its limits with their units, its text."""
    low, high = child(element, "low"), child(element, "high")
    limits = [f"{number(each, 'value')} {unit_of(each)}".strip() for each in (low, high)]
    parts = (_special_kind(element), " - ".join(limits) if any(limits) else "")
    return " ".join(part for part in (*parts, text(element, "text")) if part)


def _flags(holder: Element) -> Iterator[str]:
    for concept in children(holder, "interpretation"):
        coding = child(concept, "coding")
        flag = text(coding, "code") or text(concept, "text")
        if flag:
            yield flag
