"""Deviations that people report, and what they note on any deviation."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CATEGORIES = (
    "consent", "eligibility", "product", "dosing", "visit", "assessment",
    "concomitant_treatment", "safety_reporting", "confidentiality", "documentation", "other",
)  # fmt: skip
# Free text in which a person can be named, column by column.
TEXTS = {
    "deviation_note": ("text", "root_cause", "corrective_action", "preventive_action"),
    "reported_deviation": ("description",),
}
# Of no subject a deviation is of the site that reported it, or the study's and so every site's.
OF_SITE = """
    (subject_id IS NULL OR subject_id IN (SELECT id FROM subject))
    AND (site_id IS NULL OR site_id = ANY ((SELECT current_sites())::uuid[]))
"""
# What shows the trail's entries (migration 0007); of a deviation of no subject by its site.
CHANGES_BEFORE = """
    CASE
        WHEN table_name = 'subject' THEN record_id IN (SELECT id FROM subject)
        WHEN table_name = 'sender' THEN record_id IN (SELECT id FROM sender)
        WHEN table_name = 'inbox_item'
            THEN (new ->> 'message_id')::uuid IN (SELECT id FROM inbound_message)
        WHEN table_name IN ('machine_client', 'sender_key')
            THEN (new ->> 'sender_id')::uuid IN (SELECT id FROM sender)
        WHEN table_name IN ('product_bag', 'product_lot') THEN true
        ELSE coalesce((new ->> 'subject_id')::uuid IN (SELECT id FROM subject), false)
    END
"""
CHANGES = f"""
    CASE
        WHEN table_name = 'reported_deviation' AND new ->> 'subject_id' IS NULL THEN
            new ->> 'site_id' IS NULL
            OR (new ->> 'site_id')::uuid = ANY ((SELECT current_sites())::uuid[])
        ELSE {CHANGES_BEFORE}
    END
"""
FREE_TEXT = "ck_redaction_request_free_text"
CHECK_UNUSED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM reported_deviation) OR EXISTS (SELECT FROM deviation_note) THEN
        RAISE EXCEPTION 'deviations were reported or noted on: records are kept'
            USING ERRCODE = '55000';
    END IF;
END $$
"""


def upgrade() -> None:
    create_reported_deviation()
    create_deviation_note()
    for table, columns in TEXTS.items():
        op.execute(sa.text("SELECT wall_sites(:tab, :own)").bindparams(tab=table, own=OF_SITE))
        op.execute(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO msc_icaht_audit")
        op.execute(f"GRANT SELECT ON {table} TO msc_icaht_audit")
        op.execute(f"CREATE POLICY redacting ON {table} TO msc_icaht_audit USING (true)")
    show_changes(CHANGES)
    name_free_text([*free_text(), *own_free_text()])


def show_changes(own: str) -> None:
    """Say which entries of the trail a bound transaction sees."""
    op.execute("DROP POLICY own_site ON change")
    op.execute(sa.text("SELECT wall_sites('change', :own)").bindparams(own=own))


def create_reported_deviation() -> None:
    """Make the table of what people report."""
    op.create_table(
        "reported_deviation",
        *keys(),
        *whose(),
        word("category", CATEGORIES, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        word("severity", ("minor", "major"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *origin(),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "btrim(description) <> ''", name=op.f("ck_reported_deviation_description")
        ),
        of_one_place("reported_deviation"),
        *references("reported_deviation", subject_id="subject", site_id="site"),
    )
    op.create_index(
        op.f("ix_reported_deviation_study_id_subject_id"),
        "reported_deviation",
        ["study_id", "subject_id"],
    )
    op.execute("SELECT guard('reported_deviation', 'record')")


def create_deviation_note() -> None:
    """Make the table of notes."""
    op.create_table(
        "deviation_note",
        *keys(),
        *whose(),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("deviation_id", sa.Uuid(), nullable=True),
        sa.Column("seen", postgresql.JSONB(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        word("assessment", ("important", "not_important"), nullable=True),
        sa.Column("root_cause", sa.Text(), nullable=True),
        sa.Column("corrective_action", sa.Text(), nullable=True),
        sa.Column("preventive_action", sa.Text(), nullable=True),
        *origin(),
        sa.CheckConstraint(
            "(key IS NULL) <> (deviation_id IS NULL)", name=op.f("ck_deviation_note_of_one")
        ),
        sa.CheckConstraint(
            "key IS NULL OR subject_id IS NOT NULL", name=op.f("ck_deviation_note_of_a_subject")
        ),
        sa.CheckConstraint("btrim(text) <> ''", name=op.f("ck_deviation_note_text")),
        of_one_place("deviation_note"),
        *references(
            "deviation_note",
            subject_id="subject",
            site_id="site",
            deviation_id="reported_deviation",
        ),
    )
    op.create_index(
        op.f("ix_deviation_note_study_id_subject_id"), "deviation_note", ["study_id", "subject_id"]
    )
    op.execute("SELECT guard('deviation_note', 'fact')")


def keys() -> tuple[sa.Column, ...]:
    """Return the columns of a row's key."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def whose() -> tuple[sa.Column, ...]:
    """Return the columns that say of whom a row is: of a subject, of a site, or of the study."""
    return (
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
    )


def of_one_place(table: str) -> sa.CheckConstraint:
    """Return the condition that a subject's row names no site beside: it is at the subject's."""
    return sa.CheckConstraint(
        "subject_id IS NULL OR site_id IS NULL", name=op.f(f"ck_{table}_of_one_place")
    )


def word(name: str, words: tuple[str, ...], *, nullable: bool) -> sa.Column:
    """Return a column that holds one of some words."""
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
    return sa.Column(name, kind, nullable=nullable)


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
    show_changes(CHANGES_BEFORE)
    name_free_text([target for target in free_text() if target not in own_free_text()])
    op.drop_table("deviation_note")
    op.drop_table("reported_deviation")
