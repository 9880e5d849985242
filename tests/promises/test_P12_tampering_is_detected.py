"""P12: whoever changes the trail, even as the database's superuser, is found out."""

import random
from contextlib import asynccontextmanager
from datetime import date
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from app.core.seal_key import KEY_FILE, local_seal_key
from app.core.witnesses import Witness
from app.domain.seal_note import parse_checkpoint, parse_note
from app.domain.vocabulary import Role
from app.services.sealing import Sealing
from app.services.verification import Evidence, verify
from app.services.verification_checkpoints import KeptNote
from app.services.verification_leaves import LeafChecks, check_leaves
from app.services.verification_report import Check
from app.services.verification_times import Timeline
from tests.factories.ladder import decide, treat
from tests.factories.seal import seal_and_leave

ROWS = 8
TEXT, MOMENT, ID = "{0} || 'x'", "{0} + interval '1 second'", "gen_random_uuid()"
# What a superuser writes into each column of the trail, different from what is there.
EDITS = {
    ("change", "study_id"): ID,
    ("change", "id"): "{0} + 1000000",
    ("change", "operation_id"): ID,
    ("change", "table_name"): TEXT,
    ("change", "record_id"): ID,
    ("change", "action"): "CASE {0} WHEN 'insert' THEN 'delete' ELSE 'insert' END",
    ("change", "old"): "coalesce({0}, '{{}}') || '{{\"version\": 77}}'",
    ("change", "new"): "{0} || '{{\"version\": 77}}'",
    ("change", "recorded_at"): MOMENT,
    ("operation", "study_id"): ID,
    ("operation", "id"): ID,
    ("operation", "actor_id"): ID,
    ("operation", "actor_name"): TEXT,
    ("operation", "role"): TEXT,
    ("operation", "organisation"): TEXT,
    ("operation", "command"): TEXT,
    ("operation", "reason"): TEXT,
    ("operation", "request_id"): TEXT,
    ("operation", "recorded_at"): MOMENT,
    ("operation", "transaction"): "{0} + 1",
}
LAST_CHANGE = "(SELECT max(id) FROM change)"
EDITED = f"UPDATE change SET new = new || '{{\"weight_kg\": 99}}' WHERE id = {LAST_CHANGE}"
SWAPPED = """
UPDATE change a SET new = b.new FROM change b
WHERE a.id IN (x, y) AND b.id IN (x, y) AND a.id <> b.id
""".replace("x, y", "(SELECT min(id) FROM change), (SELECT max(id) FROM change)")
CUT = [
    (
        "UPDATE subject SET weight_kg = (old ->> 'weight_kg')::numeric,"
        f" version = (old ->> 'version')::int FROM change c WHERE c.id = {LAST_CHANGE}"
        " AND subject.id = c.record_id"
    ),
    f"DELETE FROM change WHERE id = {LAST_CHANGE}",
    (
        "DELETE FROM operation WHERE id = (SELECT operation_id FROM seal_entry ORDER BY index DESC"
        " LIMIT 1)"
    ),
    "DELETE FROM seal_entry WHERE index = (SELECT max(index) FROM seal_leaf)",
    "DELETE FROM seal_commitment WHERE index = (SELECT max(index) FROM seal_leaf)",
    "DELETE FROM seal_checkpoint WHERE size = (SELECT max(index) + 1 FROM seal_leaf)",
    "DELETE FROM seal_node WHERE (index + 1) << level > (SELECT max(index) FROM seal_leaf)",
    "DELETE FROM seal_leaf WHERE index = (SELECT max(index) FROM seal_leaf)",
]
INSERTED = (
    "INSERT INTO operation (study_id, id, actor_id, actor_name, role, organisation, command,"
    " reason, request_id, recorded_at, transaction) SELECT study_id, gen_random_uuid(), actor_id,"
    " actor_name, role, organisation, command, reason, request_id, recorded_at, {}"
    " FROM operation WHERE command <> 'create_study' LIMIT 1"
)
ADDED = (
    "INSERT INTO change (study_id, operation_id, table_name, record_id, action, new, recorded_at)"
    f" SELECT study_id, operation_id, table_name, record_id, action, new, recorded_at FROM change"
    f" WHERE id = {LAST_CHANGE}"
)
# Each: what is done, and what the report says of it.
ATTACKS = {
    "row deleted": ([f"DELETE FROM change WHERE id = {LAST_CHANGE}"], "is gone"),
    "operation deleted": (
        ["DELETE FROM operation WHERE command = 'give_verdict'"], "names an operation that is not",
    ),
    "fact deleted": (["DELETE FROM decision_verdict"], "A row of decision_verdict"),
    "sealed operation removed": (
        [
            f"DELETE FROM {table} WHERE {key} IN (SELECT {of} FROM seal_entry WHERE index = 3)"
            for table, key, of in (
                ("attestation", "operation_id", "operation_id"),
                ("change", "operation_id", "operation_id"),
                ("operation", "id", "operation_id"),
                ("seal_commitment", "index", "index"),
                ("seal_entry", "index", "index"),
            )
        ],
        "but number 4 is missing",
    ),
    "leaf deleted": (["DELETE FROM seal_leaf WHERE index = 3"], "leaves are missing"),
    "header deleted": (["DELETE FROM seal_entry WHERE index = 3"], "lost the header"),
    "header changed": (
        ["UPDATE seal_entry SET header = replace(header, 'create_study', 'read_study_x')"],
        "is not the one that was sealed",
    ),
    "payloads swapped": ([SWAPPED], "is not what was sealed"),
    "salt taken away": (
        [f"UPDATE change SET action = 'delete' WHERE id = {LAST_CHANGE}",
         "UPDATE seal_commitment SET salt = NULL WHERE table_name = 'change'"],
        "no redaction explains it",
    ),
    "back-dated insert": ([INSERTED.format("0")], "came in where the log was sealed already"),
    "row added to a sealed operation": ([ADDED], "is not in its seal"),
    "live row changed": (["UPDATE subject SET birth_year = 1950"], "changed past the trail"),
    "live row deleted": ([("DELETE FROM subject WHERE id = (SELECT min(id::text)::uuid FROM"
                          " subject)")], "not among the records any more"),
    "decision rewritten": (
        ["UPDATE escalation_decision SET evidence = jsonb_set(evidence, '{levels,0,dlts}', '2')"],
        "does not follow from the evidence",
    ),
    "checkpoint removed": (["DELETE FROM seal_checkpoint"], "No checkpoint of the log is left"),
    "checkpoint altered": (
        ["UPDATE seal_checkpoint SET note = replace(note, '2', '3')"], "a note in the database",
    ),
}  # fmt: skip


