"""Tolerant access to the elements of a resource: what has another shape than R4 says is absent.

Real senders leave elements out, send null, or one object where an array belongs; none of that may
stop the reading of what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

Element = dict[str, Any]


def text(element: Element, name: str) -> str:
    """Return a text without blanks around it, empty where there is none."""
    value = element.get(name)
    return value.strip() if isinstance(value, str) else ""


def number(element: Element, name: str) -> str:
    """Return a number digit for digit as it was written, also one that came as text."""
    value = element.get(name)
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return text(element, name)


def child(element: Element, name: str) -> Element:
    """Return an object, empty where there is none; of an array the first one."""
    return next(children(element, name), {})


def children(element: Element, name: str) -> Iterator[Element]:
    """Return the objects of an array, or the one object in its place."""
    value = element.get(name)
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item


def kind(resource: Element) -> str:
    """Return the type of a resource, empty where it does not say."""
    return text(resource, "resourceType")


def is_test(resource: Element) -> bool:
    """Tell whether a resource is marked as test data (v3 ActReason HTEST)."""
    meta = child(resource, "meta")
    return any(
        text(coding, "code") == "HTEST"
        for name in ("tag", "security")
        for coding in children(meta, name)
    )


def count(value: Any, resource_type: str) -> int:
    """Count the resources of a type by plain search, however deep they are."""
    if isinstance(value, list):
        return sum(count(item, resource_type) for item in value)
    if not isinstance(value, dict):
        return 0
    own = int(value.get("resourceType") == resource_type)
    return own + sum(count(item, resource_type) for item in value.values())
