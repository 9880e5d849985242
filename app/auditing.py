"""What an operator verifies: the trail of the database against the witnesses, or an export."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.core.config import Settings
from app.core.database import SEALER_ROLE, Database
from app.core.errors import OperatorError
from app.core.witnesses import CHECKPOINTS, Witness
from app.operations import database_urls, with_database
from app.services.verification import Evidence, verify
from app.services.verification_checkpoints import KeptNote
from app.services.verification_report import Report
from app.verifier.verify import notes_of, read_keys, report, verify_export

MOST_NOTES = 100


def verify_database(
    settings: Settings, files: Sequence[Path], keys: Sequence[str]
) -> tuple[bool, list[str]]:
    """Verify the whole trail as the sealer sees it; return whether it holds, and the sentences.

    The witnesses are those of the configuration, and files of checkpoints that others kept.
    """
    witnesses = [Witness(folder) for folder in _folders(settings)]
    notes = [KeptNote(str(each.folder), note) for each in witnesses for note in each.notes()]
    notes += [KeptNote(str(path), note) for path in files for note in _notes(path)]
    known = keys or sorted({key for each in witnesses for key in each.verifiers()})

    async def work(database: Database) -> Report:
        async with database.snapshot() as session:
            return await verify(session, Evidence(notes, known))

    with database_urls(settings) as urls:
        found = asyncio.run(with_database(urls.sealer, work, SEALER_ROLE))
    return found.verified, list(_told(found))


def _folders(settings: Settings) -> Sequence[Path]:
    """Return the witnesses' folders: those that are configured, or development's own."""
    return settings.checkpoint_dirs or (settings.data_dir / CHECKPOINTS,)


def _notes(path: Path) -> list[str]:
    try:
        return list(notes_of(path.read_text("utf-8")))
    except ValueError as error:
        raise OperatorError(f"{path} is no file of checkpoints: {error}.") from error


def _spread(notes: Sequence[str]) -> Sequence[str]:
    """Return the last note and some between: the script takes its time over each signature."""
    return notes[:: -max(1, len(notes) // MOST_NOTES)]


def _told(found: Report) -> Iterator[str]:
    """Tell a report in sentences."""
    yield f"The log has {found.size} operations; {found.pending} wait for their seal."
    for check in found.checks:
        verdict = f"NO, {check.wrong} findings" if check.wrong else "yes"
        yield f"{check.question} {verdict} ({check.looked_at} looked at)"
        for sentence in check.findings:
            yield f"  FAILED: {sentence}"
    for each in found.redactions:
        yield (
            f"Redacted: {each.field} of {each.record_type} {each.record_id}, by {each.redacted_by}"
            f" at {each.redacted_at.isoformat()}, requested by {each.requested_by}: {each.reason}"
        )
        yield from (f"  It blinded {row}." for row in each.rows)
    yield from found.notices
    yield "VERIFIED." if found.verified else "NOT VERIFIED."


def verify_file(
    settings: Settings, export: Path, files: Sequence[Path], keys: Sequence[str]
) -> tuple[bool, list[str]]:
    """Verify an export as `verify.py` does; return whether it holds, and the sentences."""
    witnesses = [Witness(folder) for folder in _folders(settings)]
    known = keys or sorted({key for each in witnesses for key in each.verifiers()})
    if not known:
        raise OperatorError("No public key is known here; give one with --key.")
    earlier = [note for path in files for note in _notes(path)]
    earlier += [note for each in witnesses for note in _spread(each.notes())]
    try:
        trusted = read_keys("\n".join(known))
    except ValueError as error:
        raise OperatorError("A public key is none; it reads name+id+key.") from error
    with export.open("rb") as lines:
        found = verify_export(lines, trusted, earlier)
    return not found.failures, list(report(found))
