"""Taking submissions in: their terms judged, their results filed, and each entry answered.

The use case behind the doors of the façade; it ends in the same inbound service as HL7 v2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from app.domain.inbound import InboundOutcome, InboxReason
from app.domain.sent_results import identity_of, names_somebody
from app.interop.fhir.deliveries import delivery, is_expected, names_of, recall, remember
from app.interop.fhir.judging import MOVED, Judged, judge, moved
from app.interop.fhir.outcomes import skipped
from app.interop.fhir.refusals import Issue, Refusal
from app.interop.fhir.strictness import strict_issues
from app.interop.fhir.submissions import Entry, Submission, SubmissionKind
from app.interop.fhir.taken import NOTHING, Door, Taken, as_it_stands
from app.services.inbound import receive
from app.services.ingest_counts import forget_ingest


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How a sender wants to be treated: strictly, or with what cannot be stored passed over."""

    strict: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A submission as it was judged, and what became of it: in all, and of each entry."""

    entries: tuple[Entry, ...]
    whole: Taken
    existing: Mapping[int, Taken] = field(default_factory=dict)

    def of(self, place: int) -> Taken:
        """Return what became of one entry."""
        entry = self.entries[place]
        return self.existing.get(place) or self.whole.at(entry.positions)


async def take(
    door: Door, raw: bytes, submission: Submission, control_id: str | None, prefer: Preference
) -> Answered:
    """Take a submission in; raise Refusal for what is not taken, with nothing stored.

    A strict sender has everything refused that would wait in the inbox.
    """
    _check_ids(submission)
    if prefer.strict:
        _refuse(strict_issues(submission))
    judged = await judge(door, submission)
    _check_entries(judged, prefer)
    if submission.kind is SubmissionKind.RESOURCE and judged.existing:
        return _answered(judged, NOTHING)
    while True:
        attempt = await door.session.begin_nested()
        taken = await _received(door, raw, judged, control_id)
        found = moved(judged, taken)
        if not found:
            break
        await attempt.rollback()
        forget_ingest(door.session)
        judged = judged.without(found, MOVED)
        _check_entries(judged, prefer)
    await attempt.commit()
    if prefer.strict and not taken.repeated:
        _check_filed(taken)
    return _answered(judged, taken)


def _check_ids(submission: Submission) -> None:
    """Refuse an id of the sender's own that is the patient's: ids are kept in the open."""
    identity = frozenset[str]().union(*map(identity_of, submission.results))
    for entry in submission.entries:
        if names_somebody(entry.terms.client_id or "", identity):
            raise Refusal(
                Issue(
                    "value", "This id holds the patient's number; give the result one of its own."
                )
            )


async def _received(door: Door, raw: bytes, judged: Judged, control_id: str | None) -> Taken:
    """Hand the results over that are not passed over."""
    submission = judged.submission
    names = names_of(door.keyring, door.caller, submission)
    sent = delivery(raw, submission, control_id)
    if not is_expected(submission, door.caller):
        # Another hospital's patients can have the same numbers.
        sent = replace(sent, whole=InboxReason.UNEXPECTED_SENDER)
    if sent.whole is None:
        over = judged.passed_over
        sent = replace(sent, passed_over=over, counted=sent.counted - len(over))
    sent = replace(sent, may_repeat=_may_repeat(judged, control_id))
    receipt = await receive(
        door.session, door.caller, sent, door.keyring, door.now, partial(remember, names=names)
    )
    assert receipt.answer is not None, "what this door takes in is kept with its answer"
    (taken,) = await as_it_stands(door, [recall(receipt.answer)])
    return replace(taken, repeated=receipt.repeated)


def _may_repeat(judged: Judged, control_id: str | None) -> bool:
    """Tell whether the same bytes may be a resend: not once the sender has spoken otherwise."""
    said = [
        judged.statements_about(entry)[-1].control_id
        for entry in judged.submission.entries
        if judged.submission.kind is SubmissionKind.RESOURCE and judged.statements_about(entry)
    ]
    return all(each == control_id for each in said)


def _answered(judged: Judged, taken: Taken) -> Answered:
    """Put together what became of each entry."""
    entries, existing = list(judged.submission.entries), dict(judged.existing)
    present = {each.position for each in taken.results}
    for place, entry in enumerate(entries):
        if place in judged.twins:
            existing[place] = replace(taken.at(judged.twins[place]), repeated=True)
        elif taken.repeated and not taken.item_id and not present.issuperset(entry.positions):
            entries[place] = replace(entry, problem=entry.problem or MOVED)
        elif judged.statements_about(entry):
            existing.setdefault(place, replace(taken.at(entry.positions), updates=True))
    return Answered(entries=tuple(entries), whole=taken, existing=existing)


def _check_entries(judged: Judged, prefer: Preference) -> None:
    """Refuse a transaction with an entry that is not taken, and a resource that is not."""
    form, entries = judged.submission.kind, judged.submission.entries
    if form is SubmissionKind.RESOURCE:
        _refuse([entry.problem for entry in entries if entry.problem])
    if form is SubmissionKind.TRANSACTION and not prefer.lenient:
        issues = [
            replace(entry.problem, expression=f"Bundle.entry[{place}]")
            for place, entry in enumerate(entries)
            if entry.problem
        ]
        _refuse(issues)


def _refuse(issues: Sequence[Issue]) -> None:
    if issues:
        raise Refusal(*issues)


def _check_filed(taken: Taken) -> None:
    """Refuse what would wait in the inbox, with the same words that a person would see there."""
    issues = [
        Issue("processing", reason.message)
        for each in taken.results
        if each.outcome is InboundOutcome.INBOX
        for reason in each.reasons
    ]
    if taken.item_id is not None:
        issues.append(Issue("processing", "The submission could not be read whole."))
    _refuse(issues)


def entry_issues(problem: Issue, prefer: Preference) -> list[Issue]:
    """Say why an entry was not taken; who is lenient is told, not refused."""
    return [skipped(problem) if prefer.lenient else problem]