@pytest.fixture
async def trail(committing_api, committing_database, committing_url, clock, tmp_path):
    """A sealed trail with a cohort, a decision and a correction; a witness has its notes."""
    await seal_and_leave(committing_database, committing_url, tmp_path)
    subjects = await treat(committing_api, clock, date(2026, 6, 3), 3)
    await decide(committing_api, "escalate")
    await seal_and_leave(committing_database, committing_url, tmp_path)
    corrected = await committing_api(Role.STUDY_COORDINATOR).patch(
        f"/subjects/{subjects[0]['id']}",
        json={"weight_kg": 61.5, "reason": "Misread."},
        headers={"If-Match": f'"v{subjects[0]["version"]}"'},
    )
    assert corrected.status_code == 200, corrected.text
    await seal_and_leave(committing_database, committing_url, tmp_path)
    witness = Witness(tmp_path / "witness-0")
    notes = [KeptNote("the witness", note) for note in witness.notes()]
    assert len(notes) == 3
    return SimpleNamespace(
        database=committing_database,
        key=local_seal_key(tmp_path / KEY_FILE),
        evidence=Evidence(notes, witness.verifiers()),
        published=parse_checkpoint(parse_note(notes[-1].note).text),
    )


@asynccontextmanager
async def superuser(trail, *statements):
    """Do something that nobody but a superuser can, in a transaction that is taken back."""
    async with trail.database.session() as session:
        tables = await session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        for table in tables.all():
            await session.execute(text(f'ALTER TABLE "{table}" DISABLE TRIGGER ALL'))
        await session.execute(text("ALTER TABLE change ALTER id SET GENERATED BY DEFAULT"))
        for statement in statements:
            await session.execute(text(statement))
        yield session


def sentences(report) -> str:
    """Put everything that a report found into one text."""
    return "\n".join(sentence for check in report.checks for sentence in check.findings).lower()


async def test_an_untouched_trail_verifies(trail):
    """The control: nothing is found where nothing was done, and every check looked at something."""
    async with trail.database.session() as session:
        report = await verify(session, trail.evidence)
    assert report.verified, sentences(report)
    assert report.complete
    assert all(check.looked_at for check in report.checks)
    assert report.pending == 0


