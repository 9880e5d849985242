"""OperationOutcome: what became of what was sent, in issues that hold no patient data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from app.domain.inbound import InboundOutcome, InboxStatus
from app.interop.fhir.primitives import Resource, present
from app.interop.fhir.refusals import Issue
from app.interop.fhir.terms import INBOX_ITEM
from app.models import LabResult
from app.services.inbound import ResultReceipt


def operation_outcome(issues: Iterable[Issue]) -> Resource:
    """Return an OperationOutcome; without any issue it says that all is well."""
    shown = [_issue(each) for each in issues]
    return {
        "resourceType": "OperationOutcome",
        "issue": shown or [_issue(Issue("informational", "Nothing to report.", "", "information"))],
    }


def result_issues(
    receipts: Sequence[ResultReceipt], versions: Mapping[UUID, LabResult]
) -> list[Issue]:
    """Say for each result, in the order of sending, what became of it."""
    return [_of_result(each, versions) for each in receipts]


def whole_message(item_id: UUID, status: InboxStatus) -> Issue:
    """Say that a submission is kept as a whole, and whether a person has seen to it."""
    item = f"{INBOX_ITEM}:{item_id}"
    if status is InboxStatus.OPEN:
        return _informational(f"What was sent is kept whole; it waits in the inbox as {item}.")
    if status is InboxStatus.REJECTED:
        return _informational(f"What was sent is kept whole; a person rejected it as {item}.")
    return _informational(f"What was sent is kept whole; a person has seen to it as {item}.")


def skipped(issue: Issue) -> Issue:
    """Say of an entry that it was passed over because the sender wished so."""
    return replace(issue, severity="information")


def _of_result(receipt: ResultReceipt, versions: Mapping[UUID, LabResult]) -> Issue:
    if receipt.outcome is InboundOutcome.REFUSED:
        item = f"{INBOX_ITEM}:{receipt.inbox_item_id}"
        return _informational(f"The result is kept and not filed; a person rejected it as {item}.")
    if receipt.inbox_item_id is not None and receipt.lab_result_id is None:
        reasons = " ".join(reason.message for reason in receipt.reasons)
        item = f"{INBOX_ITEM}:{receipt.inbox_item_id}"
        return _informational(f"The result is kept; it waits in the inbox as {item}. {reasons}")
    version = versions.get(receipt.lab_result_id) if receipt.lab_result_id else None
    where = f" as Observation/{version.result_id}" if version else ""
    if receipt.outcome is InboundOutcome.DUPLICATE:
        return Issue("duplicate", f"The result is here already{where}.", "", "information")
    return _informational(f"The result is filed{where}.")


def _informational(text: str) -> Issue:
    return Issue("informational", text.strip(), "", "information")


def _issue(issue: Issue) -> Resource:
    return {
        "severity": issue.severity,
        "code": issue.code,
        **present(
            diagnostics=issue.message,
            expression=[issue.expression] if issue.expression else None,
        ),
    }
