"""Verification where the log was restored, and where somebody else's studies are in it."""

from app.core.witnesses import Witness
from app.services.verification import Evidence, verify
from app.services.verification_checkpoints import KeptNote
from tests.factories.seal import operate, seal, sealer
from tests.promises.test_P14_checkpoints_extend import lose_operations


async def roots(database, folder):
    """Verify against the witness; return the check of the roots and what is told besides."""
    witness = Witness(folder / "witness-0")
    notes = [KeptNote("the witness", note) for note in witness.notes()]
    async with database.session() as session:
        report = await verify(session, Evidence(notes, witness.verifiers()))
    wrong = {check.name: check for check in report.checks}
    assert wrong["signatures"].wrong == 0
    return wrong["roots"], report.notices


async def test_a_restore_is_a_finding_until_it_is_on_record(
    committing_url, committing_database, tmp_path
):
    """The lost end is told; once a signed statement names it, every epoch is reported instead."""
    await operate(committing_database, 3)
    await seal(committing_url, tmp_path)
    await operate(committing_database, 2)
    await seal(committing_url, tmp_path)
    assert (await roots(committing_database, tmp_path))[0].wrong == 0
    await lose_operations(committing_database, 4)
    check, _ = await roots(committing_database, tmp_path)
    assert check.wrong == 1
    assert "its end was cut off" in check.findings[0]
    async with sealer(committing_url, tmp_path) as one:
        await one.acknowledge("Restored after a fire.")
    await operate(committing_database, 4)
    await seal(committing_url, tmp_path)
    check, notices = await roots(committing_database, tmp_path)
    assert check.findings == []
    (epoch,) = notices
    assert epoch.startswith("Epoch 1: the log was restored to 4 operations on")
    assert epoch.endswith("after 6 had been published: Restored after a fire.")


async def test_without_anything_from_outside_the_report_says_how_much_it_proves(
    committing_url, committing_database, tmp_path
):
    """A key that the database itself names, and no witness: both are told."""
    await seal(committing_url, tmp_path)
    async with committing_database.session() as session:
        report = await verify(session, Evidence())
    assert report.verified
    assert [notice.partition(":")[0] for notice in report.notices] == [
        "No checkpoint from outside the database was given",
        "The key was taken from the database itself; compare it with the one published.",
    ]


async def test_an_empty_log_and_what_waits(committing_database):
    """Before the first seal nothing is proved and nothing is wrong; what waits is counted."""
    await operate(committing_database, 2)
    async with committing_database.session() as session:
        report = await verify(session, Evidence())
    assert report.verified
    assert (report.size, report.pending) == (0, 3)
