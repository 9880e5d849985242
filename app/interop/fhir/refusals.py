"""Why something sent to the façade is refused, in the words of an OperationOutcome."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: a code of FHIR's issue-type, one sentence without values, and where."""

    code: str
    message: str
    expression: str = ""
    severity: str = "error"


class Refusal(Exception):  # noqa: N818 - what becomes of a request, with its issues
    """Nothing of the request is stored; the first issue decides the status."""

    def __init__(self, *issues: Issue) -> None:
        super().__init__(issues[0].message)
        self.issues = issues