async def test_every_column_of_the_trail_is_under_the_seal(trail, seed):
    """Eight random rows are edited in each of twenty columns: every one of them is found."""
    chance = random.Random(seed)
    found = 0
    for (table, column), value in EDITS.items():
        async with superuser(trail) as session:
            rows = (await session.execute(text(f"SELECT id, study_id FROM {table}"))).all()
            chosen = chance.sample(sorted(rows), ROWS)
            named = set(await session.scalars(_named(table), {"ids": [row.id for row in chosen]}))
            for row in chosen:
                done = await session.execute(
                    text(f"UPDATE {table} SET {column} = {value.format(column)} WHERE id = :id"),
                    {"id": row.id},
                )
                assert done.rowcount == 1
            check = Check("leaves", "")
            await check_leaves(session, LeafChecks(check, check), True, Timeline([]))
            told = " ".join(check.findings)
            assert check.wrong >= ROWS, (table, column)
            assert all(name in told for name in named), (table, column)
            found += ROWS
    assert found == len(EDITS) * ROWS


def _named(table: str):
    """Select what findings call these rows by: the record, or the operation."""
    key = "record_id" if table == "change" else "id"
    return text(f"SELECT {key}::text FROM {table} WHERE id = ANY (:ids)")


async def test_each_attack_is_told_for_what_it_is(trail):
    """Deleted, swapped, added, back-dated or past the trail: the report says which."""
    for name, (statements, sentence) in ATTACKS.items():
        async with superuser(trail, *statements) as session:
            report = await verify(session, trail.evidence)
        assert sentence.lower() in sentences(report), (name, sentences(report))
        assert not report.verified


async def test_a_cut_tail_is_found_by_what_was_published(trail):
    """Without a trace in the database: only the witness knows that there was more."""
    async with superuser(trail, *CUT) as session:
        told = sentences(await verify(session, trail.evidence))
        assert "its end was cut off" in told
        alone = await verify(session, Evidence(verifiers=trail.evidence.verifiers))
    assert [check.name for check in alone.checks if check.wrong] == ["inventory"]


async def test_a_log_computed_anew_is_found_by_its_root_and_its_key(trail, tmp_path):
    """Who has the database has no key: the signatures are others, and the roots too."""
    emptied = [f"DELETE FROM seal_{name}" for name in (
        "leaf", "entry", "commitment", "node", "checkpoint",
    )]  # fmt: skip
    reset = "UPDATE seal_state SET horizon = 0"
    async with superuser(trail, EDITED, *emptied, reset) as session:
        await Sealing(local_seal_key(tmp_path / "forged")).seal(session, None)
        told = sentences(await verify(session, trail.evidence))
        assert "the database was not signed with the key" in told
        assert "the log was rewritten" in told


async def test_what_is_sealed_later_cannot_claim_to_be_older(trail):
    """A back-dated operation that the sealer takes up after all is told by its time."""
    async with superuser(trail, INSERTED.format("pg_current_xact_id()::text::bigint")) as session:
        backdate = "UPDATE operation SET recorded_at = recorded_at - interval '1 year'"
        await session.execute(
            text(f"{backdate} WHERE id NOT IN (SELECT operation_id FROM seal_entry)")
        )
        await session.execute(text("UPDATE operation SET transaction = 1 WHERE transaction ="
                                   " pg_current_xact_id()::text::bigint"))  # fmt: skip
        await session.execute(text("UPDATE seal_state SET horizon = 0"))
        await Sealing(trail.key).seal(session, trail.published)
        assert "is back-dated" in sentences(await verify(session, trail.evidence))


async def test_a_disabled_trigger_is_found_by_the_inventory_and_by_the_records(trail):
    """Whether it is put back or not: the record is not what the trail says."""
    async with trail.database.session() as session:
        for statement in (
            "ALTER TABLE subject DISABLE TRIGGER subject_write_updates",
            "UPDATE subject SET birth_year = 1950",
        ):
            await session.execute(text(statement))
        told = sentences(await verify(session, trail.evidence))
        assert "the trigger subject_write_updates is missing or disabled" in told
        assert "changed past the trail" in told
        await session.execute(
            text("ALTER TABLE subject ENABLE ALWAYS TRIGGER subject_write_updates")
        )
        told = sentences(await verify(session, trail.evidence))
        assert "is missing or disabled" not in told
        assert "changed past the trail" in told


async def test_a_naive_verifier_that_looks_at_signatures_only_sees_nothing(trail):
    """The control: an edited row leaves every signature and every root as it was."""
    async with superuser(trail, EDITED) as session:
        report = await verify(session, trail.evidence)
    wrong = {check.name: check.wrong for check in report.checks}
    assert wrong["signatures"] == wrong["roots"] == 0
    assert wrong["leaves"] == 1
