"""Safety reporting: reference safety information, follow-up information and reports sent.

A lower grade that was recorded so far corrected the one before: the field was the worst so far.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KINDS = ("serious_initial", "susar_initial", "susar_complete", "susar_new_information")
# Free text in which a person can be named, column by column.
TEXTS = {
    "follow_up": ("summary",),
    "safety_report": ("late_reason",),
    "safety_retraction": ("reason",),
}
CORRECTIONS = ("grade_correction", "class_correction")
OF_EVENT = ("follow_up", "safety_report", "safety_retraction", *CORRECTIONS)
OF_SITE = "adverse_event_id IN (SELECT id FROM adverse_event)"
FREE_TEXT = "ck_redaction_request_free_text"
# The trail tells by which operation a grade was corrected; of that operation the correction is.
KEEP_CORRECTIONS = """
INSERT INTO grade_correction
    (study_id, id, adverse_event_id, event_version, operation_id, recorded_at)
SELECT study_id, gen_random_uuid(), record_id, (new ->> 'version')::int, operation_id, recorded_at
FROM change
WHERE table_name = 'adverse_event' AND action = 'update'
  AND (new ->> 'grade')::int < (old ->> 'grade')::int
"""
# Corrections come back with the way up; that an event got better could not be told from them.
CHECK_UNUSED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM reference_safety_information) OR EXISTS (SELECT FROM follow_up)
        OR EXISTS (SELECT FROM safety_report) OR EXISTS (SELECT FROM class_correction)
        OR EXISTS (
            SELECT FROM change
            WHERE table_name = 'adverse_event' AND action = 'update'
              AND (new ->> 'grade')::int < (old ->> 'grade')::int
              AND NOT EXISTS (
                  SELECT FROM grade_correction corrected
                  WHERE corrected.study_id = change.study_id
                    AND corrected.adverse_event_id = change.record_id
                    AND corrected.event_version = (new ->> 'version')::int))
    THEN
        RAISE EXCEPTION 'safety reports were recorded: records are kept' USING ERRCODE = '55000';
    END IF;
END $$
"""


