"""Verification of the whole trail: seal, checkpoints, records, inventory and decisions.

It asks the database for facts only and computes every hash itself. What runs it decides how much
is seen: the owner and the sealer see every study, the API those of the caller and the whole tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Principal, SealState
from app.services.seal_state import database_time
from app.services.verification_checkpoints import KeptNote, check_checkpoints
from app.services.verification_decisions import check_decisions
from app.services.verification_identifiers import check_identifiers
from app.services.verification_inventory import check_inventory
from app.services.verification_leaves import LeafChecks, check_leaves
from app.services.verification_records import check_operations, check_records, check_sealed
from app.services.verification_redactions import SealedRedaction
from app.services.verification_report import Check, RedactionNotice, Report

# Reading a whole trail takes as long as it takes.
_PATIENCE = (
    "SELECT set_config('statement_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)
_QUESTIONS = {
    "leaves": "Is every row what was sealed?",
    "roots": "Has the log the root of every checkpoint, and does it extend them all?",
    "signatures": "Did the key of the seal sign every checkpoint?",
    "sealed": "Is nothing without a seal where the log is closed, and nothing back-dated?",
    "records": "Are the records what the trail says they are?",
    "operations": "Has every row an operation?",
    "inventory": "Are the triggers, owners and walls of the trail in place?",
    "decisions": "Does every decision follow again from its evidence and from the records?",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What comes from outside the database: published notes, and the keys to trust.

    Without keys the one that the database names is taken, which proves less.
    """

    notes: Sequence[KeptNote] = ()
    verifiers: Sequence[str] = ()


async def verify(session: AsyncSession, evidence: Evidence) -> Report:
    """Run every check over what the session's role may see, in a snapshot of the caller's."""
    await session.execute(text(_PATIENCE))
    checks = {name: Check(name, question) for name, question in _QUESTIONS.items()}
    complete = await _sees_everything(session)
    verifiers, notices = await _keys(session, evidence)
    both = (checks["signatures"], checks["roots"])
    tree, timeline, epochs = await check_checkpoints(session, evidence.notes, verifiers, both)
    found = LeafChecks(checks["leaves"], checks["sealed"])
    redactions = await check_leaves(session, found, complete, timeline)
    pending = await check_sealed(session, checks["sealed"])
    await check_records(session, checks["records"])
    await check_operations(session, checks["operations"])
    await check_inventory(session, checks["inventory"])
    await check_decisions(session, checks["decisions"])
    await check_identifiers(session, checks["records"])
    return Report(
        at=await database_time(session),
        verified=not any(check.wrong for check in checks.values()),
        complete=complete,
        size=tree.size,
        root=tree.root.hex(),
        pending=pending,
        checks=list(checks.values()),
        redactions=await _told(session, redactions),
        notices=[*notices, *epochs],
    )


async def _sees_everything(session: AsyncSession) -> bool:
    """Tell whether row-level security hides nothing from who asks."""
    hidden = "SELECT row_security_active('seal_entry') AND current_user <> 'msc_icaht_sealer'"
    return not await session.scalar(text(hidden))


async def _keys(session: AsyncSession, evidence: Evidence) -> tuple[Sequence[str], list[str]]:
    """Return the keys to verify with, and what is to be said of them."""
    notices = []
    if not evidence.notes:
        notices.append(
            "No checkpoint from outside the database was given: whoever rewrote the whole log"
            " together with its checkpoints is found only by the key."
        )
    if evidence.verifiers:
        return evidence.verifiers, notices
    stated = await session.scalar(select(SealState.verifier_key))
    notices.append("The key was taken from the database itself; compare it with the one published.")
    return ([stated] if stated else []), notices


async def _told(
    session: AsyncSession, redactions: Sequence[SealedRedaction]
) -> list[RedactionNotice]:
    """Tell every sealed redaction: by whom, why and when, and what it blinded."""
    names = {
        (str(study), str(id_)): name
        for study, id_, name in await session.execute(
            select(Principal.study_id, Principal.id, Principal.display_name)
        )
    }
    return [
        RedactionNotice(
            record_type=row["record_type"],
            record_id=row["record_id"],
            field=row["field"],
            redacted_by=names.get((row["study_id"], row["executed_by"]), row["executed_by"]),
            requested_by=names.get((row["study_id"], row["requested_by"]), row["requested_by"]),
            reason=row["reason"],
            redacted_at=datetime.fromisoformat(row["recorded_at"]),
            rows=each.blinded,
        )
        for each in redactions
        for row in [each.row]
    ]
