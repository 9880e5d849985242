"""Judging the terms under which results are sent, against what the sender has said before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from app.domain.vocabulary import LabStatus
from app.interop.fhir.conditions import Terms
from app.interop.fhir.deliveries import identified, identifiers, put_id
from app.interop.fhir.refusals import Issue
from app.interop.fhir.submissions import Entry, Submission
from app.interop.fhir.taken import Door, Taken, distinct, taken_before
from app.services.lab_versions import lock_results

_WITHDRAWN = (LabStatus.CANCELLED, LabStatus.ENTERED_IN_ERROR)
# Filed, it would leave the result that was sent before standing beside it. Refused, nothing is
# lost: the sender keeps it and knows it, whereas in the inbox it would wait as if all were well
# while the wrong result counts on.
MOVED = Issue(
    "business-rule",
    "Another patient, analyte or specimen was sent under this id; put that result as"
    " entered-in-error first, then send this one again.",
)
_NOT_NEW = Issue("conflict", "This id was sent before; leave If-None-Match out to say more of it.")
_SEVERAL = Issue(
    "multiple-matches", "Several results came under this identifier; send without condition."
)
_STALE = Issue(
    "conflict", "This If-Match is not the version that counts now; read the result again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A submission with what keeps entries from being taken.

    By the place of the entry: `existing` is what is here already, `twins` the places of the
    results of an earlier entry that brings the same. `known` is what came before, by name.
    """

    submission: Submission
    existing: Mapping[int, Taken] = field(default_factory=dict)
    twins: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    known: Mapping[str, list[Taken]] = field(default_factory=dict)

    @property
    def passed_over(self) -> frozenset[int]:
        """Return the places of the results that are not taken."""
        return frozenset(
            position
            for place, entry in enumerate(self.submission.entries)
            if entry.problem or place in self.existing or place in self.twins
            for position in entry.positions
        )

    def without(self, places: Collection[int], problem: Issue) -> Judged:
        """Return it with a problem in some entries."""
        entries = tuple(
            replace(entry, problem=problem) if place in places else entry
            for place, entry in enumerate(self.submission.entries)
        )
        return replace(self, submission=replace(self.submission, entries=entries))

    def statements_about(self, entry: Entry) -> list[Taken]:
        """Return what was said before under the id under which an entry is put."""
        return self.known.get(put_id(entry.terms.client_id), [])


async def judge(door: Door, submission: Submission) -> Judged:
    """Judge the terms of each entry."""
    names = [_name(door, entry.terms) for entry in submission.entries]
    wanted = {name for name in names if name}
    known = await taken_before(door, wanted)
    if any(entry.terms.version is not None for entry in submission.entries):
        known = await _locked(door, known)
    judged = Judged(submission=submission, known=known)
    existing, twins, here = {}, {}, dict[str, tuple[int, ...]]()
    for place, (entry, name) in enumerate(zip(submission.entries, names, strict=True)):
        before = known[name] if name else []
        problem = _problem(entry.terms, before)
        if problem:
            judged = judged.without([place], problem)
        elif entry.terms.condition and before:
            existing[place] = distinct(before)[0]
        elif entry.terms.condition and name in here:
            twins[place] = here[name]
        else:
            here |= _identified(door, entry)
    return replace(judged, existing=existing, twins=twins)


def moved(judged: Judged, taken: Taken) -> set[int]:
    """Find the entries put under a known id that became another result while the old one counts."""
    found: set[int] = set()
    said = {name: list(before) for name, before in judged.known.items()}
    skipped = judged.passed_over
    for place, entry in enumerate(judged.submission.entries):
        if not entry.terms.client_id or skipped.intersection(entry.positions):
            continue
        before, own = said[put_id(entry.terms.client_id)], taken.at(entry.positions)
        new = {version.result_id for version in own.counting}
        old = {version.result_id: version for each in before for version in each.counting}
        standing = {key for key, version in old.items() if version.status not in _WITHDRAWN}
        if new - old.keys() and standing - new:
            found.add(place)
        else:
            before.append(own)
    return found


def _name(door: Door, terms: Terms) -> str:
    """Name what an entry depends on, empty where it depends on nothing."""
    if terms.condition:
        return identified(door.keyring, door.caller, terms.condition)
    return put_id(terms.client_id) if terms.client_id else ""


def _problem(terms: Terms, before: list[Taken]) -> Issue | None:
    if terms.condition:
        return _SEVERAL if len(distinct(before)) > 1 else None
    if terms.must_be_new and before:
        return _NOT_NEW
    if terms.version is None:
        return None
    version = before[-1].only_version if before else None
    return None if version and terms.version in {"*", str(version.result_version)} else _STALE


async def _locked(door: Door, known: Mapping[str, list[Taken]]) -> dict[str, list[Taken]]:
    """Read again what is known once nobody else can add a version to it."""
    ids = {
        version.result_id
        for statements in known.values()
        for each in statements
        for version in each.counting
    }
    await lock_results(door.session, door.caller.actor.study_id, ids)
    return await taken_before(door, known)


def _identified(door: Door, entry: Entry) -> dict[str, tuple[int, ...]]:
    """Return the places of an entry's results by the names of their identifiers."""
    return {
        identified(door.keyring, door.caller, identifier): places
        for resource, places in entry.observations
        for identifier in identifiers(resource)
    }
