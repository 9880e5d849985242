"""The published role matrix: docs/roles.md, written from the one table that the service obeys.

`python -m app.services.role_page > docs/roles.md` writes it; a test says when it is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from app.domain.granting import TWO_PERSON_ROLES
from app.domain.vocabulary import Role
from app.services.role_matrix import MATRIX, Area

SHORT = {
    Role.PRINCIPAL_INVESTIGATOR: "PI",
    Role.SUB_INVESTIGATOR: "Sub-I",
    Role.STUDY_COORDINATOR: "CRC",
    Role.DATA_MANAGER: "DM",
    Role.MONITOR: "CRA",
    Role.CELL_LABORATORY: "Cell lab",
    Role.LABORATORY_SYSTEM: "LIS",
    Role.SPONSOR: "Sponsor",
    Role.SAFETY_COMMITTEE: "DMC",
    Role.AUDITOR: "Auditor",
    Role.ADMINISTRATOR: "Admin",
}
AREAS = {
    Area.STUDY: "Study: its name, its sites and where it stands; C sets up studies and sites",
    Area.PROTOCOL: "Protocol: C adds a version, S puts it into force",
    Area.REFERENCE: "Reference tables and calculations that touch no record",
    Area.SCREENING: "Subjects, their eligibility and their exits",
    Area.COHORT: "Cohorts and enrolment",
    Area.DOSE_ORDER: "Dose orders",
    Area.PRODUCT: "Product lots and bags",
    Area.INFUSION: "Infusions and their schedule",
    Area.LABORATORY: "Laboratory results",
    Area.REFERENCE_RANGE: "Reference ranges of the laboratories",
    Area.CARE: "Transfusions, medications, assessments",
    Area.DEVIATION: "Deviations: those derived, those reported, and the notes on them",
    Area.QUERY: "Queries: C opens, closes, reopens and cancels; U without C answers",
    Area.SOURCE_VERIFICATION: "Source verification",
    Area.ADVERSE_EVENT: "Adverse events",
    Area.SAFETY_REPORT: "Safety reports and follow-up information",
    Area.REFERENCE_SAFETY: "Reference safety information: C adds a version, S puts it into force",
    Area.DLT: "DLT adjudications",
    Area.RESPONSE: "Response",
    Area.ESCALATION: "Escalation: C proposes, S gives the committee's verdict",
    Area.METRICS: "Counts and rates",
    Area.AUDIT: "Audit trail",
    Area.IDENTITY: "Identity vault",
    Area.INITIALS: "Initials and code of a subject",
    Area.DISCLOSURE: "Disclosure of an identity, on record and with a reason",
    Area.SENDER: "Laboratory systems, their keys and profiles",
    Area.INBOX: "Inbox of results that wait for a person",
    Area.GRANT: "Grants and people",
    Area.SIGNATURE: "Signatures",
    Area.SECURITY: "Security events",
    Area.CASEBOOK: "Casebooks: freezing, signing, locking, unlocking",
    Area.SEAL: "Seal: receipts, checkpoints, verification",
    Area.REDACTION: "Redaction: S asks for it and approves, C carries it out",
    Area.EXPORT: "Export of the trail with its proofs",
    Area.DATA_CUT: "Data cuts",
}
_TOP = """# Roles

Written from the `MATRIX` of `app/services/role_matrix.py` by `python -m app.services.role_page`.

R read, C create, U change with a reason, S sign or decide; a dot is none. A grant gives a role in
one study, at one site or at all, from a moment on and until it ends. Without any role in a study
everything of it answers 404, as if it were not there; with a role that lacks the right, 403.

"""
_BOTTOM = """
- Signing always asks for a fresh login (`insufficient_user_authentication`).
- A grant for one site shows and writes the records of that site's subjects only; what counts over
  the study (places, the ladder, metrics) counts everybody. Somebody with several roles that allow
  an act has the sites of all of them, and acts in the first that was given.
- Nobody grants a role to themselves. {two} take a second administrator.
- Administrators read and write no clinical record. Auditors write none.
- Principal investigators and sub-investigators may do what they may delegate. Reading the
  adjudications, the state of a casebook or the protocol goes with the work on the records.
- The cell laboratory reads of the trail what it did itself. It records adverse events, and gets
  none shown but the one it recorded.
- A laboratory system sends results and reads none; what it sends is bound to its site.
- The committee sees who holds which place, because it decides on who is still in the window; its
  safety pack is a data cut, its paper the dossier: that shows which queries are open, and of their
  words only a rule's. The sponsor sees counts.
- A coordinator reports deviations and notes on them; an investigator assesses them.
- Proposing a decision is creating one; only the committee's word on it is `S`.
"""


def roles_page() -> str:
    """Write the page."""
    two = " and ".join(SHORT[role] for role in Role if role in TWO_PERSON_ROLES)
    lines = [
        _line("area", SHORT.values()),
        "|---" * (len(SHORT) + 1) + "|",
        *(_line(AREAS[area], (MATRIX[area].get(role) or "·" for role in SHORT)) for area in Area),
    ]
    return _TOP + "\n".join(lines) + "\n" + _BOTTOM.format(two=two)


def _line(first: str, cells: Iterable[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(roles_page())
