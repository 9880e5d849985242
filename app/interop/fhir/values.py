"""The value of an observation in the words of a sent result: what HL7 v2 would call type and value.

Nothing is interpreted here: numbers stay the digits that were written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.interop.fhir.elements import Element, child, children, number, text
from app.interop.fhir.terms import UCUM_NAMES

_CHOICE = "value"
# Reasons of R4 that leave no doubt that there is no value, in words that every profile knows.
_NO_RESULT = "no result"
_WITHOUT_VALUE = frozenset(
    {
        *("unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked"),
        *("not-applicable", "unsupported", "error", "not-a-number", "not-performed"),
        "not-permitted",
    }
)


@dataclass(frozen=True, slots=True)
class ValueText:
    """A value: its HL7 type, its components and its unit."""

    value_type: str
    components: tuple[str, ...]
    unit: str = ""


def read_values(holder: Element) -> tuple[ValueText, ...]:
    """Read the value of an observation or component.

    R4 allows one; more than one are repetitions, which the interpretation judges. A value of a
    kind that is read nowhere stays as a text, so that a person sees that there was one.
    """
    found = []
    for name, content in holder.items():
        if name.startswith(_CHOICE) and name != _CHOICE and content is not None:
            reader = _READERS.get(name, _foreign)
            repeated = content if isinstance(content, list) else [content]
            found += [reader({name: each}, name) for each in repeated]
    return tuple(value for value in found if value is not None)


def unit_of(quantity: Element) -> str:
    """Return the UCUM code of a quantity, else the unit as it is shown."""
    if text(quantity, "system") in UCUM_NAMES and text(quantity, "code"):
        return text(quantity, "code")
    return text(quantity, "unit") or text(quantity, "code")


def absent_reason(holder: Element) -> str:
    """Return what is said in the place of a value; empty where no reason is given."""
    reason = child(holder, "dataAbsentReason")
    codes = [text(coding, "code") for coding in children(reason, "coding")]
    if _WITHOUT_VALUE.intersection(codes):
        return _NO_RESULT
    return next((code for code in codes if code), text(reason, "text"))


def _quantity(holder: Element, name: str) -> ValueText | None:
    quantity = child(holder, name)
    value, comparator = number(quantity, "value"), text(quantity, "comparator")
    if not value:
        return None
    if comparator:
        return ValueText("SN", (comparator, value), unit_of(quantity))
    return ValueText("NM", (value,), unit_of(quantity))


def _ratio(holder: Element, name: str) -> ValueText | None:
    return _pair(child(holder, name), "numerator", "denominator", ":")


def _range(holder: Element, name: str) -> ValueText | None:
    return _pair(child(holder, name), "low", "high", "-")


def _pair(holder: Element, first: str, second: str, separator: str) -> ValueText | None:
    """Read two quantities as a structured number; units of their own make it a text."""
    one, other = child(holder, first), child(holder, second)
    parts = (number(one, "value"), number(other, "value"))
    if not any(parts):
        return None
    if unit_of(one) or unit_of(other):
        shown = (
            f"{value} {unit_of(each)}" for value, each in zip(parts, (one, other), strict=True)
        )
        return ValueText("TX", (f" {separator} ".join(shown),))
    return ValueText("SN", (text(one, "comparator"), parts[0], separator, parts[1]))


def _concept(holder: Element, name: str) -> ValueText | None:
    """Read the first coding with what it says; the sender's own text goes before its display."""
    concept = child(holder, name)
    coding = child(concept, "coding")
    shown = text(concept, "text") or text(coding, "display")
    if not shown and not text(coding, "code"):
        return None
    return ValueText("CWE", (text(coding, "code"), shown, text(coding, "system")))


def _whole_number(holder: Element, name: str) -> ValueText | None:
    value = number(holder, name)
    return ValueText("NM", (value,)) if value else None


def _plain(holder: Element, name: str) -> ValueText | None:
    value = text(holder, name)
    return ValueText("ST", (value,)) if value else None


def _truth(holder: Element, name: str) -> ValueText | None:
    value = holder[name]
    return ValueText("ST", (str(value).lower(),)) if isinstance(value, bool) else None


def _foreign(_holder: Element, name: str) -> ValueText:
    return ValueText("TX", (f"[{name}]",))


_READERS: dict[str, Callable[[Element, str], ValueText | None]] = {
    "valueQuantity": _quantity,
    "valueString": _plain,
    "valueInteger": _whole_number,
    "valueCodeableConcept": _concept,
    "valueRatio": _ratio,
    "valueRange": _range,
    "valueBoolean": _truth,
}
