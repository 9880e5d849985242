"""Taking submissions in: what a sender said before under the same name, and what became of it all.

The use case behind the doors of the façade; it ends in the same inbound service as HL7 v2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.inbound import InboundOutcome
from app.interop.fhir.deliveries import delivery, recall, remember
from app.interop.fhir.outcomes import result_issues, skipped, waiting_message
from app.interop.fhir.refusals import Issue, Refusal
from app.interop.fhir.strictness import strict_issues
from app.interop.fhir.submissions import Submission, SubmissionKind
from app.models import LabResult
from app.services.fhir_results import versions_with_ids
from app.services.fhir_statements import answers_under, filed_since
from app.services.inbound import ResultReceipt, receive
from app.services.senders import CallingSender


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How a sender wants to be treated: strictly, or with what cannot be stored passed over."""

    strict: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a submission is taken in with."""

    session: AsyncSession
    caller: CallingSender
    keyring: Keyring
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a submission; `is_new` tells that something was filed just now."""

    results: tuple[ResultReceipt, ...]
    versions: Mapping[UUID, LabResult]
    item_id: UUID | None = None
    repeated: bool = False

    @property
    def is_new(self) -> bool:
        """Tell whether a result was filed just now."""
        filed = any(each.outcome is InboundOutcome.FILED for each in self.results)
        return filed and not self.repeated

    @property
    def only_version(self) -> LabResult | None:
        """Give the stored version where there is one result, and it is filed."""
        ids = [each.lab_result_id for each in self.results]
        return self.versions.get(ids[0]) if len(ids) == 1 and ids[0] else None

    @property
    def issues(self) -> list[Issue]:
        """Say what became of each result."""
        whole = [waiting_message(self.item_id)] if self.item_id else []
        return whole + result_issues(self.results, self.versions)

    def at(self, positions: Sequence[int]) -> Taken:
        """Return what became of the results at some positions."""
        wanted = set(positions)
        results = tuple(each for each in self.results if each.position in wanted)
        return replace(self, results=results)


async def take(
    door: Door, raw: bytes, submission: Submission, control_id: str | None, prefer: Preference
) -> Taken:
    """Take a submission in; raise Refusal for what is not taken, with nothing stored.

    A strict sender has everything refused that would wait in the inbox.
    """
    _check_entries(submission, prefer)
    receipt = await receive(
        door.session,
        door.caller,
        delivery(raw, submission, control_id),
        door.keyring,
        door.now,
        remember,
    )
    assert receipt.answer is not None, "what this door takes in is kept with its answer"
    results, item_id = recall(receipt.answer)
    if prefer.strict and not receipt.repeated:
        _check_filed(results, item_id)
    return await _taken(door, results, item_id, receipt.repeated)


async def taken_before(door: Door, control_id: str) -> list[Taken]:
    """Return what was taken under a control id before, the first one first."""
    answers = [recall(each) for each in await answers_under(door.session, door.caller, control_id)]
    items = {each.inbox_item_id for results, _ in answers for each in results if each.inbox_item_id}
    since = await filed_since(door.session, door.caller.actor.study_id, items)
    return [
        await _taken(door, tuple(_settled(each, since) for each in results), item_id, True)
        for results, item_id in answers
    ]


def distinct(taken: Sequence[Taken]) -> list[Taken]:
    """Keep one of those that are statements about the same results, the last one."""
    return list({_identity(each): each for each in taken}.values())


def _identity(taken: Taken) -> frozenset[object]:
    """Name the results, or what waits in their place."""
    filed = (
        taken.versions.get(each.lab_result_id) if each.lab_result_id else None
        for each in taken.results
    )
    named = zip(filed, taken.results, strict=True)
    results = {version.result_id if version else each.inbox_item_id for version, each in named}
    return frozenset(results or {taken.item_id})


def _settled(receipt: ResultReceipt, since: Mapping[UUID, UUID]) -> ResultReceipt:
    """Show a result that waited as filed, once it is."""
    item_id = receipt.inbox_item_id
    if item_id is None or item_id not in since:
        return receipt
    return replace(receipt, outcome=InboundOutcome.FILED, lab_result_id=since[item_id])


async def _taken(
    door: Door, results: tuple[ResultReceipt, ...], item_id: UUID | None, repeated: bool
) -> Taken:
    ids = {each.lab_result_id for each in results if each.lab_result_id}
    study_id = door.caller.actor.study_id
    versions = await versions_with_ids(door.session, study_id, ids) if ids else {}
    return Taken(results=results, versions=versions, item_id=item_id, repeated=repeated)


def _check_entries(submission: Submission, prefer: Preference) -> None:
    """Refuse a transaction with an entry that is not taken, and what a strict sender refuses."""
    issues = [
        replace(entry.problem, expression=f"Bundle.entry[{place}]")
        for place, entry in enumerate(submission.entries)
        if entry.problem and submission.kind is SubmissionKind.TRANSACTION and not prefer.lenient
    ]
    if prefer.strict:
        issues += strict_issues(submission)
    if issues:
        raise Refusal(*issues)


def _check_filed(results: Sequence[ResultReceipt], item_id: UUID | None) -> None:
    """Refuse what would wait in the inbox, with the same words that a person would see there."""
    issues = [
        Issue("processing", reason.message)
        for each in results
        if each.outcome is InboundOutcome.INBOX
        for reason in each.reasons
    ]
    if item_id is not None:
        issues.append(Issue("processing", "The submission could not be read whole."))
    if issues:
        raise Refusal(*issues)


def entry_issues(problem: Issue, prefer: Preference) -> list[Issue]:
    """Say why an entry was not taken; who is lenient is told, not refused."""
    return [skipped(problem) if prefer.lenient else problem]
