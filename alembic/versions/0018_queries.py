"""Data queries with their messages, and source verification."""

from __future__ import annotations

import re

import sqlalchemy as sa

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ORIGINS = ("person", "rule")
STATUSES = ("open", "answered", "closed", "cancelled", "resolved")
ACTIONS = ("answer", "close", "reopen", "cancel")
TABLES = {"query": "record", "query_message": "fact", "source_verification": "fact"}
# Free text in which a person can be named, column by column.
TEXTS = {"query": ("text",), "query_message": ("text",)}
FREE_TEXT = "ck_redaction_request_free_text"


def upgrade() -> None:
    create_query()
    create_query_message()
    create_source_verification()
    for table, kind in TABLES.items():
        op.execute(f"SELECT guard('{table}', '{kind}')")
        op.execute(f"SELECT wall_sites('{table}', 'subject_id IN (SELECT id FROM subject)')")
    for table, columns in TEXTS.items():
        op.execute(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO msc_icaht_audit")
        op.execute(f"GRANT SELECT ON {table} TO msc_icaht_audit")
        op.execute(f"CREATE POLICY redacting ON {table} TO msc_icaht_audit USING (true)")
    name_free_text([*free_text(), *own_free_text()])


def create_query() -> None:
    """Make the table of queries."""
    op.create_table(
        "query",
        *keys(),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("record_type", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        word("origin", ORIGINS),
        sa.Column("rule_key", sa.Text(), nullable=True),
        word("status", STATUSES),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("answerers", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        *origin(),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(origin = 'rule') = (rule_key IS NOT NULL)", name=op.f("ck_query_rule")
        ),
        sa.CheckConstraint("status <> 'resolved'", name=op.f("ck_query_recorded")),
        sa.CheckConstraint(
            "(answered_by IS NULL) >= (status = 'open')"
            " AND (answered_by IS NOT NULL) >= (status IN ('answered', 'closed'))",
            name=op.f("ck_query_answered"),
        ),
        sa.CheckConstraint(
            "(closed_by IS NOT NULL) = (status IN ('closed', 'cancelled'))",
            name=op.f("ck_query_closed"),
        ),
        sa.CheckConstraint(
            "answered_by IS NULL OR answered_by = ANY (answerers)", name=op.f("ck_query_answerer")
        ),
        sa.CheckConstraint("closed_by <> ALL (answerers)", name=op.f("ck_query_two_persons")),
        *references("query", subject_id="subject", answered_by="principal", closed_by="principal"),
    )
    op.create_index(op.f("ix_query_study_id_subject_id"), "query", ["study_id", "subject_id"])


def create_query_message() -> None:
    """Make the table of what is said about queries."""
    op.create_table(
        "query_message",
        *keys(),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("query_id", sa.Uuid(), nullable=False),
        word("action", ACTIONS),
        sa.Column("text", sa.Text(), nullable=False),
        *origin(),
        *references("query_message", subject_id="subject", query_id="query"),
    )
    op.create_index(
        op.f("ix_query_message_study_id_query_id"), "query_message", ["study_id", "query_id"]
    )


def create_source_verification() -> None:
    """Make the table of what was held against the source."""
    op.create_table(
        "source_verification",
        *keys(),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("record_type", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("record_version", sa.Integer(), nullable=False),
        sa.Column("fields", sa.ARRAY(sa.Text()), nullable=False),
        *origin(),
        sa.CheckConstraint("cardinality(fields) > 0", name=op.f("ck_source_verification_fields")),
        *references("source_verification", subject_id="subject"),
    )
    op.create_index(
        op.f("ix_source_verification_study_id_record_type_record_id"),
        "source_verification",
        ["study_id", "record_type", "record_id"],
    )


def keys() -> tuple[sa.Column, ...]:
    """Return the columns of a row's key."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def word(name: str, words: tuple[str, ...]) -> sa.Column:
    """Return a column that holds one of some words."""
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
    return sa.Column(name, kind, nullable=False)


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
    name_free_text([target for target in free_text() if target not in own_free_text()])
    for table in reversed(TABLES):
        op.drop_table(table)
