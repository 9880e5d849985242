"""References inside one delivery: resolved among what was sent with it, never by fetching."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs

from app.domain.sent_results import SentIdentifier
from app.interop.fhir.elements import Element, child, children, kind, text
from app.interop.fhir.terms import authority_of

_HISTORY = re.compile(r"/_history/[^/]*$")
_LOCAL = re.compile(r"([A-Z][A-Za-z]*)/([A-Za-z0-9\-.]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a resource can refer to: the entries sent with it and what it contains itself."""

    study_key: str
    entries: dict[str, Element]
    contained: dict[str, Element]

    def within(self, resource: Element) -> Surroundings:
        """Return the surroundings of what belongs to this resource."""
        inner = {f"#{text(each, 'id')}": each for each in children(resource, "contained")}
        return Surroundings(self.study_key, self.entries, {**self.contained, **inner})

    def resolve(self, reference: Element) -> Element:
        """Return the resource that is meant, empty where it was not sent along."""
        target = _target(reference)
        return self.contained.get(target) or self.entries.get(target) or {}

    def patients(self, reference: Element) -> tuple[SentIdentifier, ...]:
        """Return what a reference says about who the patient is."""
        found = [_identifier(each) for each in children(reference, "identifier")]
        patient = self.resolve(reference)
        if patient:
            found += [
                _identifier(each)
                for each in children(patient, "identifier")
                if text(each, "use") != "old"
            ]
        elif _target(reference) not in self.entries:
            found += self._unresolved(_target(reference))
        return tuple(dict.fromkeys(each for each in found if each.value))

    def _unresolved(self, target: str) -> list[SentIdentifier]:
        """Read a conditional reference, or one to a subject of ours by id or number."""
        if target.startswith("Patient?"):
            queried = parse_qs(target.removeprefix("Patient?")).get("identifier", [])
            parts = (value.rpartition("|") for value in queried)
            return [
                SentIdentifier(value=value, authority=authority_of(system))
                for system, _, value in parts
            ]
        found = _LOCAL.fullmatch(target)
        if found is None or found.group(1) != "Patient":
            return []
        return [SentIdentifier(value=found.group(2), authority=self.study_key)]

    def name(self, reference: Element, *preferred: str) -> str:
        """Return what names the thing that is referred to: an identifier, else the sender's own id.

        `preferred` are elements of the resource that hold an identifier, the best one first. The
        id of a resource that was sent along does not count: converters make a new one each time.
        """
        own = text(child(reference, "identifier"), "value")
        if own:
            return own
        resource = self.resolve(reference)
        for element in (*preferred, "identifier"):
            value = text(child(resource, element), "value")
            if value:
                return value
        found = None if resource else _LOCAL.fullmatch(_target(reference))
        return found.group(2) if found else ""


def _target(reference: Element) -> str:
    """Return what is referred to, in whichever version."""
    return _HISTORY.sub("", text(reference, "reference"))


def surroundings(study_key: str, entries: Iterable[Element]) -> Surroundings:
    """Index the entries of a bundle by full URL and by type and id.

    What two different resources answer to is resolved to neither: it might be the wrong patient.
    """
    known: dict[str, Element] = {}
    for entry in entries:
        resource = child(entry, "resource")
        for place in _places(entry, resource):
            known[place] = resource if known.get(place, resource) == resource else {}
    return Surroundings(study_key, known, {})


def _places(entry: Element, resource: Element) -> set[str]:
    """Name an entry in every way in which another one may refer to it."""
    places = {text(entry, "fullUrl"), text(child(entry, "request"), "url")}
    if text(resource, "id"):
        places.add(f"{kind(resource)}/{text(resource, 'id')}")
    return places - {""} if resource else set()


def _identifier(element: Element) -> SentIdentifier:
    coding = child(child(element, "type"), "coding")
    return SentIdentifier(
        value=text(element, "value"),
        authority=authority_of(text(element, "system")),
        kind=text(coding, "code"),
    )
