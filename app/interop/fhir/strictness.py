"""What `Prefer: handling=strict` refuses, although it could be kept for a person to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.interop.fhir.conditions import OBSERVATION
from app.interop.fhir.elements import Element, child, children, kind, text
from app.interop.fhir.refusals import Issue
from app.interop.fhir.submissions import REPORT, Submission
from app.interop.fhir.terms import UCUM

_OF_BOTH = (
    "resourceType id meta implicitRules language text contained extension modifierExtension"
    " identifier basedOn status category code subject encounter issued performer specimen"
)
# The elements of R4; a choice such as value[x] with each of its types.
_ELEMENTS = {
    OBSERVATION: frozenset(
        f"{_OF_BOTH} partOf focus dataAbsentReason interpretation note bodySite method device"
        " referenceRange hasMember derivedFrom component effectiveDateTime effectivePeriod"
        " effectiveTiming effectiveInstant valueQuantity valueCodeableConcept valueString"
        " valueBoolean valueInteger valueRange valueRatio valueSampledData valueTime valueDateTime"
        " valuePeriod".split()
    ),
    REPORT: frozenset(
        f"{_OF_BOTH} resultsInterpreter result imagingStudy media conclusion conclusionCode"
        " presentedForm effectiveDateTime effectivePeriod".split()
    ),
}


def strict_issues(submission: Submission) -> list[Issue]:
    """List what is no element of R4 and the quantities without a UCUM code."""
    return [
        issue
        for entry in submission.entries
        for each in (entry.resource, *children(entry.resource, "contained"))
        if kind(each) in _ELEMENTS
        for issue in (*_unknown_elements(each), *_unit_issues(each))
    ]


def _unknown_elements(resource: Element) -> Iterator[Issue]:
    name = kind(resource)
    if any(each.removeprefix("_") not in _ELEMENTS[name] for each in resource):
        yield Issue("processing", "The resource has an element that R4 does not know.", name)
    if not text(resource, "status"):
        yield Issue("processing", "The resource needs a status.", f"{name}.status")
    if not child(resource, "code"):
        yield Issue("processing", "The resource needs a code.", f"{name}.code")


def _unit_issues(resource: Element) -> Iterable[Issue]:
    for holder in (resource, *children(resource, "component")):
        quantity = child(holder, "valueQuantity")
        if "value" in quantity and (text(quantity, "system") != UCUM or not text(quantity, "code")):
            sentence = "A quantity needs its unit as a code of UCUM."
            yield Issue("processing", sentence, f"{kind(resource)}.value.ofType(Quantity)")