def upgrade() -> None:
    create_reference()
    create_follow_up()
    create_report()
    create_retraction()
    for table in CORRECTIONS:
        create_correction(table)
    for table in ("reference_safety_information", *OF_EVENT):
        op.execute(f"SELECT guard('{table}', 'fact')")
    for table in OF_EVENT:
        op.execute(f"SELECT wall_sites('{table}', '{OF_SITE}')")
    for table, columns in TEXTS.items():
        op.execute(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO msc_icaht_audit")
        op.execute(f"GRANT SELECT ON {table} TO msc_icaht_audit")
        op.execute(f"CREATE POLICY redacting ON {table} TO msc_icaht_audit USING (true)")
    name_free_text([*free_text(), *own_free_text()])
    op.execute(KEEP_CORRECTIONS)


def create_reference() -> None:
    """Make the table of the versions of the reference safety information."""
    table = "reference_safety_information"
    op.create_table(
        table,
        *keys(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("entries", postgresql.JSONB(), nullable=False),
        *origin(),
        sa.CheckConstraint("number > 0", name=op.f(f"ck_{table}_number")),
        sa.UniqueConstraint("study_id", "number", name=op.f(f"uq_{table}_study_id_number")),
        *references(table),
    )


def create_follow_up() -> None:
    """Make the table of what was learned later."""
    op.create_table(
        "follow_up",
        *keys(),
        sa.Column("adverse_event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        *origin(),
        sa.CheckConstraint("btrim(summary) <> ''", name=op.f("ck_follow_up_summary")),
        *references("follow_up", adverse_event_id="adverse_event"),
    )
    index("follow_up", "adverse_event_id", "id")


def create_report() -> None:
    """Make the table of reports sent."""
    kind = sa.Enum(*KINDS, name="kind", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "safety_report",
        *keys(),
        sa.Column("adverse_event_id", sa.Uuid(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("late_reason", sa.Text(), nullable=True),
        *origin(),
        sa.CheckConstraint("sent_at >= counted_from", name=op.f("ck_safety_report_sent_at")),
        sa.CheckConstraint("event_version > 0", name=op.f("ck_safety_report_event_version")),
        *references("safety_report", adverse_event_id="adverse_event"),
    )
    index("safety_report", "adverse_event_id", "id")


def create_retraction() -> None:
    """Make the table of what was taken back."""
    table = "safety_retraction"
    op.create_table(
        table,
        *keys(),
        sa.Column("adverse_event_id", sa.Uuid(), nullable=False),
        sa.Column("safety_report_id", sa.Uuid(), nullable=True),
        sa.Column("follow_up_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        *origin(),
        sa.CheckConstraint(
            "num_nonnulls(safety_report_id, follow_up_id) = 1", name=op.f(f"ck_{table}_of_one")
        ),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f(f"ck_{table}_reason")),
        *(
            sa.UniqueConstraint("study_id", column, name=op.f(f"uq_{table}_study_id_{column}"))
            for column in ("safety_report_id", "follow_up_id")
        ),
        *references(
            table,
            adverse_event_id="adverse_event",
            safety_report_id="safety_report",
            follow_up_id="follow_up",
        ),
    )
    index(table, "adverse_event_id")


def create_correction(table: str) -> None:
    """Make a table that says before which versions of an event something was never right."""
    op.create_table(
        table,
        *keys(),
        sa.Column("adverse_event_id", sa.Uuid(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        *origin(),
        sa.CheckConstraint("event_version > 1", name=op.f(f"ck_{table}_event_version")),
        sa.UniqueConstraint(
            "study_id",
            "adverse_event_id",
            "event_version",
            name=op.f(f"uq_{table}_study_id_adverse_event_id_event_version"),
        ),
        *references(table, adverse_event_id="adverse_event"),
    )


def keys() -> tuple[sa.Column, ...]:
    """Return the columns of a row's key."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def origin() -> tuple[sa.Column, ...]:
    """Return the columns that say by which operation a row was recorded, and when."""
    return (
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
    )


def references(table: str, **targets: str) -> tuple[sa.Constraint, ...]:
    """Return the keys of a table, each reference within its own study."""
    return (
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f(f"fk_{table}_study_id")
        ),
        *(
            sa.ForeignKeyConstraint(
                ["study_id", column],
                [f"{target}.study_id", f"{target}.id"],
                name=op.f(f"fk_{table}_study_id_{column}"),
            )
            for column, target in {"operation_id": "operation", **targets}.items()
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
    )


def index(table: str, *columns: str) -> None:
    """Index a table by these columns within a study."""
    whole = ("study_id", *columns)
    op.create_index(op.f(f"ix_{table}_{'_'.join(whole)}"), table, list(whole))


def own_free_text() -> list[str]:
    """Name what this revision lets a redaction take away."""
    return [f"{table}.{column}" for table, columns in TEXTS.items() for column in columns]


def free_text() -> list[str]:
    """Read what a redaction may take away so far."""
    definition = op.get_bind().scalar(
        sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"),
        {"name": FREE_TEXT},
    )
    return re.findall(r"'([a-z_]+\.[a-z_.]+)'", definition)


def name_free_text(targets: list[str]) -> None:
    """Let a redaction ask for these and nothing else."""
    op.drop_constraint(op.f(FREE_TEXT), "redaction_request", type_="check")
    words = ", ".join(f"'{target}'" for target in targets)
    op.create_check_constraint(
        op.f(FREE_TEXT), "redaction_request", f"record_type || '.' || field IN ({words})"
    )


def downgrade() -> None:
    op.execute(CHECK_UNUSED)
    name_free_text([target for target in free_text() if target not in own_free_text()])
    for table in (*reversed(OF_EVENT), "reference_safety_information"):
        op.drop_table(table)
