"""Keep what people concluded after evidence had moved under a decision or a signature."""

from __future__ import annotations

import re

import sqlalchemy as sa

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TYPES = (
    "escalation_decision", "expansion", "decision_verdict", "enrolment", "dlt_adjudication",
    "signature",
)  # fmt: skip
CONCLUSIONS = ("stands", "to_be_revised", "revised")
TABLE = "evidence_review"
TEXT = f"{TABLE}.text"
FREE_TEXT = "ck_redaction_request_free_text"
CHECK_UNUSED = f"""
DO $$ BEGIN
    IF EXISTS (SELECT FROM {TABLE}) THEN
        RAISE EXCEPTION 'evidence was reviewed: records are kept' USING ERRCODE = '55000';
    END IF;
END $$
"""


def word(name: str, words: tuple[str, ...]) -> sa.Enum:
    """Return the column type of a vocabulary word."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    """Return a foreign key within the study."""
    return sa.ForeignKeyConstraint(
        ["study_id", column],
        [f"{target}.study_id", f"{target}.id"],
        name=op.f(f"fk_{TABLE}_study_id_{column}"),
    )


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("record_type", word("record_type", TYPES), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("moved_digest", sa.Text(), nullable=False),
        sa.Column("conclusion", word("conclusion", CONCLUSIONS), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reviewed_by", sa.Uuid(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("btrim(text) <> ''", name=op.f(f"ck_{TABLE}_text")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f(f"fk_{TABLE}_study_id")
        ),
        reference("operation_id", "operation"),
        reference("subject_id", "subject"),
        reference("reviewed_by", "principal"),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{TABLE}")),
    )
    for columns in (["study_id", "record_type", "record_id"], ["study_id", "subject_id"]):
        op.create_index(op.f(f"ix_{TABLE}_{'_'.join(columns)}"), TABLE, columns)
    op.execute(f"SELECT guard('{TABLE}', 'fact')")
    op.execute(
        f"SELECT wall_sites('{TABLE}',"
        " 'subject_id IS NULL OR subject_id IN (SELECT id FROM subject)')"
    )
    op.execute(f"GRANT UPDATE (text) ON {TABLE} TO msc_icaht_audit")
    op.execute(f"GRANT SELECT ON {TABLE} TO msc_icaht_audit")
    op.execute(f"CREATE POLICY redacting ON {TABLE} TO msc_icaht_audit USING (true)")
    name_free_text([*free_text(), TEXT])


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
    name_free_text([target for target in free_text() if target != TEXT])
    op.drop_table(TABLE)
